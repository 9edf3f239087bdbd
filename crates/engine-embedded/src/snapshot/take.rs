//! Taking a snapshot while the ledger goes on.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{SegmentStart, Storage};
use ledger::{TimedPending, Timestamp};
use parking_lot::RwLock;

use super::layout::{PARTIAL, file_name};
use super::read::numbers;
use super::write::SnapshotWriter;
use super::{AccountRow, Block, PaymentRow, Rest, number};
use crate::beside::{Stop, or_remove};
use crate::books::{Books, CHECKPOINT_ENTRIES};

/// How many accounts or payments are copied with the books in hand: those who wait for them wait
/// for a fraction of a millisecond.
const COPIED_AT_ONCE: usize = 512;
/// Likewise of an account's checkpoints.
const CHECKPOINTS_AT_ONCE: usize = 8_192;
/// After how long it is tried again to have the books alone, and how often: then readers wait, too.
const BOOKS_RETRY: Duration = Duration::from_millis(1);
const BOOKS_TRIES: u32 = 500;
/// How many snapshots are kept.
const KEPT: usize = 2;

/// A snapshot that was begun: what is small is copied already.
#[derive(Debug)]
pub(crate) struct Begun {
    start: SegmentStart,
    rest: Rest,
    /// The segments whose tables have all sums of payments.
    sums: (u64, u64),
}

impl Begun {
    /// Begins a snapshot of the books as they are now; `start` is the segment that begins here, so the
    /// sums of all payments are sealed.
    pub(crate) fn of(books: &mut Books, start: SegmentStart, newest: Timestamp) -> Self {
        books.accounts.begin_copy();
        books.payments.begin_copy();
        Self {
            start,
            rest: Rest::of(books, newest),
            sums: books.summary.layers.segments,
        }
    }

    /// The segment before whose first record it is.
    pub(crate) const fn segment(&self) -> u64 {
        self.start.number
    }
}

/// Writes snapshots of these books.
pub(crate) struct Taker<S: Storage> {
    pub(crate) storage: Arc<S>,
    pub(crate) books: Arc<RwLock<Books>>,
    /// Ends what is being written.
    pub(crate) stop: Stop,
}

impl<S: Storage> Taker<S> {
    /// Writes what was begun, removes older snapshots, and returns its length in bytes. `pendings` gives the pending transfers a
    /// part at a time, and `None` once there are no more.
    ///
    /// # Errors
    ///
    /// When it could not be written, or was to stop: the older ones stay.
    pub(crate) fn take(
        &self,
        begun: Begun,
        pendings: impl FnMut() -> io::Result<Option<Vec<TimedPending>>>,
    ) -> io::Result<u64> {
        let written = self.write(begun, pendings);
        let written = or_remove(&*self.storage, PARTIAL, written);
        self.end_copy();
        written
    }

    /// Frees what the copy took, at a moment when nobody has the books, if there is one soon: a thread that
    /// waits for them to write keeps later readers waiting behind it, and the ledger's writer may have
    /// them while it waits for a page of a table. Where there is no such moment, as under readers without
    /// end, it waits all the same: what changes is set aside as long as the copy goes on.
    fn end_copy(&self) {
        let mut tries = 0..BOOKS_TRIES;
        let mut books = loop {
            if let Some(books) = self.books.try_write() {
                break books;
            }
            if tries.next().is_none() {
                break self.books.write();
            }
            std::thread::sleep(BOOKS_RETRY);
        };
        let taken = (books.accounts.end_copy(), books.payments.end_copy());
        drop(books);
        drop(taken);
    }

    fn write(
        &self,
        begun: Begun,
        mut pendings: impl FnMut() -> io::Result<Option<Vec<TimedPending>>>,
    ) -> io::Result<u64> {
        let started = Instant::now();
        let segment = begun.start.number;
        let accounts_count = begun.rest.accounts_count;
        let mut writer = SnapshotWriter::begin(&*self.storage, &self.stop, begun.start)?;
        writer.block(&Block::Rest(begun.rest))?;
        // Of each account that has any: how many checkpoints there were.
        let mut checkpoints = Vec::new();
        loop {
            let mut rows = Vec::with_capacity(COPIED_AT_ONCE);
            let has_more =
                self.books
                    .read()
                    .accounts
                    .copy_next(COPIED_AT_ONCE, |slot, id, kept| {
                        let count = kept.account.entry_count / CHECKPOINT_ENTRIES;
                        if let Ok(count @ 1..) = usize::try_from(count) {
                            checkpoints.push((slot, count));
                        }
                        rows.push(AccountRow::new(id, kept));
                    });
            if !has_more {
                break;
            }
            writer.block(&Block::Accounts(rows))?;
        }
        for (slot, count) in checkpoints {
            for from in (0..count).step_by(CHECKPOINTS_AT_ONCE) {
                let to = count.min(from + CHECKPOINTS_AT_ONCE);
                let numbers = {
                    // They only grow: those it had then come first.
                    let books = self.books.read();
                    let addresses = books.checkpoints.get(slot);
                    let addresses = addresses.map_or(&[][..], |addresses| &addresses[from..to]);
                    addresses.iter().map(|address| address.to_u64()).collect()
                };
                writer.block(&Block::Checkpoints(slot, numbers))?;
            }
        }
        let mut after = None;
        loop {
            let copied = self.books.read().payments.copy_next(after, COPIED_AT_ONCE);
            let Some((payments, place)) = copied else {
                break;
            };
            after = Some(place);
            let rows = payments.into_iter().map(|open| PaymentRow {
                payment: open.payment,
                resolution: number(open.resolution),
            });
            writer.block(&Block::Payments(rows.collect()))?;
        }
        let (first, end) = begun.sums;
        writer.block(&Block::SumTables { first, end })?;
        while let Some(part) = pendings()? {
            writer.block(&Block::Pendings(part))?;
        }
        let bytes = writer.finish()?;
        let elapsed = started.elapsed();
        tracing::debug!(segment, accounts_count, bytes, ?elapsed, "took a snapshot");
        if let Err(error) = self.remove_old() {
            tracing::warn!(%error, "an old snapshot could not be removed: {error}");
        }
        Ok(bytes)
    }

    fn remove_old(&self) -> io::Result<()> {
        let numbers = numbers(&*self.storage)?;
        let old = numbers.iter().rev().skip(KEPT);
        for segment in old {
            self.storage.remove(&file_name(*segment))?;
        }
        Ok(())
    }
}
