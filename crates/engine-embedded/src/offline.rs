//! The state that a journal leads to, without its lock and without a change: for a look into a data folder,
//! also beside the server that has it open.

use journal::{Head, Storage, Visited, scan, scan_from};
use ledger::{AccountsPage, AccountsPageFilling, AccountsQuery, Payment, Timestamp};

use crate::books::Books;
use crate::ids::Ids;
use crate::names::NameOrder;
use crate::replay::{END_OF_TIME, Replay, ReplayError};
use crate::snapshot;

/// A ledger as it was after the last whole frame that was read.
#[derive(Debug)]
pub struct OfflineLedger {
    books: Books,
    names: NameOrder,
    newest: Timestamp,
    head: Head,
}

impl OfflineLedger {
    /// Begins with the newest snapshot, and reads the journal from there on. Takes no lock and changes nothing.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, the chain is damaged, or a record is not understood.
    pub fn read<S: Storage>(storage: &S) -> Result<Self, journal::OpenError<ReplayError>> {
        Self::read_at(storage, END_OF_TIME)
    }

    /// Likewise, as it was right after this time. A snapshot that is later is of no use: then the whole journal is read.
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read).
    pub fn read_at<S: Storage>(
        storage: &S,
        at: Timestamp,
    ) -> Result<Self, journal::OpenError<ReplayError>> {
        let newest = snapshot::newest(storage).map_err(|source| journal::OpenError::Io {
            doing: "look for snapshots in",
            file: storage.place(),
            source,
        })?;
        let (snapshot, _) = newest;
        let snapshot = snapshot.filter(|snapshot| snapshot.newest <= at);
        let from = snapshot.as_ref().map(|snapshot| snapshot.start);
        let mut replay = Replay::from(snapshot);
        replay.books.ids = Ids::from(from.map_or(0, |from| from.number));
        let visit = |visited: Visited<'_>| {
            // Nobody asks for what was used or settled before.
            while replay.books.ids.segment() < visited.segment {
                drop(replay.books.ids.seal());
                drop(replay.books.summary.seal());
            }
            replay.take_in_until(visited, at)
        };
        let scanned = match from {
            Some(from) => scan_from(storage, from, visit)?,
            None => scan(storage, visit)?,
        };
        Ok(Self {
            names: NameOrder::of(&replay.books.accounts),
            books: replay.books,
            newest: replay.newest,
            head: scanned.head,
        })
    }

    /// When the newest event was decided that is in it; 0 where there is none.
    #[must_use]
    pub const fn newest(&self) -> Timestamp {
        self.newest
    }

    /// The last frame that was read.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The payments that are accepted or sent, in the order of their acceptance.
    pub fn payments_open(&self) -> impl Iterator<Item = &Payment> {
        self.books.payments.iter()
    }

    /// A page of the accounts; see [`Engine::accounts`](ledger::Engine::accounts).
    #[must_use]
    pub fn accounts(&self, query: AccountsQuery) -> AccountsPage {
        let mut page = AccountsPageFilling::new(query);
        let from = page.rest().start().cloned();
        let accounts = &self.books.accounts;
        for slot in self.names.slots_from(from.as_ref(), accounts) {
            if !page.offer(accounts.name(slot), &accounts.kept(slot).account) {
                break;
            }
        }
        page.finish()
    }
}
