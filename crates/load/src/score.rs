//! The 2024 challenge's score, in whole cents, as its own scripts reckon it.
//!
//! Of all requests, the share that were right and took less than 250 ms is rounded to hundredths of
//! a percent. Below 98 %, each missing percent costs USD 1,000; each answer that shows an
//! inconsistent balance or limit costs USD 803.01. What is left of USD 100,000 is the score, never
//! less than nothing.

use std::time::Duration;

use serde::Serialize;

/// A right answer counts when it took less.
pub const SLA: Duration = Duration::from_millis(250);

const CONTRACT_CENTS: u64 = 100_000 * 100;
const SHARE_MIN_HUNDREDTHS: u64 = 98 * 100;
const CENTS_PER_HUNDREDTH: u64 = 10 * 100;
const INCONSISTENCY_CENTS: u64 = 80_301;

/// A score with its fines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Hundredths of a percent of the requests that were right and in time.
    pub share_hundredths: u64,
    /// The fine for what was not.
    pub sla_fine_cents: u64,
    /// The fine for inconsistent answers.
    pub inconsistency_fine_cents: u64,
    /// What is left.
    pub score_cents: u64,
}

impl Score {
    /// Reckons the score of a run.
    #[must_use]
    pub const fn of(
        requests_count: u64,
        right_in_time_count: u64,
        inconsistencies_count: u64,
    ) -> Self {
        let share_hundredths = share_hundredths(right_in_time_count, requests_count);
        let missing = SHARE_MIN_HUNDREDTHS.saturating_sub(share_hundredths);
        let sla_fine_cents = missing * CENTS_PER_HUNDREDTH;
        let inconsistency_fine_cents = inconsistencies_count * INCONSISTENCY_CENTS;
        Self {
            share_hundredths,
            sla_fine_cents,
            inconsistency_fine_cents,
            score_cents: CONTRACT_CENTS.saturating_sub(sla_fine_cents + inconsistency_fine_cents),
        }
    }

    /// Whether nothing was fined.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.score_cents == CONTRACT_CENTS
    }
}

/// The share in hundredths of a percent, halves to the even one.
const fn share_hundredths(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let (quotient, rest) = (part * 10_000 / whole, part * 10_000 % whole);
    let rounds_up = rest * 2 > whole || (rest * 2 == whole && quotient % 2 == 1);
    quotient + rounds_up as u64
}

/// Hundredths as a number for JSON: exact to the hundredth.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53 hundredths")]
pub(crate) fn hundredths(value: u64) -> f64 {
    value as f64 / 100.0
}

/// A score as reports tell it. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreFigures {
    /// What is left of USD 100,000.
    pub score_usd: f64,
    /// The fine for answers wrong or late.
    pub sla_fine_usd: f64,
    /// The fine for inconsistent answers.
    pub inconsistency_fine_usd: f64,
    /// The share of the requests that were right and in time.
    pub within_sla_percent: f64,
}

impl From<Score> for ScoreFigures {
    fn from(score: Score) -> Self {
        Self {
            score_usd: hundredths(score.score_cents),
            sla_fine_usd: hundredths(score.sla_fine_cents),
            inconsistency_fine_usd: hundredths(score.inconsistency_fine_cents),
            within_sla_percent: hundredths(score.share_hundredths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(requests: u64, right: u64, inconsistencies: u64, sla: u64, other: u64, left: u64) {
        let score = Score::of(requests, right, inconsistencies);
        assert_eq!(
            (
                score.sla_fine_cents,
                score.inconsistency_fine_cents,
                score.score_cents
            ),
            (sla, other, left)
        );
    }

    #[test]
    fn the_edges() {
        check(61_503, 61_503, 0, 0, 0, 10_000_000);
        // 98 % to the hundredth is enough, and rounding is the challenge's own: 60,270 of 61,503
        // are 97.9952 %, rounded 98.00.
        check(10_000, 9_800, 0, 0, 0, 10_000_000);
        check(61_503, 60_270, 0, 0, 0, 10_000_000);
        check(10_000, 9_799, 0, 1_000, 0, 9_999_000);
        check(10_000, 9_799, 1, 1_000, 80_301, 9_918_699);
        check(100, 95, 0, 300_000, 0, 9_700_000);
        check(100, 0, 0, 9_800_000, 0, 200_000);
        // The published fine of an entry of the challenge: USD 84,950 at 13.05 %.
        check(10_000, 1_305, 0, 8_495_000, 0, 1_505_000);
        // Fines never make a debt.
        check(100, 100, 125, 0, 10_037_625, 0);
        check(100, 0, 125, 9_800_000, 10_037_625, 0);
        check(0, 0, 0, 9_800_000, 0, 200_000);
    }

    #[test]
    fn halves_round_to_even_hundredths() {
        // 97.125 % and 97.135 %.
        assert_eq!(share_hundredths(19_425, 20_000), 9_712);
        assert_eq!(share_hundredths(19_427, 20_000), 9_714);
        assert_eq!(share_hundredths(2, 3), 6_667);
        assert_eq!(share_hundredths(1, 3), 3_333);
    }
}
