//! A bound on the bytes that wait in a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes that wait and refuses what does not fit any more. Clones count together.
///
/// The queue itself holds the things; this only bounds them. The one that takes a thing out gives its
/// bytes back.
#[derive(Debug, Clone)]
pub struct ByteBound {
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl ByteBound {
    /// At most `bytes_max` wait, except that a single thing larger than that may wait alone.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            waiting: Arc::default(),
            bytes_max,
        }
    }

    /// Takes room for `bytes`, and returns how many wait with them; `None` if they do not fit, and
    /// then nothing is taken.
    #[must_use]
    pub fn take(&self, bytes: usize) -> Option<usize> {
        let fits = |waiting: usize| {
            let after = waiting.checked_add(bytes)?;
            (waiting == 0 || after <= self.bytes_max).then_some(after)
        };
        let order = Ordering::Relaxed;
        let before = self.waiting.fetch_update(order, order, fits).ok()?;
        Some(before + bytes)
    }

    /// Gives back what was taken for a thing that has left the queue.
    ///
    /// # Panics
    ///
    /// If more is given back than was taken.
    pub fn give_back(&self, bytes: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        crate::invariant!(before >= bytes, "a thing gives back what it took, once");
    }

    /// How many bytes wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_takes_nothing() {
        let bound = ByteBound::new(100);
        assert_eq!(bound.take(60), Some(60));
        assert_eq!(bound.take(41), None);
        assert_eq!((bound.bytes(), bound.take(40)), (60, Some(100)));
        bound.give_back(60);
        assert_eq!(bound.bytes(), 40);
    }

    #[test]
    fn one_that_is_larger_than_the_bound_may_wait_alone() {
        let bound = ByteBound::new(100);
        assert_eq!(bound.take(500), Some(500));
        assert_eq!(bound.take(1), None);
        bound.clone().give_back(500);
        assert_eq!(bound.take(1), Some(1));
    }

    #[test]
    #[should_panic(expected = "invariant broken")]
    fn more_is_never_given_back_than_was_taken() {
        ByteBound::new(100).give_back(1);
    }
}
