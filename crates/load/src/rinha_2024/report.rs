//! What came of the load.

use std::fmt::Write;

use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::Rinha2024Options;
use super::options::Scales;
use crate::figures::Figures;
use crate::http::Connections;
use crate::machine::Busy;
use crate::recorder::Recorder;
use crate::report::axis::{grouped, grouped_digits};
use crate::report::page::{self, Page, Tile, Tone, wide_panel};
use crate::report::{Document, pictures, table};
use crate::score::{Score, ScoreFigures};

/// The report. Its names in JSON are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Rinha2024Report {
    scenario: &'static str,
    target: String,
    began_at: String,
    connections: Connections,
    #[serde(flatten)]
    scales: Scales,
    /// Why the target was not fresh, where it was not.
    not_fresh: Option<String>,
    planned_requests_count: u64,
    #[serde(flatten)]
    score: ScoreFigures,
    /// Whether nothing was fined.
    is_full_score: bool,
    #[serde(flatten)]
    figures: Figures,
}

impl Rinha2024Report {
    pub(super) fn new(
        options: &Rinha2024Options,
        recorder: &Recorder,
        not_fresh: Option<String>,
        planned_requests_count: u64,
        busy: Busy,
    ) -> Self {
        let score = Score::of(
            recorder.all.requests_count,
            recorder.right_in_time_count,
            recorder.inconsistencies_count,
        );
        let began_at = Timestamp::now() - busy.elapsed;
        Self {
            scenario: "rinha-2024",
            target: options.target.to_string(),
            began_at: began_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            connections: options.connections,
            scales: Scales {
                rate_scale: options.rate_scale,
                duration_scale: options.duration_scale,
                seed: options.seed,
            },
            not_fresh,
            planned_requests_count,
            score: score.into(),
            is_full_score: score.is_full(),
            figures: Figures::new(recorder, busy),
        }
    }

    /// Whether the load's own criterion holds: every planned request was sent, nothing was fined.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.is_full_score && self.figures.requests_count == self.planned_requests_count
    }

    /// The score and its fines.
    #[must_use]
    pub const fn score(&self) -> ScoreFigures {
        self.score
    }

    /// The figures.
    #[must_use]
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }
}

impl Document for Rinha2024Report {
    fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "rinha-2024 against {}: {}, rate × {}, duration × {}, seed {}",
            self.target,
            self.connections.name(),
            self.scales.rate_scale,
            self.scales.duration_scale,
            self.scales.seed
        );
        if let Some(why) = &self.not_fresh {
            let _ = writeln!(text, "  NOT FRESH at the start: {why}");
        }
        text.push_str(&table::of(&self.figures));
        let score = &self.score;
        let _ = writeln!(
            text,
            "  {:.2} % right and under 250 ms; {} inconsistent answers",
            score.within_sla_percent, self.figures.inconsistencies_count
        );
        let _ = writeln!(
            text,
            "  USD {:.2}: fined {:.2} for the SLA, {:.2} for inconsistencies",
            score.score_usd, score.sla_fine_usd, score.inconsistency_fine_usd
        );
        text
    }

    fn page(&self) -> Page {
        let score = &self.score;
        let mut tiles = vec![Tile::new(
            "Score",
            format!("USD {}", dollars(score.score_usd)),
            format!("{:.2} % right and under 250 ms", score.within_sla_percent),
            Tone::of(self.is_full_score),
        )];
        tiles.extend(pictures::tiles(&self.figures));
        let mut panels = vec![wide_panel(
            "Score",
            "What is left of USD 100,000.",
            &self.meter(),
        )];
        let level = Some((250.0, "250 ms"));
        panels.extend(pictures::panels(&self.figures, level, &[]));
        Page {
            title: "The 2024 challenge".to_owned(),
            facts: self.facts(),
            warnings: self.warnings(),
            outcome: (
                self.passed(),
                if self.passed() {
                    "Passed: nothing was fined".to_owned()
                } else {
                    "Not passed: there are fines".to_owned()
                },
            ),
            tiles,
            panels,
            footnote: page::OPEN,
        }
    }
}

impl Rinha2024Report {
    fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("target", self.target.clone()),
            ("began", self.began_at.clone()),
            ("connections", self.connections.name().to_owned()),
            ("rate", format!("× {}", self.scales.rate_scale)),
            ("duration", format!("× {}", self.scales.duration_scale)),
            ("seed", self.scales.seed.to_string()),
        ]
    }

    fn warnings(&self) -> Vec<String> {
        let not_fresh = self.not_fresh.as_ref().map(|why| {
            format!(
                "The target was not fresh: {why}. The official load expects accounts at 0 with \
                 empty statements; some faults below are due to that alone."
            )
        });
        let mut warnings = Vec::from_iter(not_fresh);
        warnings.extend(pictures::warning(&self.figures));
        warnings
    }

    /// The score as a bar: what is left, and the two fines.
    fn meter(&self) -> Markup {
        let score = &self.score;
        let share = |usd: f64| format!("width:{:.2}%", (usd / 1_000.0).min(100.0));
        html! {
            div.meter {
                span.kept style=(share(score.score_usd)) {}
                span.lost style=(share(score.sla_fine_usd)) {}
                span.lost.other style=(share(score.inconsistency_fine_usd)) {}
            }
            dl.facts {
                div { dt { "left" } dd { "USD " (dollars(score.score_usd)) } }
                div { dt { "fine for wrong or late answers" } dd { "USD " (dollars(score.sla_fine_usd)) } }
                div {
                    dt { "fine for " (grouped(self.figures.inconsistencies_count)) " inconsistent answers" }
                    dd { "USD " (dollars(score.inconsistency_fine_usd)) }
                }
            }
        }
    }
}

/// Dollars with their thousands apart.
fn dollars(usd: f64) -> String {
    let text = format!("{usd:.2}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = grouped_digits(whole);
    match cents {
        "00" => whole,
        cents => format!("{whole}.{cents}"),
    }
}
