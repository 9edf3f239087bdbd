//! The challenge's two scripts: how long, how many users, and what befalls the processors when.

use std::time::Duration;

use processor::Decimal;
use serde::Serialize;

/// What a processor does from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// How long a payment takes.
    pub delay_ms: u64,
    /// Whether payments fail after that.
    pub is_failing: bool,
}

/// What both processors do from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// From so long after the start.
    pub at_s: u64,
    /// The cheaper processor.
    pub default: Condition,
    /// The other one.
    pub fallback: Condition,
}

/// Whose totals are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Totals {
    /// What the backend says, with the processors' fees.
    Backend,
    /// What the processors say.
    Processors,
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it is called.
    pub name: &'static str,
    /// From the first user to the last post.
    pub duration: Duration,
    /// How many users there are at the end; there is one at the start.
    pub users: usize,
    /// What each payment is about.
    pub amount: Decimal,
    /// How long a user sleeps after an answer.
    pub pause: Duration,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// How often backend and processors are compared, …
    pub check_every: Duration,
    /// … over what was requested from so long ago …
    pub window_from: Duration,
    /// … to so long ago.
    pub window_to: Duration,
    /// Whose totals are scored.
    pub totals: Totals,
    /// The fees of processors that the load starts itself.
    pub fees: [Decimal; 2],
}

const HEALTHY: Condition = Condition {
    delay_ms: 0,
    is_failing: false,
};

const fn works(delay_ms: u64) -> Condition {
    Condition {
        delay_ms,
        is_failing: false,
    }
}

const fn fails(delay_ms: u64) -> Condition {
    Condition {
        delay_ms,
        is_failing: true,
    }
}

const fn stage(at_s: u64, default: Condition, fallback: Condition) -> Stage {
    Stage {
        at_s,
        default,
        fallback,
    }
}

impl Script {
    /// The 60 seconds of the interim results.
    #[must_use]
    pub fn interim(users: usize) -> Self {
        Self {
            name: "interim",
            duration: Duration::from_secs(60),
            users,
            amount: Decimal::hundredths(1_990),
            pause: Duration::from_secs(1),
            stages: vec![
                stage(1, HEALTHY, HEALTHY),
                stage(10, works(100), HEALTHY),
                stage(20, fails(100), HEALTHY),
                stage(30, fails(2_000), fails(1_000)),
                stage(40, works(20), works(20)),
                stage(50, HEALTHY, works(5_000)),
            ],
            check_every: Duration::from_secs(10),
            window_from: Duration::from_secs(15),
            window_to: Duration::from_millis(1_500),
            totals: Totals::Backend,
            fees: [Decimal::hundredths(5), Decimal::hundredths(15)],
        }
    }

    /// The 300 seconds of the final.
    #[must_use]
    pub fn finale(users: usize) -> Self {
        Self {
            name: "final",
            duration: Duration::from_secs(300),
            amount: Decimal::hundredths(2_005),
            stages: vec![
                stage(0, HEALTHY, HEALTHY),
                stage(30, works(1_000), HEALTHY),
                stage(60, works(500), HEALTHY),
                stage(90, fails(2_000), works(1_000)),
                stage(120, fails(5_000), works(5)),
                stage(150, HEALTHY, fails(5)),
                stage(180, works(100), works(5)),
                stage(210, works(50), HEALTHY),
                stage(240, works(103), works(10)),
                stage(270, works(2_000), HEALTHY),
            ],
            window_to: Duration::from_secs(2),
            totals: Totals::Processors,
            fees: [Decimal::hundredths(7), Decimal::hundredths(10)],
            ..Self::interim(users)
        }
    }

    /// When user `number` of 0 to `users - 1` comes: the first at once, the others evenly until the
    /// end, as k6 ramps them.
    pub(super) fn start_of(&self, number: usize) -> Duration {
        let others = u32::try_from(self.users - 1).unwrap_or(u32::MAX).max(1);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.duration * number / others
    }

    /// About how many payments there will be.
    pub(super) fn payments_count(&self) -> u64 {
        let pause = self.pause.as_millis().max(1);
        let of_user = |number| {
            let left = self.duration.saturating_sub(self.start_of(number));
            u64::try_from(left.as_millis().div_ceil(pause)).unwrap_or(u64::MAX)
        };
        (0..self.users).map(of_user).sum()
    }

    /// The longest that a processor may still work on what it took.
    pub(super) fn delay_max(&self) -> Duration {
        let delays = self.stages.iter();
        let longest = delays.map(|stage| stage.default.delay_ms.max(stage.fallback.delay_ms));
        Duration::from_millis(longest.max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_evenly() {
        let script = Script::interim(61);
        assert_eq!(script.start_of(0), Duration::ZERO);
        assert_eq!(script.start_of(1), Duration::from_secs(1));
        assert_eq!(script.start_of(60), Duration::from_secs(60));
        assert_eq!(Script::interim(1).start_of(0), Duration::ZERO);
    }

    #[test]
    fn about_as_many_payments_as_published() {
        // The best interim entry has 380,036 at 550 users: at most 16,752 payments.
        let count = Script::interim(550).payments_count();
        assert!((16_700..16_850).contains(&count), "{count}");
        let count = Script::finale(603).payments_count();
        assert!((90_000..91_000).contains(&count), "{count}");
    }
}
