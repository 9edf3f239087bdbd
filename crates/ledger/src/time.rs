//! Time as the ledger knows it: handed in, never read.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant this many nanoseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `seconds` later; the end of time where that cannot be counted.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as u64 * 1_000_000_000))
    }

    /// The instant `duration` later; the end of time where that cannot be counted.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// The next instant there is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns", self.0)
    }
}

/// Milliseconds since 1970-01-01 UTC: the precision at which processors are told when a payment
/// was requested, and at which payments are summed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

/// Where an engine takes its time from: the system's clock, or a test's.
///
/// Steps back are the engine's to hold (see [`Ticker`]).
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// The time since the machine's start, which never jumps and goes on while it sleeps; `None`
    /// where nobody knows it: then no jump of the clock is found (see [`ClockGuard`]).
    ///
    /// [`ClockGuard`]: crate::ClockGuard
    fn uptime(&self) -> Option<Duration> {
        None
    }
}

/// Turns a clock into timestamps that strictly increase: a clock that stands still or steps back
/// holds time at the last timestamp + 1 ns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticker {
    last: Timestamp,
}

impl Ticker {
    /// Continues after `last`, the newest timestamp given before.
    #[must_use]
    pub const fn after(last: Timestamp) -> Self {
        Self { last }
    }

    /// The next timestamp, at `now` or later.
    pub fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.last = self.peek(now);
        self.last
    }

    /// The timestamp that [`Ticker::tick`] would give.
    #[must_use]
    pub fn peek(&self, now: Timestamp) -> Timestamp {
        now.max(self.last.next())
    }

    /// The newest timestamp given.
    #[must_use]
    pub const fn last(&self) -> Timestamp {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stepping_back_holds_time() {
        let mut ticker = Ticker::default();
        let at = Timestamp::from_nanos;
        assert_eq!(ticker.tick(at(10)), at(10));
        assert_eq!(ticker.tick(at(10)), at(11));
        assert_eq!(ticker.tick(at(3)), at(12));
        assert_eq!(ticker.tick(at(100)), at(100));
        assert_eq!(ticker.last(), at(100));
    }
}
