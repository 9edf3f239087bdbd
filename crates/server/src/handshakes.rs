//! TLS handshakes in progress: at most so many, and apart from the places of connections, so that callers who
//! never finish theirs take no place from those who have.
//!
//! When there is no room for another one, the oldest gives way, once it has had a moment: who begins a flood of
//! handshakes and finishes none keeps nobody else out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a handshake may take before it has to give way to another one.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// The handshakes of a face.
pub(crate) struct Handshakes {
    max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    begun_count: u64,
    /// By their numbers: the oldest is the first.
    handshakes: BTreeMap<u64, Cutter>,
}

struct Cutter {
    began: Instant,
    _cut_when_dropped: oneshot::Sender<()>,
}

/// A handshake in progress.
pub(crate) struct Handshake {
    number: u64,
    of: Arc<Handshakes>,
    cut: oneshot::Receiver<()>,
}

impl Handshakes {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: max.max(1),
            open: Mutex::default(),
        })
    }

    /// A place for a handshake; `None` where all places are taken by younger ones.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Handshake> {
        let now = Instant::now();
        let mut open = self.open.lock();
        if open.handshakes.len() >= self.max {
            let oldest = open.handshakes.first_entry()?;
            if now.duration_since(oldest.get().began) < UNDISTURBED {
                return None;
            }
            oldest.remove();
        }
        let number = open.begun_count;
        open.begun_count += 1;
        let (sender, cut) = oneshot::channel();
        let cutter = Cutter {
            began: now,
            _cut_when_dropped: sender,
        };
        open.handshakes.insert(number, cutter);
        drop(open);
        Some(Handshake {
            number,
            of: Arc::clone(self),
            cut,
        })
    }
}

impl Handshake {
    /// What the handshake comes to; `None` if it took longer than `timeout`, or had to give way.
    pub(crate) async fn within<T>(
        mut self,
        timeout: Duration,
        handshake: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            done = handshake => Some(done),
            _ = &mut self.cut => None,
            () = tokio::time::sleep(timeout) => None,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.of.open.lock().handshakes.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn the_oldest_gives_way_once_it_has_had_a_moment() {
        let handshakes = Handshakes::new(2);
        let stalled = |handshake: Handshake| tokio::spawn(handshake.within(LONG, pending::<()>()));
        let first = stalled(handshakes.begin().unwrap());
        let second = stalled(handshakes.begin().unwrap());
        assert!(handshakes.begin().is_none(), "both are young");
        tokio::time::sleep(UNDISTURBED).await;
        let third = handshakes.begin().unwrap();
        assert_eq!(first.await.unwrap(), None, "it gave way");
        assert!(!second.is_finished());
        assert_eq!(third.within(LONG, ready(7)).await, Some(7));
        let _fourth = handshakes.begin().expect("the place of the third");
        assert!(!second.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn none_takes_for_ever() {
        let handshakes = Handshakes::new(1);
        let began = Instant::now();
        let stalled = handshakes.begin().unwrap();
        assert_eq!(stalled.within(LONG, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), LONG);
        assert!(handshakes.begin().is_some(), "its place is free");
    }
}
