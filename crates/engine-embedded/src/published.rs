//! How far the journal is published, and the wait for more of it.
//!
//! To publish a frame costs one lock that nobody holds for long and, where somebody waits, one wake-up of one thread. Who waits
//! is woken by that thread: the writer does the same work for one who waits as for a thousand.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Sender, TrySendError, bounded};
use journal::Place;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How far the journal is published, and who waits for more.
pub(crate) struct Published {
    end: Mutex<Place>,
    waiting_count: AtomicUsize,
    /// Rings where somebody waits; one ring is enough for all that was published before it is heard.
    bell: Sender<()>,
    rung: Arc<watch::Sender<()>>,
}

impl Published {
    /// Published up to here. The thread that wakes ends with this.
    pub(crate) fn up_to(end: Place) -> io::Result<Self> {
        let (bell, rings) = bounded(1);
        let rung = Arc::new(watch::Sender::new(()));
        let to_wake = Arc::clone(&rung);
        std::thread::Builder::new()
            .name("lastro-feed".to_owned())
            .spawn(move || {
                for () in rings {
                    to_wake.send_replace(());
                }
            })?;
        Ok(Self {
            end: Mutex::new(end),
            waiting_count: AtomicUsize::new(0),
            bell,
            rung,
        })
    }

    pub(crate) fn end(&self) -> Place {
        *self.end.lock()
    }

    /// What comes before this place is durable now.
    pub(crate) fn move_to(&self, end: Place) {
        *self.end.lock() = end;
        // Who waits is counted before it looks at the end: either it sees this one, or it is seen here.
        if self.waiting_count.load(Ordering::SeqCst) > 0 {
            match self.bell.try_send(()) {
                // One that was not heard yet is heard after this end was set.
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => {
                    unreachable!("the thread lives as long as its bell")
                }
            }
        }
    }

    /// From now on, what is published wakes.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting_count.fetch_add(1, Ordering::SeqCst);
        Waiting {
            published: self,
            rung: self.rung.subscribe(),
        }
    }
}

/// Somebody who waits for more to be published.
pub(crate) struct Waiting<'a> {
    published: &'a Published,
    rung: watch::Receiver<()>,
}

impl Waiting<'_> {
    /// Returns once something was published since this was begun, or since the last return; at the latest at `until`.
    pub(crate) async fn woken(&mut self, until: Instant) {
        let woken = tokio::time::timeout_at(until.into(), self.rung.changed()).await;
        if let Ok(Err(_)) = woken {
            unreachable!("the sender is held by what this borrows");
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.published.waiting_count.fetch_sub(1, Ordering::SeqCst);
    }
}
