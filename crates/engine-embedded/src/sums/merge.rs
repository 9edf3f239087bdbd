//! Making few sum tables out of many.

use std::collections::BTreeSet;
use std::sync::Arc;

use journal::Storage;

use super::build::SumTableWriter;
use super::layout::MERGE_PARTIAL;
use super::table::{Entries, SumTable};
use super::{Sum, TableError};
use crate::beside::{Coverage, Pace, Stop};
use crate::ids::MakeError;

/// Merges neighbours, the oldest first: the sums of one millisecond are added up. Memory for a few pages
/// of each. It reads about as much as it writes, so `pace` bounds both.
pub(super) fn merge<S: Storage>(
    storage: &S,
    tables: &[Arc<SumTable>],
    stop: &Stop,
    pace: Pace,
) -> Result<SumTable, MakeError> {
    let (Some(oldest), Some(newest)) = (tables.first(), tables.last()) else {
        unreachable!("several tables are merged");
    };
    let coverage = Coverage {
        first: oldest.coverage().first,
        end: newest.coverage().end,
    };
    let entries_max = tables.iter().map(|table| table.entries_count()).sum();
    let writer = SumTableWriter::begin(storage, stop, MERGE_PARTIAL, coverage, entries_max)?;
    let mut writer = writer.paced(pace);
    let names = tables.iter().flat_map(|table| table.processors());
    let processors: BTreeSet<_> = names.map(|(_, processor)| processor).collect();
    for processor in processors {
        let mut inputs = Vec::with_capacity(tables.len());
        for table in tables {
            let mut known = table.processors();
            let Some((number, _)) = known.find(|(_, name)| *name == processor) else {
                continue;
            };
            inputs.push(Input::begin(table.entries(number))?);
        }
        while let Some(millis) = inputs.iter().filter_map(Input::millis).min() {
            let mut sum = Sum::default();
            for input in &mut inputs {
                if let Some((found, part)) = input.next
                    && found == millis
                {
                    sum.add(part);
                    input.next = input.entries.next()?;
                }
            }
            writer.push(processor, millis, sum)?;
        }
    }
    Ok(writer.finish()?)
}

struct Input<'a> {
    entries: Entries<'a>,
    next: Option<(u64, Sum)>,
}

impl<'a> Input<'a> {
    fn begin(mut entries: Entries<'a>) -> Result<Self, TableError> {
        let next = entries.next()?;
        Ok(Self { entries, next })
    }

    fn millis(&self) -> Option<u64> {
        self.next.map(|(millis, _)| millis)
    }
}
