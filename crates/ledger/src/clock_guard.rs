//! Whether a clock is to be believed: it is compared with time that cannot jump.
//!
//! - While a process runs, wall time may pass the time since the machine's start by
//!   [`ClockBounds::jump_max`]. A clock that was set right again is believed again.
//! - Across a start nothing is known but the newest record: a ledger may have stood still for
//!   [`ClockBounds::idle_max`].
//! - Nobody can accept a time that leaves no room for the longest hold behind it.

use std::time::Duration;

use crate::time::Timestamp;

/// The last time that can be told with the longest timeout of a hold behind it.
pub const TIME_MAX: Timestamp = Timestamp::from_nanos(u64::MAX - TIMEOUT_MAX_NS - 1);
const TIMEOUT_MAX_NS: u64 = u32::MAX as u64 * 1_000_000_000;

/// How long after a reading that was believed the next ones need no comparison.
const NEAR: Duration = Duration::from_millis(100);

/// How much a clock is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockBounds {
    /// How far it may jump forward while the process runs: 1 h.
    pub jump_max: Duration,
    /// How long after the newest record a start may be: 30 days.
    pub idle_max: Duration,
    /// Whether the time of the start is believed however late it is.
    pub is_accepted: bool,
}

impl Default for ClockBounds {
    fn default() -> Self {
        Self {
            jump_max: Duration::from_secs(3_600),
            idle_max: Duration::from_secs(30 * 24 * 3_600),
            is_accepted: false,
        }
    }
}

/// The clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJumped {
    /// How far it is ahead of what was expected.
    pub ahead: Duration,
    /// Whether no one can accept it: it leaves no room.
    pub leaves_no_room: bool,
}

/// Judges each reading of a clock.
#[derive(Debug, Clone)]
pub struct ClockGuard {
    bounds: ClockBounds,
    /// The newest timestamp at the start.
    last: Timestamp,
    /// The time since the machine's start when the first reading was judged.
    opened: Option<Duration>,
    /// A time that was believed, and the time since the machine's start then.
    believed: Option<(Timestamp, Duration)>,
}

impl ClockGuard {
    /// For a ledger whose newest timestamp is `last`.
    #[must_use]
    pub const fn after(last: Timestamp, bounds: ClockBounds) -> Self {
        Self {
            bounds,
            last,
            opened: None,
            believed: None,
        }
    }

    /// Whether [`judge`](Self::judge) would believe this reading whatever time has passed since the
    /// machine's start: it is at most 100 ms later than one that was believed. So a reading of the
    /// other clock can be saved for most.
    #[must_use]
    pub fn is_near(&self, now: Timestamp) -> bool {
        let near = NEAR.min(self.bounds.jump_max);
        now <= TIME_MAX
            && self
                .believed
                .is_some_and(|(at, _)| at <= now && now <= later(at, near))
    }

    /// Judges a reading, beside the time since the machine's start; without that time only whether
    /// there is room is judged.
    ///
    /// # Errors
    ///
    /// When the reading is not believed.
    pub fn judge(
        &mut self,
        now: Timestamp,
        uptime: Option<Duration>,
    ) -> Result<Timestamp, ClockJumped> {
        let latest = now.max(self.last);
        if latest > TIME_MAX {
            return Err(ClockJumped {
                ahead: since(TIME_MAX, latest),
                leaves_no_room: true,
            });
        }
        let Some(uptime) = uptime else {
            return Ok(now);
        };
        self.opened.get_or_insert(uptime);
        let (expected, bound) = self.expected(uptime).unwrap_or((now, Duration::ZERO));
        if now > later(expected, bound) {
            return Err(ClockJumped {
                ahead: since(expected, now),
                leaves_no_room: false,
            });
        }
        // After a step back the way forward to where it would be now is open.
        if self.believed.is_none() || now >= expected {
            self.believed = Some((now, uptime));
        }
        Ok(now)
    }

