//! Making few tables out of many.

use std::io;
use std::sync::Arc;

use journal::Storage;

use super::Space;
use super::build::TableWriter;
use super::layout::MERGE_PARTIAL;
use super::table::{Entries, Table, TableError};
use crate::beside::{Coverage, Pace, Stop};

/// Why a table could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("{0}")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] TableError),
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
    let keys = tables.iter().map(|table| table.filter_keys());
    let (entries_max, keys_max) = (counts.sum(), keys.sum());
    let writer = TableWriter::begin(
        storage,
        stop,
        MERGE_PARTIAL,
        coverage,
        entries_max,
        keys_max,
    )?;
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
