//! When arrivals come: the injection arithmetic of Gatling, the tool of the official load.
//!
//! A ramp from `r1` to `r2` users per second over `d` seconds has `d * (r1 + r2) / 2` users, user
//! `u` at the `x` where `x * r1 + x² * (r2 - r1) / 2d = u`. A constant rate `r` has `r * d` users,
//! evenly apart. Users count from 0, so the first one comes at once.

use std::time::Duration;

/// A stretch of arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ramp {
    /// Arrivals per second at the start.
    pub(crate) from: f64,
    /// Arrivals per second at the end.
    pub(crate) to: f64,
    /// How long it takes.
    pub(crate) duration: Duration,
}

impl Ramp {
    /// How many arrivals it has.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates and durations are bounded, and never negative"
    )]
    pub(crate) fn count(&self) -> u64 {
        let users = (self.from + self.to) / 2.0 * self.duration.as_secs_f64();
        // A scaled duration such as 0.05 × 120 s must not lose a user to a rounding error.
        (users + 1e-6).floor() as u64
    }

    /// When arrival `index` comes, from the start of the stretch.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn at(&self, index: u64) -> Duration {
        let seconds = self.duration.as_secs_f64();
        let acceleration = (self.to - self.from) / seconds;
        let index = index as f64;
        let at = if acceleration.abs() < 1e-9 {
            index / self.from
        } else {
            let root = (self.from * self.from + 2.0 * acceleration * index).sqrt();
            (root - self.from) / acceleration
        };
        Duration::from_secs_f64(at.clamp(0.0, seconds))
    }
}

/// The arrivals of some stretches, one after the other, in order of time.
pub(crate) fn arrivals(ramps: &[Ramp]) -> impl Iterator<Item = Duration> {
    let mut start = Duration::ZERO;
    ramps.iter().flat_map(move |ramp| {
        let from = start;
        start += ramp.duration;
        (0..ramp.count()).map(move |index| from + ramp.at(index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn official(rate: f64) -> [Ramp; 2] {
        let duration = Duration::from_secs(120);
        let ramp = |from, to| Ramp { from, to, duration };
        [ramp(1.0, rate), ramp(rate, rate)]
    }

    #[test]
    fn the_official_counts() {
        for (rate, expected) in [(220.0, 39_660), (110.0, 19_860), (10.0, 1_860)] {
            let ramps = official(rate);
            assert_eq!(arrivals(&ramps).count(), expected, "{rate}");
            let counted: u64 = ramps.iter().map(Ramp::count).sum();
            assert_eq!(counted, expected as u64);
        }
    }

    #[test]
    fn arrivals_come_in_order_and_in_their_stretch() {
        let times: Vec<f64> = arrivals(&official(220.0))
            .map(|at| at.as_secs_f64())
            .collect();
        assert!(times.is_sorted());
        assert!(times[0].abs() < 1e-9);
        assert!((times[1] - 0.6335).abs() < 1e-3, "{}", times[1]);
        // The ramp has 13,260 arrivals; the constant rate begins with the next, at its start.
        assert!(times[13_259] < 120.0);
        assert!((times[13_260] - 120.0).abs() < 1e-9);
        assert!((times[13_261] - 120.0 - 1.0 / 220.0).abs() < 1e-6);
        assert!(times[39_659] < 240.0);
    }

    #[test]
    fn scaled_durations_lose_nobody() {
        for hundredths in 1_u32..100 {
            let duration = Duration::from_secs(120).mul_f64(f64::from(hundredths) / 100.0);
            let ramp = Ramp {
                from: 220.0,
                to: 220.0,
                duration,
            };
            assert_eq!(ramp.count(), u64::from(264 * hundredths), "{hundredths}");
        }
    }
}
