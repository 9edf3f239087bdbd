//! What came of the load.

use jiff::Timestamp;
use processor::Decimal;
use serde::Serialize;

use super::Rinha2025Options;
use super::audit::Audit;
use super::checks::{Check, Point};
use super::face::Pair;
use super::outcome::{BareFloor, Outcome};
use super::processors::Total;
use super::score::Score;
use super::script::{Stage, Totals};
use crate::figures::Figures;
use crate::recorder::Recorder;

/// What a processor has recorded at the script's end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Where it is.
    pub url: String,
    /// Its share of each payment.
    pub fee: Decimal,
    /// How many payments.
    pub payments_count: u64,
    /// How much.
    pub amount: Decimal,
}

/// The report. Its names in JSON are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Rinha2025Report {
    scenario: &'static str,
    pub(super) script: &'static str,
    pub(super) target: String,
    pub(super) began_at: String,
    pub(super) users: usize,
    pub(super) duration_s: u64,
    /// What the challenge pays.
    #[serde(flatten)]
    pub score: Score,
    /// The p99 that is scored, to hundredths.
    pub p99_scored_ms: f64,
    /// By how many payments the checks differed, in all.
    pub inconsistencies_count: u64,
    /// Payments answered 2xx.
    pub accepted_count: u64,
    /// Accepted, but not recorded a second after the script's last post.
    pub lag_count: i64,
    /// More recorded than accepted.
    pub is_disqualified: bool,
    /// What the processors have, a second after the script's last post.
    pub processors: Pair<Recorded>,
    /// Each comparison.
    pub checks: Vec<Check>,
    /// The stages.
    pub stages: Vec<Stage>,
    /// Stages that the processors did not take, by their second.
    pub stages_failed: Vec<u64>,
    /// Accepted and recorded payments by the second.
    pub points: Vec<Point>,
    /// What the audit found.
    pub audit: Audit,
    /// The bare handler, where it was measured.
    pub bare: Option<BareFloor>,
    /// The p99 of all requests over that of the bare handler.
    pub p99_ratio: Option<f64>,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

impl Rinha2025Report {
    pub(super) fn new(options: &Rinha2025Options, recorder: &Recorder, outcome: Outcome) -> Self {
        let figures = Figures::new(recorder, outcome.busy);
        let p99_hundredths = hundredths(figures.latency.p99_ms);
        let inconsistencies_count = outcome.checks.iter().map(|check| check.difference).sum();
        let amounts = match options.script.totals {
            Totals::Backend => {
                let said = outcome.backend.unwrap_or_default();
                Pair {
                    default: said.default.amount.value,
                    fallback: said.fallback.amount.value,
                }
            }
            Totals::Processors => Pair {
                default: outcome.totals.default.side.amount.value,
                fallback: outcome.totals.fallback.side.amount.value,
            },
        };
        let fees = Pair {
            default: outcome.totals.default.fee.value,
            fallback: outcome.totals.fallback.fee.value,
        };
        let recorded_count = outcome.totals.default.side.count + outcome.totals.fallback.side.count;
        let recorded = |url, total: Total| Recorded {
            url,
            fee: total.fee.value,
            payments_count: total.side.count,
            amount: total.side.amount.value,
        };
        let bare_p99_ms = outcome.bare.as_ref().map(|bare| bare.latency.p99_ms);
        Self {
            scenario: "rinha-2025",
            script: options.script.name,
            target: options.target.to_string(),
            began_at: seconds(outcome.began_at),
            users: options.script.users,
            duration_s: options.script.duration.as_secs(),
            score: Score::of(amounts, fees, p99_hundredths, inconsistencies_count > 0),
            p99_scored_ms: crate::score::hundredths(p99_hundredths),
            inconsistencies_count,
            accepted_count: outcome.accepted_count,
            lag_count: outcome.accepted_count.cast_signed() - recorded_count.cast_signed(),
            is_disqualified: recorded_count > outcome.accepted_count,
            processors: Pair {
                default: recorded(outcome.urls.default, outcome.totals.default),
                fallback: recorded(outcome.urls.fallback, outcome.totals.fallback),
            },
            checks: outcome.checks,
            stages: options.script.stages.clone(),
            stages_failed: outcome.stages_failed,
            points: outcome.points,
            audit: outcome.audit,
            p99_ratio: bare_p99_ms
                .filter(|bare| *bare > 0.0)
                .map(|bare| (100.0 * figures.latency.p99_ms / bare).round() / 100.0),
            bare: outcome.bare,
            figures,
        }
    }

    /// Whether the load's own criterion holds: every payment accepted and paid once by the end, every
    /// comparison equal, nothing found by the audit.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.figures.failures_count == 0
            && self.inconsistencies_count == 0
            && self.lag_count == 0
            && !self.is_disqualified
            && self.stages_failed.is_empty()
            && self.audit.is_clean()
    }

    /// What the reader must know before anything else.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_disqualified {
            warnings.push(format!(
                "DISQUALIFIED: {} more payments are recorded than were accepted.",
                -self.lag_count
            ));
        }
        for check in self.checks.iter().filter(|check| !check.is_answered) {
            let at = check.at_s;
            warnings.push(format!(
                "The summary asked at {at} s was an error or took over 1.5 s: it counts as zeros."
            ));
        }
        for at in &self.stages_failed {
            warnings.push(format!("The processors did not take the stage of {at} s."));
        }
        warnings
    }
}

/// Milliseconds in hundredths, as the script rounds its p99.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "latencies are positive and bounded"
)]
fn hundredths(ms: f64) -> u64 {
    (ms * 100.0).round() as u64
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Money with two digits after the point and its thousands apart.
pub(super) fn money(amount: Decimal) -> String {
    let text = amount.rounded().to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
    let whole = crate::report::axis::grouped_digits(whole);
    format!("{sign}{whole}.{cents:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_cents_and_thousands() {
        for (text, expected) in [
            ("0", "0.00"),
            ("380036.1", "380,036.10"),
            ("1949876.005", "1,949,876.01"),
            ("-1234.5", "-1,234.50"),
        ] {
            assert_eq!(money(text.parse().unwrap()), expected);
        }
    }
}
