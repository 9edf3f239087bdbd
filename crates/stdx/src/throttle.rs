//! Warnings that may come in floods: one is let through once in a while. It decides whether to warn
//! and writes nothing itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::whole::whole_nanos;

/// Lets one through per interval and counts the others.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    interval: Duration,
    /// Nanoseconds after `start` from which on the next one passes.
    next: AtomicU64,
    held_back: AtomicU64,
}

impl Throttle {
    /// Lets one through per `interval`, the first at once.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            start: Instant::now(),
            interval,
            next: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// `Some` if the warning should be written, with how many were held back since the last one.
    #[must_use]
    pub fn pass(&self) -> Option<u64> {
        let now = whole_nanos(self.start.elapsed());
        let next = self.next.load(Ordering::Relaxed);
        let after = now.saturating_add(whole_nanos(self.interval));
        let passes = now >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if passes {
            Some(self.held_back.swap(0, Ordering::Relaxed))
        } else {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_interval_passes_and_the_others_are_counted() {
        let throttle = Throttle::new(Duration::from_secs(3600));
        assert_eq!(throttle.pass(), Some(0));
        assert_eq!((throttle.pass(), throttle.pass()), (None, None));
        let throttle = Throttle::new(Duration::ZERO);
        assert_eq!((throttle.pass(), throttle.pass()), (Some(0), Some(0)));
    }
}
