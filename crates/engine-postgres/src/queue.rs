//! The bounded way to a store: what arrives while calls are under way goes together in the next one,
//! so that a hot account costs one lock a call. Where one request keeps the others of its call from
//! being answered, by what is damaged or by how much it has to expire first, it is found by halves,
//! and the others go on without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ledger::{Batch, Outcome, Unavailable};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

/// How many requests that keep others waiting are worked on beside the queue; more are `overloaded`.
const SLOW_MAX: usize = 4;

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

    /// Likewise for the batches of several requests, or of one that others may wait behind: `None`
    /// where one of them keeps the others from being answered; nothing was done.
    fn call_together(
        &self,
        batches: &[Batch],
        deadline: Instant,
    ) -> impl Future<Output = Option<Answered>> + Send {
        async move {
            match self.call(batches, deadline).await {
                Err(Unavailable::StorageDamaged) => None,
                answered => Some(answered),
            }
        }
    }

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
        let slow = Arc::new(Semaphore::new(SLOW_MAX));
        for _ in 0..calls_max.max(1) {
            let caller = Caller {
                store: Arc::clone(&store),
                receiver: Arc::clone(&receiver),
                waiting_bytes: Arc::clone(&waiting_bytes),
                slow: Arc::clone(&slow),
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
    slow: Arc<Semaphore>,
}

impl<C: Calls> Caller<C> {
    async fn run(self) {
        while let Some(requests) = self.gather().await {
            let (store, slow) = (Arc::clone(&self.store), Arc::clone(&self.slow));
            // A panic ends this call alone: its requests are answered that the ledger is
            // unavailable.
            let _ = tokio::spawn(async move { call(&store, &slow, requests).await }).await;
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

/// Makes one call of all requests; where one of them is in the way, of halves of them.
async fn call(store: &Arc<impl Calls>, slow: &Arc<Semaphore>, requests: Vec<Request>) {
    let mut parts = vec![requests];
    while let Some(mut requests) = parts.pop() {
        let now = Instant::now();
        // Who is past the deadline has gone: nothing was done.
        for late in requests.extract_if(.., |request| request.deadline <= now) {
            let _ = late.answer.send(Err(Unavailable::Overloaded));
        }
        let Some(latest) = requests.iter().map(|request| request.deadline).max() else {
            continue;
        };
        let counts: Vec<usize> = requests.iter().map(|it| it.batches.len()).collect();
        let batches = requests.iter_mut();
        let batches: Vec<Batch> = batches
            .flat_map(|it| std::mem::take(&mut it.batches))
            .collect();
        match store.call_together(&batches, latest).await {
            Some(Ok(outcomes)) => {
                let mut outcomes = outcomes.into_iter();
                for (request, count) in requests.into_iter().zip(counts) {
                    let own = outcomes.by_ref().take(count).collect();
                    let _ = request.answer.send(Ok(own));
                }
            }
            Some(Err(unavailable)) => {
                for request in requests {
                    let _ = request.answer.send(Err(unavailable));
                }
            }
            None => {
                let mut batches = batches.into_iter();
                for (request, count) in requests.iter_mut().zip(counts) {
                    request.batches = batches.by_ref().take(count).collect();
                }
                match requests.len() {
                    1 => requests
                        .into_iter()
                        .for_each(|it| call_alone(store, slow, it)),
                    count => {
                        parts.push(requests.split_off(count / 2));
                        parts.push(requests);
                    }
                }
            }
        }
    }
}

/// Works on a request that others would wait behind, beside the queue.
fn call_alone(store: &Arc<impl Calls>, slow: &Arc<Semaphore>, request: Request) {
    let Ok(permit) = Arc::clone(slow).try_acquire_owned() else {
        let _ = request.answer.send(Err(Unavailable::Overloaded));
        return;
    };
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let answered = store.call(&request.batches, request.deadline).await;
        let _ = request.answer.send(answered);
        drop(permit);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use ledger::Command;
    use tokio::sync::Notify;

    use super::*;

    /// A store whose calls end when they are let.
    #[derive(Default)]
    struct Held {
        calls: AtomicU64,
        go: Notify,
    }

    impl Calls for Held {
        const CALL_BYTES_MAX: usize = 1 << 20;
        const CALL_REQUESTS_MAX: usize = 10;

        async fn call(&self, batches: &[Batch], _: Instant) -> Answered {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.go.notified().await;
            Ok(vec![Vec::new(); batches.len()])
        }
    }

    fn batch() -> Vec<Batch> {
        vec![Batch::one(Command::PurgePayments {
            expected_accepted_at: None,
        })]
    }

    /// Requests that go together in one call have the time of the one that has most; each caller has
    /// its own.
    #[tokio::test]
    async fn each_caller_is_answered_by_its_own_deadline_whatever_its_call_waits_for() {
        let store = Arc::new(Held::default());
        let queue = Queue::start(Arc::clone(&store), 1 << 20, 1);
        let far = Instant::now() + Duration::from_secs(600);
        let near = Instant::now() + Duration::from_millis(200);
        // Both are queued before the caller's task looks: they go together.
        let hurried = async {
            let told = queue.submit(batch(), near).await;
            // Their call is still held.
            assert_eq!(store.calls.load(Ordering::SeqCst), 1);
            store.go.notify_one();
            told
        };
        let (patient, hurried) = tokio::join!(queue.submit(batch(), far), hurried);
        assert!(patient.is_ok());
        assert_eq!(hurried, Err(Unavailable::Timeout));
    }
}
