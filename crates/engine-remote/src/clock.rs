//! The ledger's clock as this node knows it.
//!
//! An answer of `GetClock` was written between its question and its arrival here. Taken as if it had
//! been written right then, at its arrival, the ledger's clock is never believed to be further than
//! it is: a deadline named on it is over at the ledger no later than here. What that gives away is at
//! most the time that the answer was on its way; the best of all answers counts, and each loses with
//! its age what two clocks may drift apart.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// By how much two clocks drift apart at most: 500 millionths, ten times what crystals do.
const DRIFT_DIVISOR: u32 = 2_000;

/// The clock of the ledger process at the other end of a connection.
#[derive(Debug)]
pub(crate) struct LedgerClock {
    id: u64,
    best: Mutex<Reading>,
}

/// What an answer said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// When it arrived here.
    pub(crate) arrived: Instant,
    /// The time on the ledger's clock.
    pub(crate) at_ledger: Duration,
}

impl Reading {
    /// The least that the ledger's clock shows at `now`.
    fn least_at(self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.arrived);
        self.at_ledger + age - age / DRIFT_DIVISOR
    }
}

impl LedgerClock {
    pub(crate) fn new(id: u64, first: Reading) -> Self {
        Self {
            id,
            best: Mutex::new(first),
        }
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn read_again(&self, reading: Reading) {
        let mut best = self.best.lock();
        if reading.at_ledger >= best.least_at(reading.arrived) {
            *best = reading;
        }
    }

    /// This node's `deadline` on the ledger's clock, never later than it is.
    pub(crate) fn deadline(&self, now: Instant, deadline: Instant) -> Duration {
        self.best.lock().least_at(now) + deadline.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the way of an answer took, no deadline is later at the ledger than here, and none is
    /// earlier by more than the quickest answer took and the drift.
    #[test]
    fn no_deadline_is_later_at_the_ledger_than_here() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let ahead = Duration::from_secs(1_000);
        let reading = |arrived_ms, on_its_way_ms| Reading {
            arrived: start + ms(arrived_ms),
            at_ledger: ahead + ms(arrived_ms - on_its_way_ms),
        };
        let clock = LedgerClock::new(7, reading(300, 250));
        let given_away = |now_ms: u64| {
            let deadline = clock.deadline(start + ms(now_ms), start + ms(now_ms + 2_000));
            (ahead + ms(now_ms + 2_000)).checked_sub(deadline).unwrap()
        };
        assert_eq!(given_away(300), ms(250));
        clock.read_again(reading(1_000, 3));
        assert_eq!(given_away(1_000), ms(3));
        // A slow answer makes nothing worse.
        clock.read_again(reading(2_000, 400));
        assert!(given_away(2_000) < ms(5));
        clock.read_again(reading(50_000, 4));
        assert_eq!(given_away(50_000), ms(4));
        assert_eq!(
            clock.deadline(start, start - ms(1)),
            clock.deadline(start, start)
        );
    }
}
