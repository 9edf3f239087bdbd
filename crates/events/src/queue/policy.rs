//! How often a delivery is tried, and how much is in hand at a time.

use std::time::Duration;

/// How an endpoint's deliveries are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The pause after the first try that failed; it doubles after each further one.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long a delivery is tried, counted in pauses between its tries, until it is a dead letter.
    pub tried_for_max: Duration,
    /// How long a receiver may ask to be left alone, with `Retry-After`.
    pub retry_after_max: Duration,
    /// How many requests are under way at once, as long as the receiver takes them.
    pub requests_max: usize,
    /// How many deliveries are in hand, waiting ones included. While there are so many no further event is read.
    pub waiting_max: usize,
    /// About how many bytes their bodies may have together.
    pub waiting_bytes_max: usize,
    /// How many dead letters are kept. With so many the endpoint is disabled.
    pub dead_letters_max: usize,
    /// After how long without a success everything that waits is tried at once, when there is one again.
    pub outage_min: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            pause_first: Duration::from_secs(5),
            pause_max: Duration::from_secs(6 * HOUR),
            tried_for_max: Duration::from_secs(3 * 24 * HOUR),
            retry_after_max: Duration::from_secs(HOUR),
            requests_max: 16,
            waiting_max: 512,
            waiting_bytes_max: 4 << 20,
            dead_letters_max: 4_096,
            outage_min: Duration::from_secs(60),
        }
    }
}

/// A random share from 0 to 1, in thousandths, that spreads what would happen at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// The parts that a whole has.
    const WHOLE: u32 = 1_000;

    /// So many thousandths; more than 1,000 are 1,000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(if thousandths > Self::WHOLE {
            Self::WHOLE
        } else {
            thousandths
        })
    }
}

impl Policy {
    /// The pause after this many tries that failed: from half of the full pause to all of it.
    #[must_use]
    pub fn pause(&self, tries_count: u32, jitter: Jitter) -> Duration {
        let doublings = tries_count.saturating_sub(1).min(31);
        let full = self.pause_first.saturating_mul(1 << doublings);
        let half = full.min(self.pause_max) / 2;
        half + half * jitter.0 / Jitter::WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread_over_their_second_half() {
        let policy = Policy::default();
        let pause_s = |tries_count, thousandths| {
            let pause = policy.pause(tries_count, Jitter::from_thousandths(thousandths));
            pause.as_secs_f64()
        };
        for (tries_count, thousandths, expected) in [
            (1, 1_000, 5.0),
            (1, 0, 2.5),
            (2, 1_000, 10.0),
            (3, 500, 15.0),
            (13, 1_000, 20_480.0),
            (14, 1_000, 21_600.0),
            (14, 0, 10_800.0),
            (u32::MAX, 2_000, 21_600.0),
        ] {
            let found = pause_s(tries_count, thousandths);
            assert!((found - expected).abs() < 0.001, "{tries_count}: {found}");
        }
    }
}
