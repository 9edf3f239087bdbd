//! The lists of a ledger, without its lock and without a change: for a look into a data folder, also beside the server that has
//! it open.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use journal::{Place, Storage, Visited, read_segment_start, scan, scan_from};
use ledger::{
    Account, AccountId, ListPage, ListedTransfer, Payment, PaymentList, TransferList, Unavailable,
};

use crate::ids::{Ids, Sealed, TableSet};
use crate::open::last_segment;
use crate::published::Published;
use crate::read::NotRead;
use crate::replay::{Replay, ReplayError, ids_of_segment};
use crate::shared::Shared;
use crate::snapshot;

/// A ledger as it was after the last whole frame that was read, with all of its lists.
///
/// What no table has is read from the journal and kept in memory until it is dropped: about 42 bytes an id and 24 a place in
/// a list.
pub struct OfflineLists<S: Storage>(Shared<S>);

/// So much of the journal may be without a table: what it has takes less memory.
const BYTES_MAX: u64 = 2 << 30;

/// Why a data folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The journal, or a snapshot, cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<ReplayError>),
    /// A table cannot be read, or what it should have from the journal.
    #[error("the tables of ids, or the segments that they are of, cannot be read")]
    Tables(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too much would have to be kept in memory.
    #[error(
        "{segments_count} segments have no table of ids in the folder, as in a backup, and what they have does not fit into \
         memory: restore the backup and serve it, and ask the server"
    )]
    TooLarge {
        /// How many.
        segments_count: u64,
    },
    /// There is no journal.
    #[error("there is no ledger")]
    NoLedger,
}

impl<S: Storage> OfflineLists<S> {
    /// Begins with the newest snapshot, and reads the journal from there on; and what tables do not have. Takes no lock
    /// and changes nothing.
    ///
    /// # Errors
    ///
    /// See [`OfflineError`].
    pub fn read(storage: S) -> Result<Self, OfflineError> {
        Self::read_within(storage, BYTES_MAX)
    }

    /// Likewise, where segments without a table have so many bytes together at most.
    fn read_within(storage: S, bytes_max: u64) -> Result<Self, OfflineError> {
        let tables_of = |source: io::Error| OfflineError::Tables(source.into());
        let storage = Arc::new(storage);
        let (tables, _) = TableSet::open(&storage).map_err(tables_of)?;
        let (snapshot, _) = snapshot::newest(&*storage).map_err(tables_of)?;
        let from = snapshot.as_ref().map(|snapshot| snapshot.start);
        let mut replay = Replay::from(snapshot);
        replay.books.ids = Ids::from(from.map_or(0, |from| from.number));
        let missing = tables.missing(last_segment(&*storage).map_err(tables_of)?);
        let segments_count = missing.len() as u64;
        let segment_bytes = match missing.last() {
            Some(segment) => {
                let start = read_segment_start(&*storage, *segment).map_err(tables_of)?;
                start.map_or(0, |start| start.segment_bytes)
            }
            None => 0,
        };
        if segments_count.saturating_mul(segment_bytes) > bytes_max {
            return Err(OfflineError::TooLarge { segments_count });
        }
        for segment in tables.missing(replay.books.ids.segment()) {
            let ids = ids_of_segment(&*storage, segment, tables.stop());
            let ids = ids.map_err(|error| OfflineError::Tables(error.into()))?;
            tables.seal(Sealed { segment, ids });
        }
        let visit = |visited: Visited<'_>| {
            while replay.books.ids.segment() < visited.segment {
                let sealed = replay.books.ids.seal();
                drop(replay.books.summary.seal());
                if !tables.covers(sealed.segment) {
                    tables.seal(sealed);
                }
            }
            replay.take_in(visited)
        };
        let scanned = match from {
            Some(from) => scan_from(&*storage, from, visit)?,
            None => scan(&*storage, visit)?,
        };
        replay.books.ids.layers = tables.layers();
        drop(tables);
        let Some(storage) = Arc::into_inner(storage) else {
            unreachable!("the tables were the others who had it")
        };
        let reader = scanned.reader(storage).ok_or(OfflineError::NoLedger)?;
        let published = Published::up_to(Place::BEGINNING).map_err(tables_of)?;
        Ok(Self(Shared::new(replay.books, published, reader)))
    }

    /// An account as it was.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<Account> {
        self.0.account(id)
    }

    /// See [`Engine::transfers`](ledger::Engine::transfers).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn transfers(
        &self,
        list: &TransferList,
        page: &ListPage,
        deadline: Instant,
    ) -> Result<Vec<ListedTransfer>, Unavailable> {
        let listed = self.0.transfers(&self.0.reader, list, page, deadline);
        listed.map_err(unavailable)
    }

    /// See [`Engine::payments`](ledger::Engine::payments).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn payments(
        &self,
        list: &PaymentList,
        page: &ListPage,
        deadline: Instant,
    ) -> Result<Vec<Payment>, Unavailable> {
        let listed = self.0.payments(&self.0.reader, list, page, deadline);
        listed.map_err(unavailable)
    }
}

fn unavailable(not_read: NotRead) -> Unavailable {
    match not_read {
        NotRead::Unavailable(unavailable) => unavailable,
        NotRead::NotAtHand => unreachable!("its reader waits for the disk"),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use journal::Journal;
    use journal::faulty::FaultyStorage;

    use super::*;
    use crate::ids::{segments_of, segments_options};

    /// A backup has no tables: what is too large for memory is told, not tried.
    #[test]
    fn a_journal_without_tables_that_is_too_large_is_refused() {
        let storage = FaultyStorage::new(1);
        drop(segments_of(&storage, 5));
        let nothing = |_: Visited<'_>| Ok::<(), Infallible>(());
        drop(Journal::open(storage.clone(), segments_options(), nothing).unwrap());
        let bytes = 5 * segments_options().segment_bytes;
        match OfflineLists::read_within(storage, bytes - 1) {
            Err(OfflineError::TooLarge { segments_count: 5 }) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was read"),
        }
    }
}
