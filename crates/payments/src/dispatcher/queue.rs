//! The payments that wait, oldest first, apart by the processors that refused them.

use std::collections::{BTreeMap, BTreeSet};

use ledger::DuePlace;

/// One line for each set of processors that refused: only the head of a line is ever looked at.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<u64, BTreeSet<DuePlace>>,
    count: usize,
}

impl Queue {
    pub(super) fn insert(&mut self, refused_by: u64, place: DuePlace) {
        if self.lines.entry(refused_by).or_default().insert(place) {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, refused_by: u64, place: DuePlace) {
        if let Some(line) = self.lines.get_mut(&refused_by) {
            if line.remove(&place) {
                self.count -= 1;
            }
            if line.is_empty() {
                self.lines.remove(&refused_by);
            }
        }
    }

    /// The oldest of each line.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u64, DuePlace)> {
        self.lines
            .iter()
            .filter_map(|(refused_by, line)| Some((*refused_by, *line.first()?)))
    }

    /// The newest of all that a processor did not refuse.
    pub(super) fn newest(&self, processor: usize) -> Option<DuePlace> {
        let lines = self.lines.iter();
        let is_allowed = |(refused_by, _): &(&u64, _)| *refused_by & (1 << processor) == 0;
        let newest = lines.filter(is_allowed).filter_map(|(_, line)| line.last());
        newest.max().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// How many were refused by no processor yet.
    pub(super) fn fresh_len(&self) -> usize {
        self.lines.get(&0).map_or(0, BTreeSet::len)
    }
}
