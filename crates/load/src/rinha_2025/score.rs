//! The challenge's score, in exact decimals.
//!
//! Net is what was paid less the processors' fees. Each hundredth of a millisecond that the p99 of all
//! requests stays below 11 ms earns 0.02 %, rounded to whole percents of net. Any inconsistency in the
//! whole run costs 35 % of net.

use processor::Decimal;
use serde::Serialize;

use super::face::Pair;

/// What the p99 is held against, in hundredths of a millisecond.
const P99_HUNDREDTHS: u64 = 1_100;
const FINE_PERCENT: u32 = 35;

/// A score and how it came about. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Net with the bonus and less the fine.
    pub score: Decimal,
    /// What was paid.
    pub gross: Decimal,
    /// What the processors took.
    pub fees: Decimal,
    /// The rest.
    pub net: Decimal,
    /// For the p99.
    pub bonus_percent: u32,
    /// For inconsistencies.
    pub fine_percent: u32,
    /// The same in money.
    pub bonus: Decimal,
    /// The same in money.
    pub fine: Decimal,
}

impl Score {
    /// Reckons it. `p99_hundredths` is the p99 in hundredths of a millisecond.
    pub(super) fn of(
        amounts: Pair<Decimal>,
        fees: Pair<Decimal>,
        p99_hundredths: u64,
        is_inconsistent: bool,
    ) -> Self {
        let amounts = Pair {
            default: amounts.default.rounded(),
            fallback: amounts.fallback.rounded(),
        };
        let gross = amounts.default + amounts.fallback;
        let fees = amounts.default.times(fees.default) + amounts.fallback.times(fees.fallback);
        let net = gross - fees;
        let bonus_percent = bonus_percent(p99_hundredths);
        let fine_percent = if is_inconsistent { FINE_PERCENT } else { 0 };
        let (bonus, fine) = (net.percent(bonus_percent), net.percent(fine_percent));
        Self {
            score: net + bonus - fine,
            gross,
            fees,
            net,
            bonus_percent,
            fine_percent,
            bonus,
            fine,
        }
    }
}

/// `round((11 - p99) × 0.02, 2)`, halves up, never below nothing.
fn bonus_percent(p99_hundredths: u64) -> u32 {
    let below = P99_HUNDREDTHS.saturating_sub(p99_hundredths);
    u32::try_from((below * 2 + 50) / 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn the_bonus_is_in_whole_percents() {
        for (p99_ms, expected) in [
            (0.0, 22),
            (1.25, 20),
            (1.26, 19),
            (2.55, 17),
            (10.74, 1),
            (10.75, 1),
            (10.76, 0),
            (11.0, 0),
            (1_500.0, 0),
        ] {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small and positive"
            )]
            let hundredths = f64::round(p99_ms * 100.0) as u64;
            assert_eq!(bonus_percent(hundredths), expected, "{p99_ms}");
        }
    }

    #[test]
    fn every_part_is_exact() {
        let amounts = Pair {
            default: money("19.90").times(money("10001")),
            fallback: money("19.90").times(money("3")),
        };
        let fees = Pair {
            default: money("0.05"),
            fallback: money("0.15"),
        };
        let score = Score::of(amounts, fees, 125, false);
        assert_eq!(score.gross, money("199079.6"));
        assert_eq!(score.fees, money("9959.95"));
        assert_eq!(score.net, money("189119.65"));
        assert_eq!(score.score, money("226943.58"));
        let fined = Score::of(amounts, fees, 125, true);
        assert_eq!(fined.fine, money("66191.8775"));
        assert_eq!(fined.score, money("160751.7025"));
        // Amounts of floating-point backends are taken to the cent.
        let odd = Pair {
            default: money("59.69999999"),
            fallback: Decimal::ZERO,
        };
        assert_eq!(Score::of(odd, fees, 1_100, false).score, money("56.715"));
    }
}
