//! The system's clock, and how much it is trusted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::{Clock, ClockBounds, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use crate::settings::settings;

/// The time of this machine. Engines hold it when it steps back, and do not believe it when it jumps
/// forward.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Before 1970 it is held as any clock that is late; past 2554 it is refused as out of room.
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    fn uptime(&self) -> Option<Duration> {
        let since_start = clock_gettime(ClockId::Boottime);
        Duration::try_from(since_start).ok()
    }
}

settings! {
    /// How much the machine's clock is trusted, as far as it was given.
    pub(crate) struct ClockSettings in "Clock" {
        /// How far the clock may jump forward while the process runs, in seconds. After a larger jump
        /// writes are refused with the code `clock_jumped` until the clock is right again.
        clock_jump_max_s: u64 = 3600, env "LASTRO_CLOCK_JUMP_MAX_S", value_name = "SECONDS";
    }
}

impl ClockSettings {
    /// What is in force; `is_accepted` is whether the clock is believed at this start.
    pub(crate) fn bounds(&self, is_accepted: bool) -> ClockBounds {
        ClockBounds {
            jump_max: Duration::from_secs(self.clock_jump_max_s()),
            is_accepted,
            ..ClockBounds::default()
        }
    }
}

/// How far a record's time is ahead of the clock, beyond what clocks differ by.
pub(crate) fn ahead(newest: Timestamp, now: Timestamp) -> Option<Duration> {
    let ahead = newest.as_nanos().saturating_sub(now.as_nanos());
    let ahead = Duration::from_nanos(ahead);
    (ahead > ClockBounds::default().jump_max).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_in_the_future_beyond_an_hour() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        assert_eq!(ahead(at(5_000), at(5_000)), None);
        assert_eq!(ahead(at(5_000), at(1_400)), None);
        let expected = Some(Duration::from_secs(3_601));
        assert_eq!(ahead(at(5_001), at(1_400)), expected);
    }

    #[test]
    fn the_system_knows_how_long_it_runs() {
        let first = SystemClock.uptime().unwrap();
        assert!(first > Duration::ZERO);
        assert!(SystemClock.uptime().unwrap() >= first);
    }
}
