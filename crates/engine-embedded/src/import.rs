//! Writes the events of another ledger into a new journal, in order.
//!
//! - The rules apply the events, and what the events say of the accounts has to be what comes out. The
//!   records are those that the writer would have made: `lastro verify` checks them like any other.
//! - What is committed is the beginning of the other ledger: after a kill the copy goes on behind it.
//! - No snapshot is taken and no thread is started. Ids of sealed segments go to tables, so that memory
//!   is that of an engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use journal::{
    BeginError, CommitError, Head, Journal, JournalId, Locked, Reader, Storage, Visited,
};
use ledger::{Account, AccountId, Event, Timestamp};
use stdx::invariant;

use crate::books::Books;
use crate::draft::Draft;
use crate::ids::TableSet;
use crate::lookup::LookupError;
use crate::open::{OpenError, Recovered, recover, seal_until};
use crate::options::EmbeddedOptions;
use crate::record::{Links, RecordError, decode, encode};
use crate::working::Working;

/// A frame is written once it has about so many bytes.
const FRAME_BYTES: usize = 1 << 20;
/// How often a segment that is still being prepared is waited for, 2 s each time.
const LATE_TRIES: u32 = 60;

/// Why events could not be taken in. What was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is no room for a frame.
    #[error("the journal has no room for more")]
    NoRoom(#[source] BeginError),
    /// The journal could not be written.
    #[error("the journal could not be written")]
    Write(#[source] CommitError),
    /// What was written before could not be read back.
    #[error("a record that was copied before could not be read back")]
    Read(#[source] LookedUp),
    /// An event does not follow from those before it.
    #[error(
        "an event does not follow from those before it: {what}. `lastro verify` finds what is wrong in the ledger that is copied"
    )]
    Unexpected {
        /// Which, and why.
        what: String,
    },
}

/// A record that could not be read back.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LookedUp(LookupError);

/// A journal that events of another ledger are written to. It holds the folder's lock.
pub struct Import<S: Storage> {
    tables: Arc<TableSet<S>>,
    books: Books,
    draft: Draft,
    reader: Reader<S>,
    newest: Timestamp,
    /// What a record takes, measured before there is room for it.
    scratch: Vec<u8>,
    // Last: the lock is freed when nothing uses the folder.
    journal: Journal<S>,
}

