//! The tables of sums, against the journal: in memory that does not grow with the settled payments.

use std::io;

use journal::Storage;

use crate::snapshot::SnapshotSums;
use crate::sums::{Recent, Sketch, Sketcher, SumTable, Summary, sum_tables_of_journal};

/// Compares, segment by segment, while the records are visited.
pub(super) struct SumsBeside {
    sketcher: Sketcher,
    tables: Vec<Checked>,
    /// Of everything since the last purge; `None` where the walk did not begin with the first record.
    whole: Option<Sketch>,
    /// From the first segment with a settlement since the last purge to the one behind the last.
    settled: Option<(u64, u64)>,
    /// The segment of the last purge.
    purged_in: u64,
}

/// A table, and what the records of its segments so far lead to.
struct Checked {
    table: SumTable,
    sketch: Sketch,
}

/// What became of a table.
pub(super) enum Compared {
    Same,
    /// What differs.
    Differs(String),
    /// The table of this name cannot be read.
    Unreadable(String),
}

impl SumsBeside {
    /// Returns the names of tables that cannot be used, too.
    pub(super) fn open<S: Storage>(storage: &S) -> io::Result<(Self, Vec<String>)> {
        let (tables, unusable) = sum_tables_of_journal(storage)?;
        let checked = |table| Checked {
            table,
            sketch: Sketch::default(),
        };
        let beside = Self {
            sketcher: Sketcher::default(),
            tables: tables.into_iter().map(checked).collect(),
            whole: Some(Sketch::default()),
            settled: None,
            purged_in: 0,
        };
        Ok((beside, unusable))
    }

    /// The walk begins before this segment, with a snapshot that has these sums.
    pub(super) fn begin(&mut self, segment: u64, sums: &SnapshotSums) {
        let is_behind = |checked: &Checked| checked.table.segments().start >= segment;
        self.tables.retain(is_behind);
        self.whole = match sums {
            SnapshotSums::Whole(sums) => Some(self.sketcher.of_all(sums)),
            SnapshotSums::InTables { .. } => None,
        };
    }

    /// Whether there are tables left to compare.
    pub(super) fn has_tables(&self) -> bool {
        !self.tables.is_empty()
    }

    /// All records of a segment were visited; what its settlements sum to leaves the summary. Returns
    /// what became of the tables that end with it.
    pub(super) fn reach(&mut self, segment: u64, summary: &mut Summary) -> Vec<Compared> {
        let purged_in = summary.layers.segments.0;
        if purged_in != self.purged_in {
            self.purged_in = purged_in;
            self.whole = Some(Sketch::default());
            self.settled = None;
            for checked in &mut self.tables {
                checked.sketch = Sketch::default();
            }
        }
        self.add(segment, &summary.seal());
        let is_complete = |checked: &mut Checked| checked.table.segments().end <= segment + 1;
        let complete: Vec<_> = self.tables.extract_if(.., is_complete).collect();
        let compare = |checked: Checked| checked.compare(&self.sketcher);
        complete.into_iter().map(compare).collect()
    }

    fn add(&mut self, segment: u64, sums: &Recent) {
        if sums.is_empty() {
            return;
        }
        let (first, _) = self.settled.unwrap_or((segment, segment));
        self.settled = Some((first, segment + 1));
        let sketch = self.sketcher.of_all(sums);
        if let Some(whole) = &mut self.whole {
            whole.add(sketch);
        }
        for checked in &mut self.tables {
            if checked.table.segments().contains(&segment) {
                checked.sketch.add(sketch);
            }
        }
    }

    /// Whether a snapshot of the present moment has the sums that the records lead to, or says that
    /// tables have them.
    pub(super) fn agrees_with(&self, sums: &SnapshotSums) -> bool {
        match sums {
            SnapshotSums::Whole(sums) => self
                .whole
                .is_none_or(|whole| whole == self.sketcher.of_all(sums)),
            SnapshotSums::InTables { first, end } => self
                .settled
                .is_none_or(|(settled, settled_end)| *first <= settled && settled_end <= *end),
        }
    }
}

impl Checked {
    fn compare(self, sketcher: &Sketcher) -> Compared {
        let name = self.table.name().to_owned();
        let mut sketch = Sketch::default();
        let read = self.table.each(|processor, millis, sum| {
            sketch.add(sketcher.of(processor, millis, sum));
        });
        match read {
            Ok(()) if sketch == self.sketch => Compared::Same,
            Ok(()) => Compared::Differs(format!(
                "{name} has other sums of payments than the records of its segments lead to"
            )),
            // The journal has all that it holds.
            Err(error) => {
                tracing::debug!(%error, "a table cannot be read");
                Compared::Unreadable(name)
            }
        }
    }
}
