//! The curves.

use std::fmt::Write;

use serde::Serialize;

use super::{Options, Step};
use crate::http::Connections;
use crate::report::Document;

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
pub struct Report {
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

impl Report {
    pub(super) fn new(options: &Options, curves: Vec<Curve>) -> Self {
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

impl Document for Report {
    fn title(&self) -> String {
        "capacity: the highest rate that holds".to_owned()
    }

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
                Some(capacity) => writeln!(text, "  capacity: {capacity} requests/s"),
                None => writeln!(text, "  capacity: none of the rates held"),
            };
        }
        text
    }
}