    /// The latest reading that is believed now, by the time since the machine's start. A store that
    /// reads its own clock is given it beforehand. 0 if no reading is believed.
    #[must_use]
    pub fn latest(&self, uptime: Option<Duration>) -> Timestamp {
        if self.last > TIME_MAX {
            return Timestamp::default();
        }
        match uptime.and_then(|uptime| self.expected(uptime)) {
            Some((expected, bound)) => later(expected, bound).min(TIME_MAX),
            None => TIME_MAX,
        }
    }

    /// What a reading is compared with, and how far it may be ahead of that; `None` where any is
    /// believed: there is nothing to compare with, or a person compared it.
    fn expected(&self, uptime: Duration) -> Option<(Timestamp, Duration)> {
        match self.believed {
            Some((at, since_start)) => {
                let passed = uptime.saturating_sub(since_start);
                Some((later(at, passed), self.bounds.jump_max))
            }
            None if self.bounds.is_accepted || self.last == Timestamp::default() => None,
            // What has passed since the start is known, also of a clock that was wrong then.
            None => {
                let passed = uptime.saturating_sub(self.opened.unwrap_or(uptime));
                let bound = self.bounds.idle_max.max(self.bounds.jump_max);
                Some((later(self.last, passed), bound))
            }
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let nanos = u128::from(at.as_nanos()) + by.as_nanos();
    Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::from_nanos(later.as_nanos().saturating_sub(earlier.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const YEAR: u64 = 365 * 24 * HOUR;
    /// A time of day in 2026.
    const START: u64 = 1_767_225_600;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos((START + seconds) * 1_000_000_000)
    }

    /// Whether a reading `wall` seconds behind the start's is believed `uptime` seconds behind it.
    #[track_caller]
    fn check(guard: &mut ClockGuard, wall: u64, uptime: u64, is_believed: bool) {
        let uptime = Duration::from_secs(1_000 + uptime);
        let judged = guard.judge(at(wall), Some(uptime));
        assert_eq!(judged.is_ok(), is_believed, "{judged:?}");
        if is_believed {
            assert_eq!(judged, Ok(at(wall)));
        }
    }

    fn guard() -> ClockGuard {
        ClockGuard::after(at(0), ClockBounds::default())
    }

    #[test]
    fn time_that_passes_is_believed_however_slowly_it_is_asked_for() {
        let mut guard = guard();
        check(&mut guard, 5, 0, true);
        check(&mut guard, 5 + 300 * HOUR, 300 * HOUR, true);
        // Drift, and a correction within the bound.
        check(&mut guard, 5 + 300 * HOUR + 3_000, 300 * HOUR + 60, true);
    }

    #[test]
    fn a_jump_is_not_believed_until_the_clock_is_right_again() {
        let mut guard = guard();
        check(&mut guard, 5, 0, true);
        check(&mut guard, 10 * YEAR, 1, false);
        check(&mut guard, 10 * YEAR + HOUR, HOUR, false);
        check(&mut guard, 2 * HOUR + 60, HOUR, false);
        check(&mut guard, HOUR + 60, HOUR, true);
    }

    #[test]
    fn after_a_step_back_the_way_forward_is_open() {
        let mut guard = guard();
        check(&mut guard, 100 * HOUR, 0, true);
        check(&mut guard, 2 * HOUR, 60, true);
        check(&mut guard, 100 * HOUR + 120, 120, true);
    }

    #[test]
    fn a_start_is_compared_with_the_newest_record() {
        check(&mut guard(), 29 * 24 * HOUR, 0, true);
        check(&mut guard(), 31 * 24 * HOUR, 0, false);
        let accepted = ClockBounds {
            is_accepted: true,
            ..ClockBounds::default()
        };
        let mut guard = ClockGuard::after(at(0), accepted);
        check(&mut guard, 10 * YEAR, 0, true);
        // That was one person's word about one start.
        check(&mut guard, 20 * YEAR, 60, false);
        let mut new = ClockGuard::after(Timestamp::default(), ClockBounds::default());
        check(&mut new, 0, 0, true);
    }

    /// Whatever is believed is not later than what was told before, and what is later is not believed.
    #[test]
    fn the_latest_reading_is_the_last_that_is_believed() {
        let accepted = ClockBounds {
            is_accepted: true,
            ..ClockBounds::default()
        };
        let mut running = guard();
        check(&mut running, 5, 0, true);
        for (guard, latest) in [
            (guard(), later(at(0), ClockBounds::default().idle_max)),
            (running, at(5 + 2 * HOUR)),
            (ClockGuard::after(at(0), accepted), TIME_MAX),
            (
                ClockGuard::after(Timestamp::default(), ClockBounds::default()),
                TIME_MAX,
            ),
        ] {
            let uptime = Some(Duration::from_secs(1_000 + HOUR));
            assert_eq!(guard.latest(uptime), latest);
            assert!(guard.clone().judge(latest, uptime).is_ok());
            assert!(guard.clone().judge(latest.next(), uptime).is_err());
            assert_eq!(guard.latest(None), TIME_MAX);
        }
        let full = ClockGuard::after(TIME_MAX.next(), accepted);
        assert_eq!(full.latest(None), Timestamp::default());
    }

    #[test]
    fn a_start_with_a_wrong_clock_believes_it_once_it_is_right() {
        // As after a doubt of another node: a start is trusted no further than a running node.
        let bounds = ClockBounds {
            idle_max: Duration::from_secs(HOUR),
            ..ClockBounds::default()
        };
        let mut guard = ClockGuard::after(at(0), bounds);
        check(&mut guard, 2 * HOUR, 0, false);
        check(&mut guard, 5 * HOUR, 3 * HOUR, false);
        check(&mut guard, 3 * HOUR + 60, 3 * HOUR + 60, true);
    }

    #[test]
    fn what_is_near_is_what_any_comparison_would_believe() {
        let near = at(5).plus(NEAR);
        let mut guard = guard();
        assert!(!guard.is_near(at(5)), "nothing was believed yet");
        check(&mut guard, 5, 0, true);
        for (reading, is_near) in [
            (at(4), false),
            (at(5), true),
            (near, true),
            (near.next(), false),
            (TIME_MAX.next(), false),
        ] {
            assert_eq!(guard.is_near(reading), is_near, "{reading:?}");
            for uptime in [0, 1, 10 * HOUR] {
                let uptime = Some(Duration::from_secs(1_000 + uptime));
                assert!(!is_near || guard.clone().judge(reading, uptime).is_ok());
            }
        }
        let strict = ClockBounds {
            jump_max: Duration::ZERO,
            ..ClockBounds::default()
        };
        let mut strict = ClockGuard::after(at(0), strict);
        check(&mut strict, 5, 0, true);
        assert!(strict.is_near(at(5)) && !strict.is_near(at(5).next()));
    }

    #[test]
    fn a_time_without_room_is_believed_by_nobody() {
        let accepted = ClockBounds {
            is_accepted: true,
            ..ClockBounds::default()
        };
        for (last, now) in [
            (at(0), TIME_MAX.next()),
            (TIME_MAX.next(), at(0)),
            (at(0), Timestamp::from_nanos(u64::MAX)),
        ] {
            for uptime in [None, Some(Duration::ZERO)] {
                let judged = ClockGuard::after(last, accepted).judge(now, uptime);
                assert!(judged.unwrap_err().leaves_no_room);
            }
        }
        let last_hold = TIME_MAX.plus_seconds(u32::MAX);
        assert_eq!(last_hold.as_nanos(), u64::MAX - 1);
        let judged = ClockGuard::after(at(0), accepted).judge(TIME_MAX, Some(Duration::ZERO));
        assert_eq!(judged, Ok(TIME_MAX));
    }
}
