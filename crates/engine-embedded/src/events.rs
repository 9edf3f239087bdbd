//! Every event of a journal in order, for a copy of the ledger into another engine.

use journal::{JournalId, Locked, Storage, Visited};
use ledger::Event;
use stdx::invariant;

use crate::record::{RecordError, decode};

/// Why the events of a journal could not be read to the end.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// A record is not understood.
    #[error("{cause}, at journal address {address}")]
    Record {
        /// Where it is.
        address: u64,
        /// What is wrong with it.
        cause: RecordError,
    },
    /// Nobody takes more of them.
    #[error("the reading was ended")]
    Ended,
}

/// A journal whose lock is held: nobody writes to it.
pub struct LockedJournal<S: Storage>(Locked<S>);

impl<S: Storage> LockedJournal<S> {
    /// Takes the lock.
    ///
    /// # Errors
    ///
    /// When another process holds it, or the folder cannot be read.
    pub fn lock(
        storage: S,
        options: journal::JournalOptions,
    ) -> Result<Self, journal::OpenError<EventsError>> {
        Ok(Self(Locked::lock(storage, options)?))
    }

    /// Reads every event of whole frames in order, the chain checked, a frame's events at a time. A torn
    /// end, which was never answered, is passed over. `take` says whether it wants more.
    ///
    /// # Errors
    ///
    /// When the journal is damaged or has a record that this version does not know; `Ended` if `take` did
    /// not want more.
    pub fn events(
        &self,
        mut take: impl FnMut(Vec<Event>) -> bool,
    ) -> Result<Option<JournalId>, journal::OpenError<EventsError>> {
        let mut frame = Vec::new();
        let scanned = journal::scan(self.0.storage().as_ref(), |visited: Visited<'_>| {
            let recorded = decode(visited.payload).map_err(|cause| EventsError::Record {
                address: visited.address.to_u64(),
                cause,
            })?;
            frame.push(recorded.event);
            if visited.last_in_frame && !take(std::mem::take(&mut frame)) {
                return Err(EventsError::Ended);
            }
            Ok(())
        })?;
        invariant!(frame.is_empty(), "a frame ends with its last record");
        Ok(scanned.id)
    }
}
