//! From records to the state that they lead to.

use std::convert::Infallible;
use std::io;

use journal::{Storage, Visited, read_segment_start, scan_sealed};
use ledger::Timestamp;
use stdx::ErrorChain;

use crate::books::Books;
use crate::draft::Draft;
use crate::ids::{MakeError, SegmentIds, used_ids};
use crate::record::{RecordError, Recorded, decode};
use crate::snapshot::Snapshot;
use crate::working::Drafting;

/// A whole record that could not be taken in.
#[derive(Debug, thiserror::Error)]
#[error("{cause}, at journal address {address}; this build of Lastro cannot read the journal")]
pub struct ReplayError {
    /// Where the record is.
    pub address: u64,
    /// What is wrong with it.
    pub cause: RecordError,
}

/// Books that records are brought into one after the other.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) books: Books,
    pub(crate) draft: Draft,
    /// The newest event's time.
    pub(crate) newest: Timestamp,
}

impl Replay {
    /// Goes on from a snapshot, or from nothing.
    pub(crate) fn from(snapshot: Option<Snapshot>) -> Self {
        let mut replay = Self::default();
        if let Some(snapshot) = snapshot {
            replay.books = snapshot.books;
            replay.draft.expiries = snapshot.expiries;
            replay.newest = snapshot.newest;
        }
        replay
    }

    /// Takes in one record.
    pub(crate) fn take_in(&mut self, visited: Visited<'_>) -> Result<(), ReplayError> {
        let recorded = decode_visited(visited)?;
        self.newest = self.newest.max(recorded.event.timestamp());
        Drafting {
            books: &self.books,
            draft: &mut self.draft,
        }
        .take_in(&recorded.event, visited.address);
        if visited.last_in_frame {
            self.books.publish(&mut self.draft.open);
        }
        Ok(())
    }
}

/// The ids of a sealed segment, from the journal.
///
/// # Errors
///
/// When the segment cannot be read, or a record in it.
pub(crate) fn ids_of_segment<S: Storage>(
    storage: &S,
    segment: u64,
) -> Result<SegmentIds, MakeError> {
    let start = read_segment_start(storage, segment)?;
    let unreadable = |why: &dyn std::fmt::Display| {
        let what = format!("segment {segment} cannot be read: {why}");
        MakeError::Write(io::Error::other(what))
    };
    let start = start.ok_or_else(|| unreadable(&"it has no whole header"))?;
    let mut ids = SegmentIds::default();
    let mut malformed = None;
    let scanned = scan_sealed(storage, &start, segment + 1, |visited| {
        if let Err(error) = ids_of_record(visited, &mut ids) {
            malformed.get_or_insert(error);
        }
        Ok::<(), Infallible>(())
    });
    scanned.map_err(|error| unreadable(&ErrorChain(&error)))?;
    match malformed {
        Some(error) => Err(unreadable(&error)),
        None => Ok(ids),
    }
}

/// Notes the ids that a record uses.
///
/// # Errors
///
/// When it is no record of this build's.
fn ids_of_record(visited: Visited<'_>, ids: &mut SegmentIds) -> Result<(), ReplayError> {
    let recorded = decode_visited(visited)?;
    used_ids(&recorded.event, |space, id| {
        ids.insert(space, id, visited.address);
    });
    Ok(())
}

fn decode_visited(visited: Visited<'_>) -> Result<Recorded, ReplayError> {
    decode(visited.payload).map_err(|cause| ReplayError {
        address: visited.address.to_u64(),
        cause,
    })
}
