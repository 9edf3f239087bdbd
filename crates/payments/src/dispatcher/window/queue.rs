//! The payments that wait, oldest first, apart by the processors that they cannot go to.

use std::collections::{BTreeMap, BTreeSet};

use ledger::DuePlace;

use crate::dispatcher::processor_set::ProcessorSet;
use crate::policy::ProcessorIndex;

/// Which processors a payment that waits cannot go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dispatcher) struct Line {
    /// They refused it.
    pub(in crate::dispatcher) refused_by: ProcessorSet,
    /// They did not take it, and are not asked again for a while: a wait of the payment's own.
    pub(in crate::dispatcher) waiting_for: ProcessorSet,
}

/// One line for each set of such processors: only the head of a line is ever looked at, so a payment
/// holds up none that may go where it cannot.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<Line, BTreeSet<DuePlace>>,
    count: usize,
}

impl Line {
    /// Whether a processor may get the payment now.
    pub(in crate::dispatcher) const fn admits(self, processor: ProcessorIndex) -> bool {
        !self.refused_by.contains(processor) && !self.waiting_for.contains(processor)
    }
}

impl Queue {
    pub(super) fn insert(&mut self, line: Line, place: DuePlace) {
        if self.lines.entry(line).or_default().insert(place) {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, line: Line, place: DuePlace) {
        if let Some(places) = self.lines.get_mut(&line) {
            if places.remove(&place) {
                self.count -= 1;
            }
            if places.is_empty() {
                self.lines.remove(&line);
            }
        }
    }

    /// The oldest of each line.
    pub(super) fn heads(&self) -> impl Iterator<Item = (Line, DuePlace)> {
        self.lines
            .iter()
            .filter_map(|(line, places)| Some((*line, *places.first()?)))
    }

    /// The newest of all that a processor may get.
    pub(super) fn newest(&self, processor: ProcessorIndex) -> Option<DuePlace> {
        let lines = self.lines.iter();
        let newest = lines
            .filter(|(line, _)| line.admits(processor))
            .filter_map(|(_, places)| places.last());
        newest.max().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// How many may go to any processor.
    pub(super) fn fresh_len(&self) -> usize {
        self.lines.get(&Line::default()).map_or(0, BTreeSet::len)
    }
}
