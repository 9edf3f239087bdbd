//! The curves.

use std::fmt::Write;

use maud::Markup;
use serde::Serialize;

use super::{CapacityOptions, Held, Step};
use crate::http::Connections;
use crate::report::Document;
use crate::report::axis::{Scale, grouped};
use crate::report::chart::{self, Axes, Line};
use crate::report::page::{self, Page, Tile, Tone, figures_table, panel, wide_panel};

/// The steps of one subject in one mode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// What was driven: `target`, `bare` or `bare behind proxy`.
    pub subject: &'static str,
    /// Where it was.
    pub target: String,
    /// In which mode.
    pub connections: Connections,
    /// The highest rate that held.
    pub capacity_per_s: Option<u32>,
    /// The steps in the order of their trial.
    pub steps: Vec<Step>,
}

impl Curve {
    /// What the curve is called.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}, {}", self.subject, self.connections.name())
    }

    /// Whether the lowest rate that failed did so because the generator itself was late: the
    /// target's capacity is then higher than what was found.
    #[must_use]
    pub fn is_bound_by_generator(&self) -> bool {
        self.by_rate()
            .iter()
            .find(|step| !step.held.is_held())
            .is_some_and(|step| step.held == Held::GeneratorLate)
    }

    /// The steps in the order of their rates.
    #[must_use]
    pub fn by_rate(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by_key(|step| step.rate);
        steps
    }
}

/// The report. Its names in JSON are stable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacityReport {
    scenario: &'static str,
    /// The bound.
    pub p99_max_ms: f64,
    /// How long a step was.
    pub step_s: u64,
    connections_max: usize,
    seed: u64,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl CapacityReport {
    pub(super) fn new(options: &CapacityOptions, curves: Vec<Curve>) -> Self {
        Self {
            scenario: "capacity",
            p99_max_ms: options.p99_max.as_secs_f64() * 1e3,
            step_s: options.step.as_secs(),
            connections_max: options.connections_max,
            seed: options.seed,
            curves,
        }
    }

    /// Whether each curve has a rate that held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.curves
            .iter()
            .all(|curve| curve.capacity_per_s.is_some())
    }
}

impl Document for CapacityReport {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing into memory cannot fail.
        let _ = writeln!(
            text,
            "capacity at p99 ≤ {} ms without an error, steps of {} s",
            self.p99_max_ms, self.step_s
        );
        for curve in &self.curves {
            let _ = writeln!(text, "{} ({})", curve.name(), curve.target);
            for step in curve.by_rate() {
                let _ = writeln!(text, "{}", step.line());
            }
            let _ = match curve.capacity_per_s {
                Some(capacity) if curve.is_bound_by_generator() => writeln!(
                    text,
                    "  capacity: at least {capacity} requests/s; there the generator itself was late"
                ),
                Some(capacity) => writeln!(text, "  capacity: {capacity} requests/s"),
                None => writeln!(text, "  capacity: none of the rates held"),
            };
        }
        text
    }

    fn page(&self) -> Page {
        let tiles = self.curves.iter().map(|curve| {
            let capacity = curve.capacity_per_s;
            Tile::new(
                curve.name(),
                capacity.map_or_else(|| "none".to_owned(), |rate| grouped(rate.into())),
                if curve.is_bound_by_generator() {
                    "requests/s at least: the generator itself was late"
                } else {
                    "requests/s"
                },
                Tone::of(capacity.is_some()),
            )
        });
        let mut panels = vec![wide_panel(
            "Latency against rate",
            "The p99 of each step, in milliseconds; failed steps included.",
            &self.picture(),
        )];
        panels.extend(self.curves.iter().map(|curve| {
            let note = format!("{}. Milliseconds.", curve.target);
            panel(&curve.name(), &note, &steps_table(curve))
        }));
        let outcome = if self.passed() {
            "A rate held in every mode"
        } else {
            "No rate held in some mode"
        };
        Page {
            title: "Capacity".to_owned(),
            facts: vec![
                ("bound", format!("p99 ≤ {} ms, no error", self.p99_max_ms)),
                ("steps", format!("{} s each", self.step_s)),
                ("connections at most", self.connections_max.to_string()),
                ("seed", self.seed.to_string()),
            ],
            warnings: Vec::new(),
            outcome: (self.passed(), outcome.to_owned()),
            tiles: tiles.collect(),
            panels,
            footnote: page::OPEN,
        }
    }
}

impl CapacityReport {
    fn picture(&self) -> Markup {
        let classes = ["c1", "c2", "c3", "c4"];
        let lines: Vec<Line> = self
            .curves
            .iter()
            .zip(classes.into_iter().cycle())
            .map(|(curve, class)| Line {
                name: curve.name(),
                class,
                points: curve
                    .by_rate()
                    .iter()
                    .map(|step| (f64::from(step.rate), step.latency.p99_ms))
                    .collect(),
                is_dotted: true,
            })
            .collect();
        let axes = Axes {
            width: chart::WIDE,
            x: ("requests/s", Scale::Log),
            y: ("p99 ms", Scale::Log),
            level: Some((self.p99_max_ms, "bound")),
            bands: &[],
        };
        chart::lines(&axes, &lines)
    }
}

fn steps_table(curve: &Curve) -> Markup {
    let rows: Vec<Vec<String>> = curve
        .by_rate()
        .iter()
        .map(|step| {
            vec![
                grouped(step.rate.into()),
                format!("{:.2}", step.latency.p50_ms),
                format!("{:.2}", step.latency.p99_ms),
                format!("{:.2}", step.latency.max_ms),
                grouped(step.failures_count),
                step.held.name().to_owned(),
            ]
        })
        .collect();
    figures_table(&["rate", "p50", "p99", "max", "failed", ""], &rows)
}
