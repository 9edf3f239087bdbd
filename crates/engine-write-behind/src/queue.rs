//! The bounded way to Redis: what arrives while calls are under way goes together in the next one.
//!
//! Where the database falls behind, calls slow down first, and are refused at the bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ledger::{Batch, Outcome, Unavailable};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::front::Front;

/// About how many bytes of commands go in one call.
const CALL_BYTES_MAX: usize = 1 << 20;
/// How many requests go in one call.
const CALL_REQUESTS_MAX: usize = 512;
/// How much a call is slowed down right before the bound of what is not persisted.
const SLOWED_MAX: Duration = Duration::from_millis(50);

type Answer = Result<Vec<Vec<Outcome>>, Unavailable>;

/// Batches that wait.
struct Request {
    batches: Vec<Batch>,
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
    size_bytes: usize,
}

/// The callers' end. The callers' tasks end when it is dropped, after what was queued.
pub(crate) struct Queue {
    front: Arc<Front>,
    sender: mpsc::UnboundedSender<Request>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Queue {
    pub(crate) fn start(front: &Arc<Front>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        for _ in 0..front.options.calls_max.max(1) {
            let caller = Caller {
                front: Arc::clone(front),
                receiver: Arc::clone(&receiver),
                waiting_bytes: Arc::clone(&waiting_bytes),
            };
            tokio::spawn(caller.run());
        }
        Self {
            front: Arc::clone(front),
            sender,
            waiting_bytes,
        }
    }

    /// Has the batches applied, and waits for their outcomes until the deadline.
    pub(crate) async fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer {
        let lag = self.front.seen.lag();
        let lag_max = self.front.options.unpersisted_max;
        if deadline <= Instant::now() || lag >= lag_max {
            return Err(Unavailable::Overloaded);
        }
        let batches_bytes = |batch: &Batch| batch.size_bytes() + size_of_val(batch.commands());
        let size_bytes = size_of::<Request>() + batches.iter().map(batches_bytes).sum::<usize>();
        let before = self.waiting_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        // A call that is larger than the whole queue may still go through alone.
        if before > 0 && before + size_bytes > self.front.options.queue_bytes_max {
            self.waiting_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
            return Err(Unavailable::Overloaded);
        }
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

/// How long a call waits for a database that has fallen so far behind: nothing up to half of the
/// bound, then more and more.
fn slowed(lag: u64, lag_max: u64) -> Duration {
    let (over, span) = (lag.saturating_sub(lag_max / 2), lag_max.div_ceil(2).max(1));
    let over = u32::try_from(over.saturating_mul(1_000) / span).unwrap_or(1_000);
    SLOWED_MAX * over.min(1_000) / 1_000
}

/// A task that makes one call after the other.
struct Caller {
    front: Arc<Front>,
    receiver: Arc<Mutex<mpsc::UnboundedReceiver<Request>>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Caller {
    async fn run(self) {
        while let Some(requests) = self.gather().await {
            let front = Arc::clone(&self.front);
            // A panic ends this call alone: its requests are answered that the ledger is
            // unavailable.
            let _ = tokio::spawn(async move { call(&front, requests).await }).await;
        }
    }

    /// Everything that waits, up to what fits in one call; `None` once the engine is closed.
    async fn gather(&self) -> Option<Vec<Request>> {
        let mut receiver = self.receiver.lock().await;
        let first = receiver.recv().await?;
        let slowed = slowed(self.front.seen.lag(), self.front.options.unpersisted_max);
        if !slowed.is_zero() {
            tokio::time::sleep(slowed).await;
        }
        let mut bytes = first.size_bytes;
        let mut requests = vec![first];
        while bytes < CALL_BYTES_MAX && requests.len() < CALL_REQUESTS_MAX {
            let Ok(request) = receiver.try_recv() else {
                break;
            };
            bytes += request.size_bytes;
            requests.push(request);
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(requests)
    }
}

async fn call(front: &Front, requests: Vec<Request>) {
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
    match front.call(&batches, latest).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_slow_down_past_half_of_the_bound() {
        assert_eq!(slowed(0, 1_000), Duration::ZERO);
        assert_eq!(slowed(500, 1_000), Duration::ZERO);
        assert_eq!(slowed(750, 1_000), SLOWED_MAX / 2);
        assert_eq!(slowed(2_000, 1_000), SLOWED_MAX);
    }
}
