//! Making few tables out of many.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use journal::Storage;

use super::Space;
use super::build::TableWriter;
use super::layout::{Coverage, MERGE_PARTIAL};
use super::table::{Entries, Table, TableError};
use crate::beside::{Pace, Stop};

/// So many neighbours of about the same size become one table: a look-up asks at most three of
/// each size, and each entry is written again once for each fourfold growth of the ledger.
const MERGED_AT_ONCE: usize = 4;

/// Why a table could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("{0}")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] TableError),
}

/// The neighbours to be merged next, if any are; `spans` says how many segments each table covers,
/// the oldest first.
pub(super) fn next_merge(spans: &[u64]) -> Option<Range<usize>> {
    let size = |span: &u64| span.ilog2() / MERGED_AT_ONCE.ilog2();
    let mut end = spans.len();
    // The newest are the smallest: they are merged first.
    while let Some(newest) = end.checked_sub(1) {
        let same = |span: &&u64| size(span) == size(&spans[newest]);
        let count = spans[..end].iter().rev().take_while(same).count();
        if count >= MERGED_AT_ONCE {
            let first = end - count;
            return Some(first..first + MERGED_AT_ONCE);
        }
        end -= count;
    }
    None
}

/// Merges neighbours, the oldest first: of an id that several have, the newest one's address stays.
/// Memory for the new table's filter and first ids, and a few pages of each. It reads about as much as
/// it writes, so `pace` bounds both.
pub(super) fn merge<S: Storage>(
    storage: &S,
    tables: &[Arc<Table>],
    stop: &Stop,
    pace: Pace,
) -> Result<Table, MakeError> {
    let (Some(oldest), Some(newest)) = (tables.first(), tables.last()) else {
        unreachable!("several tables are merged");
    };
    let coverage = Coverage {
        first: oldest.coverage().first,
        end: *newest.end(),
    };
    let counts = tables.iter().flat_map(|table| table.counts());
    let writer = TableWriter::begin(storage, stop, MERGE_PARTIAL, coverage, counts.sum())?;
    let mut writer = writer.paced(pace);
    for space in Space::ALL {
        let mut inputs = Vec::with_capacity(tables.len());
        for table in tables {
            let mut entries = table.entries(space);
            let next = entries.next()?;
            inputs.push(Input { entries, next });
        }
        while let Some(id) = inputs.iter().filter_map(Input::id).min() {
            let mut newest = None;
            for input in &mut inputs {
                if let Some((found, address)) = input.next
                    && found == id
                {
                    newest = Some(address);
                    input.next = input.entries.next()?;
                }
            }
            if let Some(address) = newest {
                writer.push(space, id, address)?;
            }
        }
    }
    Ok(writer.finish()?)
}

struct Input<'a> {
    entries: Entries<'a>,
    next: Option<(u128, journal::Address)>,
}

impl Input<'_> {
    fn id(&self) -> Option<u128> {
        self.next.map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_few_and_each_entry_is_written_few_times() {
        let mut spans: Vec<u64> = Vec::new();
        let mut written = 0;
        for segments in 1..=5_000_u64 {
            spans.push(1);
            while let Some(merged) = next_merge(&spans) {
                let span = spans[merged.clone()].iter().sum();
                written += span;
                spans.splice(merged, [span]);
            }
            assert_eq!(spans.iter().sum::<u64>(), segments);
            let sizes = segments.ilog(4) as usize + 1;
            assert!(spans.len() <= 3 * sizes, "{spans:?}");
            assert!(written <= segments * u64::from(segments.ilog(4)));
        }
    }

    /// However sizes have come about, what is merged are neighbours.
    #[test]
    fn uneven_tables_are_merged_too() {
        assert_eq!(next_merge(&[]), None);
        assert_eq!(next_merge(&[1, 1, 1]), None);
        assert_eq!(next_merge(&[7, 1, 1, 1, 1]), Some(1..5));
        assert_eq!(next_merge(&[5, 6, 4, 7, 1]), Some(0..4));
        assert_eq!(next_merge(&[1, 16, 1, 1, 1]), None);
    }
}
