//! How many payments are worked on at once, and how many may wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Payments worked on at once.
pub(crate) const AT_ONCE: usize = 800;
/// Payments that may wait for their turn.
pub(crate) const WAITING: usize = 500;

/// The room for payments.
#[derive(Debug)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Room {
    /// Waits for a place, in order; `None` at once when too many wait.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let _waits = Waits::begin(&self.waiting)?;
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

/// One that waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Option<Self> {
        let one_more = |count| (count < WAITING).then_some(count + 1);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
