//! The bounded way to a store: what arrives while calls are under way goes together in the next one,
//! so that a hot account costs one lock a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ledger::{Batch, Outcome, Unavailable};
use tokio::sync::{Mutex, mpsc, oneshot};

/// What callers are answered.
pub type Answered = Result<Vec<Vec<Outcome>>, Unavailable>;

/// The store that calls are made to.
pub trait Calls: Send + Sync + 'static {
    /// About how many bytes of commands go in one call.
    const CALL_BYTES_MAX: usize;
    /// How many requests go in one call.
    const CALL_REQUESTS_MAX: usize;

    /// Applies the batches in one call.
    fn call(&self, batches: &[Batch], deadline: Instant) -> impl Future<Output = Answered> + Send;

    /// How long to wait, now that something has arrived, before a call is made of it.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }

    /// Told how many bytes wait.
    fn waiting(&self, bytes: usize) {
        let _ = bytes;
    }
}

/// Batches that wait.
struct Request {
    batches: Vec<Batch>,
    deadline: Instant,
    answer: oneshot::Sender<Answered>,
    size_bytes: usize,
}

/// The callers' end. The callers' tasks end when it is dropped, after what was queued.
pub struct Queue<C> {
    store: Arc<C>,
    sender: mpsc::UnboundedSender<Request>,
    waiting_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl<C: Calls> Queue<C> {
    /// A queue of about `bytes_max`, with tasks that make `calls_max` calls at once. Needs to be in
    /// a runtime.
    #[must_use]
    pub fn start(store: Arc<C>, bytes_max: usize, calls_max: usize) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        for _ in 0..calls_max.max(1) {
            let caller = Caller {
                store: Arc::clone(&store),
                receiver: Arc::clone(&receiver),
                waiting_bytes: Arc::clone(&waiting_bytes),
            };
            tokio::spawn(caller.run());
        }
        Self {
            store,
            sender,
            waiting_bytes,
            bytes_max,
        }
    }

    /// Has the batches applied, and waits for their outcomes until the deadline.
    ///
    /// # Errors
    ///
    /// When the queue is full, the store is unavailable, or the deadline passes.
    pub async fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answered {
        if deadline <= Instant::now() {
            return Err(Unavailable::Overloaded);
        }
        let batches_bytes = |batch: &Batch| batch.size_bytes() + size_of_val(batch.commands());
        let size_bytes = size_of::<Request>() + batches.iter().map(batches_bytes).sum::<usize>();
        let before = self.waiting_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        // A call that is larger than the whole queue may still go through alone.
        if before > 0 && before + size_bytes > self.bytes_max {
            self.waiting_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
            return Err(Unavailable::Overloaded);
        }
        self.store.waiting(before + size_bytes);
        let (answer, answered) = oneshot::channel();
        let request = Request {
            batches,
            deadline,
            answer,
            size_bytes,
        };
        if self.sender.send(request).is_err() {
            return Err(Unavailable::LedgerUnavailable);
        }
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Unavailable::LedgerUnavailable),
            Err(_) => Err(Unavailable::Timeout),
        }
    }
}

/// A task that makes one call after the other.
struct Caller<C> {
    store: Arc<C>,
    receiver: Arc<Mutex<mpsc::UnboundedReceiver<Request>>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl<C: Calls> Caller<C> {
    async fn run(self) {
        while let Some(requests) = self.gather().await {
            let store = Arc::clone(&self.store);
            // A panic ends this call alone: its requests are answered that the ledger is
            // unavailable.
            let _ = tokio::spawn(async move { call(&*store, requests).await }).await;
        }
    }

    /// Everything that waits, up to what fits in one call; `None` once the engine is closed.
    async fn gather(&self) -> Option<Vec<Request>> {
        let mut receiver = self.receiver.lock().await;
        let first = receiver.recv().await?;
        let pause = self.store.pause();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let mut bytes = first.size_bytes;
        let mut requests = vec![first];
        while bytes < C::CALL_BYTES_MAX && requests.len() < C::CALL_REQUESTS_MAX {
            let Ok(request) = receiver.try_recv() else {
                break;
            };
            bytes += request.size_bytes;
            requests.push(request);
        }
        let before = self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.store.waiting(before.saturating_sub(bytes));
        Some(requests)
    }
}

async fn call(store: &impl Calls, requests: Vec<Request>) {
    let now = Instant::now();
    let mut batches = Vec::new();
    let mut callers = Vec::with_capacity(requests.len());
    let mut latest = now;
    for request in requests {
        // Who is past the deadline has gone: nothing was done.
        if request.deadline <= now {
            let _ = request.answer.send(Err(Unavailable::Overloaded));
            continue;
        }
        latest = latest.max(request.deadline);
        callers.push((request.answer, request.batches.len()));
        batches.extend(request.batches);
    }
    if callers.is_empty() {
        return;
    }
    match store.call(&batches, latest).await {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for (answer, count) in callers {
                let _ = answer.send(Ok(outcomes.by_ref().take(count).collect()));
            }
        }
        Err(unavailable) => {
            for (answer, _) in callers {
                let _ = answer.send(Err(unavailable));
            }
        }
    }
}
