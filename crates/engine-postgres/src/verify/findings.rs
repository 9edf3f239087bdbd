//! The broken rules: the first of them, and how many.

use std::fmt::Display;

use super::Finding;

/// How many findings are kept; the others are counted.
const FINDINGS_MAX: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Findings {
    count: u64,
    first: Vec<Finding>,
}

impl Findings {
    /// A finding unless `holds`.
    pub(super) fn check(
        &mut self,
        holds: bool,
        place: impl Display,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.add(place, what());
        }
    }

    pub(super) fn add(&mut self, place: impl Display, what: impl Into<String>) {
        self.count += 1;
        if self.first.len() < FINDINGS_MAX {
            self.first.push(Finding {
                place: place.to_string(),
                what: what.into(),
            });
        }
    }

    pub(super) fn into_parts(self) -> (u64, Vec<Finding>) {
        (self.count, self.first)
    }
}
