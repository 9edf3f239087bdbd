//! The lists of a ledger, without its lock and without a change: for a look into a data folder, also beside the server that has
//! it open.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use journal::{Place, Storage, Visited, scan, scan_from};
use ledger::{
    Account, AccountId, ListPage, ListedTransfer, Payment, PaymentList, TransferList, Unavailable,
};

use crate::ids::{Ids, Sealed, TableSet};
use crate::published::Published;
use crate::read::NotRead;
use crate::replay::{Replay, ReplayError, ids_of_segment};
use crate::shared::Shared;
use crate::snapshot;

/// A ledger as it was after the last whole frame that was read, with all of its lists.
///
/// What no table has is read from the journal and kept in memory: about 42 bytes an id, until it is dropped.
pub struct OfflineLists<S: Storage>(Shared<S>);

/// Why a data folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The journal, or a snapshot, cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<ReplayError>),
    /// A table cannot be read, or what it should have from the journal.
    #[error("the tables of ids, or the segments that they are of, cannot be read")]
    Tables(#[source] Box<dyn std::error::Error + Send + Sync>),
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
        let tables_of = |source: io::Error| OfflineError::Tables(source.into());
        let storage = Arc::new(storage);
        let (tables, _) = TableSet::open(&storage).map_err(tables_of)?;
        let (snapshot, _) = snapshot::newest(&*storage).map_err(tables_of)?;
        let from = snapshot.as_ref().map(|snapshot| snapshot.start);
        let mut replay = Replay::from(snapshot);
        replay.books.ids = Ids::from(from.map_or(0, |from| from.number));
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
