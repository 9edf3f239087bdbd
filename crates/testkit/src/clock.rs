//! Clocks for tests: one that is set by hand, and one that follows the machine's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ledger::{Clock, Timestamp};

/// Where every test's time begins: 2026-01-01 00:00 UTC.
const START: u64 = 1_767_225_600_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicU64::new(START))
    }
}

impl ManualClock {
    /// Sets the time, also back.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_nanos(), Ordering::SeqCst);
    }

    /// Moves the time on by this many nanoseconds.
    pub fn advance_ns(&self, by: u64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    /// Moves the time on to `to` where that is later.
    pub fn advance_to(&self, to: Timestamp) {
        self.0.fetch_max(to.as_nanos(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

/// A clock that goes as fast as the machine's, from the start of every test's time on.
#[derive(Debug)]
pub struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Timestamp::from_nanos(START.saturating_add(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_moved() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance_ns(5);
        assert_eq!(clock.now().as_nanos(), start.as_nanos() + 5);
        clock.advance_to(start);
        assert_eq!(clock.now().as_nanos(), start.as_nanos() + 5);
        clock.set(start);
        assert_eq!(clock.now(), start);
    }
}
