//! From records to the state that they lead to.

use std::io;

use journal::{Storage, Visited, read_segment_start, scan_sealed};
use ledger::{PaymentState, Timestamp};
use stdx::ErrorChain;

use crate::beside::Stop;
use crate::books::Books;
use crate::draft::Draft;
use crate::ids::{MakeError, SegmentIds, table_keys};
use crate::record::{RecordError, Recorded, decode};
use crate::snapshot::Snapshot;
use crate::sums::{Recent, settled};
use crate::working::Drafting;

/// Nothing is decided later.
pub(crate) const END_OF_TIME: Timestamp = Timestamp::from_nanos(u64::MAX);

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
            replay.books.newest = snapshot.newest;
            replay.draft.expiries = snapshot.expiries;
            replay.newest = snapshot.newest;
        }
        replay
    }

    /// Takes in one record.
    pub(crate) fn take_in(&mut self, visited: Visited<'_>) -> Result<(), ReplayError> {
        self.take_in_until(visited, END_OF_TIME)
    }

    /// Likewise, but passes over what was decided later than at this time.
    pub(crate) fn take_in_until(
        &mut self,
        visited: Visited<'_>,
        until: Timestamp,
    ) -> Result<(), ReplayError> {
        let recorded = decode_visited(visited)?;
        if recorded.event.timestamp() <= until {
            self.newest = recorded.event.timestamp();
            Drafting {
                books: &self.books,
                draft: &mut self.draft,
            }
            .take_in(&recorded.event, visited.address);
        }
        if visited.last_in_frame {
            self.books.publish(&mut self.draft.open);
        }
        Ok(())
    }
}

/// The ids of a sealed segment and its places in lists, from the journal.
///
/// # Errors
///
/// When the segment cannot be read, or a record in it, or when it was to stop.
pub(crate) fn ids_of_segment<S: Storage>(
    storage: &S,
    segment: u64,
    stop: &Stop,
) -> Result<SegmentIds, MakeError> {
    let mut ids = SegmentIds::default();
    each_record(storage, segment, stop, |visited| {
        let address = visited.address;
        table_keys(&decode_visited(visited)?.event, |space, key| {
            ids.insert(space, key, address);
        });
        Ok(())
    })?;
    Ok(ids)
}

/// What a sealed segment's settlements sum to, from the journal, where everything up to this time was
/// purged.
///
/// # Errors
///
/// As for [`ids_of_segment`].
pub(crate) fn sums_of_segment<S: Storage>(
    storage: &S,
    segment: u64,
    purged_at: Option<Timestamp>,
    stop: &Stop,
) -> Result<Recent, MakeError> {
    let mut sums = Recent::default();
    each_record(storage, segment, stop, |visited| {
        let event = decode_visited(visited)?.event;
        if let Some(payment) = settled(&event)
            && purged_at.is_none_or(|purged_at| payment.accepted_at > purged_at)
            && let PaymentState::Settled {
                processor,
                requested_at,
            } = &payment.state
        {
            sums.record(processor, *requested_at, payment.amount);
        }
        Ok(())
    })?;
    Ok(sums)
}

/// Visits each record of a sealed segment.
fn each_record<S: Storage>(
    storage: &S,
    segment: u64,
    stop: &Stop,
    mut visit: impl FnMut(Visited<'_>) -> Result<(), ReplayError>,
) -> Result<(), MakeError> {
    let start = read_segment_start(storage, segment)?;
    let unreadable = |why: &dyn std::fmt::Display| {
        let what = format!("segment {segment} cannot be read: {why}");
        MakeError::Write(io::Error::other(what))
    };
    let start = start.ok_or_else(|| unreadable(&"it has no whole header"))?;
    let mut malformed = None;
    let scanned = scan_sealed(storage, &start, segment + 1, |visited| {
        if let Err(error) = visit(visited) {
            malformed.get_or_insert(error);
        }
        stop.check()
    });
    scanned.map_err(|error| unreadable(&ErrorChain(&error)))?;
    match malformed {
        Some(error) => Err(unreadable(&error)),
        None => Ok(()),
    }
}

fn decode_visited(visited: Visited<'_>) -> Result<Recorded, ReplayError> {
    decode(visited.payload).map_err(|cause| ReplayError {
        address: visited.address.to_u64(),
        cause,
    })
}