impl<S: Storage> fmt::Debug for Import<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl<S: Storage> Import<S> {
    /// Opens the journal in `storage` and reads what is in it; makes one where there is none.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(storage: S, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let progress = options.progress.as_deref();
        let recovered = recover(storage, options.journal, options.snapshot_bytes, progress)?;
        let Recovered {
            journal,
            tables,
            newest_snapshot: _,
            books,
            draft,
            last,
            recovery: _,
        } = recovered;
        Ok(Self {
            reader: journal.reader(),
            tables,
            books,
            draft,
            newest: last,
            scratch: Vec::new(),
            journal,
        })
    }

    /// The end of what is committed; its records are the events that were taken in before.
    #[must_use]
    pub fn head(&self) -> Head {
        self.journal.head()
    }

    /// Takes in events that follow those before them. They go into one frame: an atomic batch's have to come
    /// with its own. They are durable after the next [`commit`](Self::commit), which is made when a
    /// frame is full.
    ///
    /// # Errors
    ///
    /// See [`ImportError`].
    pub fn append(&mut self, together: &[Event]) -> Result<(), ImportError> {
        self.make_room(together)?;
        let mut members = Vec::new();
        for event in together {
            self.expect(event)?;
            let mut working = Working::new(
                &self.books,
                &mut self.draft,
                &mut self.journal,
                &self.reader,
            );
            let applied_members = match event {
                Event::Batch(batch) if batch.failure.is_none() => {
                    Some(batch.members_count as usize)
                }
                _ => None,
            };
            let first_member =
                match applied_members {
                    Some(count) => {
                        let first = members.len().checked_sub(count);
                        let first = first.and_then(|first| members.get(first).copied());
                        Some(first.ok_or_else(|| {
                            unexpected(event, "its members are not right before it")
                        })?)
                    }
                    None => None,
                };
            let address = working.take_over(event, first_member);
            let address = address.map_err(|error| ImportError::Read(LookedUp(error)))?;
            let address = address.ok_or_else(|| unexpected(event, "what it ends is not there"))?;
            members.push(address);
            self.newest = self.newest.max(event.timestamp());
            self.check(event)?;
        }
        Ok(())
    }

    /// Makes all that was taken in durable.
    ///
    /// # Errors
    ///
    /// [`ImportError::Write`]: nothing more is written then.
    pub fn commit(&mut self) -> Result<(), ImportError> {
        if self.journal.open_frame_records() == 0 {
            return Ok(());
        }
        let committed = self.journal.commit(self.newest.as_nanos());
        committed.map_err(ImportError::Write)?;
        self.books.publish(&mut self.draft.open);
        Ok(())
    }

    /// Every account as it is now, once all is committed.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.books
            .accounts
            .iter()
            .map(|(id, kept)| (id, &kept.account))
    }

    /// Makes room for the records of these events, in the open frame or in a new one.
    fn make_room(&mut self, events: &[Event]) -> Result<(), ImportError> {
        self.scratch.clear();
        let longest = Links {
            debit_previous: u64::MAX,
            credit_previous: u64::MAX,
            origin: u64::MAX,
        };
        for event in events {
            encode(longest, event, &mut self.scratch);
        }
        let bytes = self.scratch.len();
        if self.journal.open_frame_records() > 0 {
            let is_full = self.journal.open_frame_bytes() + bytes > FRAME_BYTES;
            if !is_full && self.journal.fits(bytes, events.len()) {
                return Ok(());
            }
            self.commit()?;
        }
        let mut tries = 1;
        loop {
            match self.journal.begin(bytes, events.len()) {
                Ok(()) => break,
                Err(BeginError::Late) if tries < LATE_TRIES => tries += 1,
                Err(BeginError::Short { .. }) if tries < LATE_TRIES => {
                    tries += 1;
                    std::thread::sleep(Duration::from_secs(1));
                }
                Err(error) => return Err(ImportError::NoRoom(error)),
            }
        }
        let segment = self.journal.segment_start().number;
        if self.books.ids.segment() < segment {
            seal_until(segment, &mut self.books, &self.tables);
            self.books.ids.layers = self.tables.layers();
        }
        Ok(())
    }

    /// Fails unless the accounts can take the event: to apply it then cannot fail.
    fn expect(&self, event: &Event) -> Result<(), ImportError> {
        for id in event.accounts_needed() {
            if self.account(id).is_none() {
                return Err(unexpected(event, &format!("account {id} is not open")));
            }
        }
        for (id, movement) in event.movements() {
            if !self
                .account(id)
                .is_some_and(|account| account.can_apply(movement))
            {
                return Err(unexpected(event, &format!("account {id} cannot take it")));
            }
        }
        Ok(())
    }

    /// Fails unless the accounts are as the event says that they are after it.
    fn check(&self, event: &Event) -> Result<(), ImportError> {
        if let Event::LimitChanged { id, account, .. } | Event::AccountClosed { id, account, .. } =
            event
            && self.account(id) != Some(*account)
        {
            return Err(unexpected(
                event,
                &format!("account {id} is not as it says"),
            ));
        }
        let Some(transfer) = event.transfer() else {
            return Ok(());
        };
        for id in [&transfer.debit_account_id, &transfer.credit_account_id] {
            let Some(after) = transfer.after(id) else {
                continue;
            };
            let is_as_said = self.account(id).is_some_and(|account| {
                (
                    account.entry_count,
                    account.balance(),
                    account.credit_limit(),
                ) == (after.entry_number, after.balance, Some(after.credit_limit))
            });
            if !is_as_said {
                return Err(unexpected(
                    event,
                    &format!("account {id} is not as it says"),
                ));
            }
        }
        Ok(())
    }

    fn account(&self, id: &AccountId) -> Option<Account> {
        self.draft.kept(&self.books, id).map(|kept| kept.account)
    }
}

fn unexpected(event: &Event, why: &str) -> ImportError {
    let at = event.timestamp();
    ImportError::Unexpected {
        what: format!("the one at {at}: {why}: {event:?}"),
    }
}

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
        take: impl FnMut(Vec<Event>) -> bool,
    ) -> Result<Option<JournalId>, journal::OpenError<EventsError>> {
        events(self.0.storage().as_ref(), take)
    }
}

/// As [`LockedJournal::events`], of a journal whose lock somebody else in this process holds.
///
/// # Errors
///
/// Likewise.
pub fn events<S: Storage>(
    storage: &S,
    mut take: impl FnMut(Vec<Event>) -> bool,
) -> Result<Option<JournalId>, journal::OpenError<EventsError>> {
    let mut frame = Vec::new();
    let scanned = journal::scan(storage, |visited: Visited<'_>| {
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
