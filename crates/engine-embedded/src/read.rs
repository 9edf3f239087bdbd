//! Reads of published state. They never wait for a sync. Each is tried with what is in memory first;
//! what has to be fetched from the disk is read again in a thread for [`history`](crate::history).
//! A walk through it ends at the deadline.

use std::time::Instant;

use journal::{Address, Reader, Storage};
use ledger::{
    Account, AccountId, AccountsPage, AccountsPageFilling, AccountsQuery, BalanceAt, BatchId,
    DueQuery, Entry, Limit, Outcome, Payment, PaymentId, PendingEnd, ProcessorSummary, Resolution,
    STATEMENT_PAGE_MAX, Statement, StatementQuery, Timestamp, TransferId, Unavailable, UsedPayment,
    UsedTransfer,
};
use parking_lot::{RwLockReadGuard, RwLockWriteGuard};

use crate::accounts::Kept;
use crate::books::{Books, CHECKPOINT_ENTRIES};
use crate::ids::{Space, Waiting};
use crate::lookup::{self, LookupError, Records};
use crate::names::NameOrder;
use crate::shared::Shared;
use crate::sums::Range;

/// How many accounts a page looks at while it holds the books: the writer never waits for more.
const ACCOUNTS_IN_ONE_HOLD: usize = 200;
/// How many names are taken in while the books are held.
const NAMES_IN_ONE_HOLD: usize = 32;
/// How many names a caller's own thread takes in.
const NAMES_AT_HAND: usize = 1_000;

/// Why a read has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// It has to be fetched from the disk, and the reader was to wait for nothing.
    NotAtHand,
    /// What the caller is answered.
    Unavailable(Unavailable),
}

impl<S: Storage> Shared<S> {
    pub(crate) fn account(&self, id: &AccountId) -> Option<Account> {
        self.books.read().accounts.get(id).map(|kept| kept.account)
    }

    /// Takes in the names of what was opened since somebody listed accounts. Lets go of the books from time
    /// to time.
    pub(crate) fn accounts(
        &self,
        reader: &Reader<S>,
        query: &AccountsQuery,
        deadline: Instant,
    ) -> Result<AccountsPage, NotRead> {
        let count = self.books.read().accounts.len();
        let names = self.names.try_read();
        let names = match names.filter(|names| names.len() >= count) {
            Some(names) => names,
            None => self.names_of(reader, count, deadline)?,
        };
        let mut page = AccountsPageFilling::new(query.clone());
        while self.fill(&mut page, &names) {}
        Ok(page.finish())
    }

    /// The order of the first so many accounts at least.
    fn names_of(
        &self,
        reader: &Reader<S>,
        count: usize,
        deadline: Instant,
    ) -> Result<RwLockReadGuard<'_, NameOrder>, NotRead> {
        let late = NotRead::Unavailable(Unavailable::Timeout);
        let mut names = if reader.waits() {
            self.names.try_write_until(deadline).ok_or(late)?
        } else {
            self.names.try_write().ok_or(NotRead::NotAtHand)?
        };
        if !reader.waits() && count.saturating_sub(names.len()) > NAMES_AT_HAND {
            return Err(NotRead::NotAtHand);
        }
        while names.len() < count {
            // What was taken in stays: who asks again goes on from there.
            if deadline <= Instant::now() {
                return Err(late);
            }
            names.extend(&self.books.read().accounts, NAMES_IN_ONE_HOLD);
        }
        Ok(RwLockWriteGuard::downgrade(names))
    }

    /// Whether the page wants more, and there may be more.
    fn fill(&self, page: &mut AccountsPageFilling, names: &NameOrder) -> bool {
        let books = self.books.read();
        let accounts = &books.accounts;
        let from = page.rest().start().cloned();
        let mut offered_count = 0;
        for slot in names
            .slots_from(from.as_ref(), accounts)
            .take(ACCOUNTS_IN_ONE_HOLD)
        {
            if !page.offer(accounts.name(slot), &accounts.kept(slot).account) {
                return false;
            }
            offered_count += 1;
        }
        offered_count == ACCOUNTS_IN_ONE_HOLD
    }

    pub(crate) fn statement(
        &self,
        reader: &Reader<S>,
        query: &StatementQuery,
        deadline: Instant,
    ) -> Result<Option<Statement>, NotRead> {
        let before = query.before.unwrap_or(u64::MAX);
        let Some((kept, newest)) = self.kept_and_entry_before(&query.account_id, before) else {
            return Ok(None);
        };
        let mut walk = Walk {
            shared: self,
            reader,
            account_id: &query.account_id,
            next: newest,
            deadline,
        };
        let mut entries = Vec::new();
        // Before the first entry there is none to walk to.
        let limit = match before {
            0 | 1 => 0,
            _ => query.limit.min(STATEMENT_PAGE_MAX),
        };
        while entries.len() < limit {
            match walk.step()? {
                Some(entry) if entry.number >= before => {}
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(Some(Statement {
            account: kept.account,
            entries,
        }))
    }

    pub(crate) fn balance_at(
        &self,
        reader: &Reader<S>,
        id: &AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, NotRead> {
        let Some((kept, newest)) = self.kept_and_entry_at(reader, id, at)? else {
            return Ok(None);
        };
        if kept.account.limit == Limit::Unlimited {
            return self.unlimited_balance_at(reader, id, at, deadline);
        }
        let mut walk = Walk {
            shared: self,
            reader,
            account_id: id,
            next: newest,
            deadline,
        };
        while let Some(entry) = walk.step()? {
            if entry.timestamp <= at {
                let (balance, entry_number) = (entry.balance_after, entry.number);
                return Ok(Some(BalanceAt {
                    balance,
                    entry_number,
                }));
            }
        }
        Ok(Some(BalanceAt {
            balance: 0,
            entry_number: 0,
        }))
    }

    /// All events up to and with this time are published, and the writer decides none with an earlier one any more.
    pub(crate) fn safe_time(&self) -> Timestamp {
        self.books.read().newest
    }

    /// What an unlimited account's balance is, less what every transfer behind `at` has changed.
    fn unlimited_balance_at(
        &self,
        reader: &Reader<S>,
        id: &AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, NotRead> {
        // Of one moment: what is published later is in neither.
        let (account, newest) = {
            let books = self.books.read();
            let kept = books.accounts.get(id);
            (kept.map(|kept| kept.account), books.newest)
        };
        let Some(account) = account else {
            return Ok(None);
        };
        let mut balance = account.balance();
        let behind = Timestamp::from_nanos(at.as_nanos().saturating_add(1));
        if at < newest {
            self.each_listed_transfer(reader, id, (behind, newest), deadline, |transfer| {
                balance = balance.wrapping_sub(transfer.balance_change(id));
            })?;
        }
        Ok(Some(BalanceAt {
            balance,
            entry_number: 0,
        }))
    }

    pub(crate) fn transfer(
        &self,
        reader: &Reader<S>,
        id: TransferId,
    ) -> Result<Option<UsedTransfer>, NotRead> {
        let Some(newest) = self.newest(reader, Space::Transfers, id.to_u128())? else {
            return Ok(None);
        };
        lookup::transfer(reader, id, newest)
            .map(Some)
            .map_err(|error| self.not_read(&error))
    }

    pub(crate) fn pending_end(
        &self,
        reader: &Reader<S>,
        id: TransferId,
    ) -> Result<Option<PendingEnd>, NotRead> {
        let Some(newest) = self.newest(reader, Space::Transfers, id.to_u128())? else {
            return Ok(None);
        };
        lookup::pending_end(reader, id, newest).map_err(|error| self.not_read(&error))
    }

    pub(crate) fn payment(
        &self,
        reader: &Reader<S>,
        id: PaymentId,
    ) -> Result<Option<UsedPayment>, NotRead> {
        let purges = {
            let books = self.books.read();
            if let Some(payment) = books.payments.get(id) {
                return Ok(Some(UsedPayment::Accepted(payment.clone())));
            }
            books.purges.clone()
        };
        let Some(newest) = self.newest(reader, Space::Payments, id.to_u128())? else {
            return Ok(None);
        };
        lookup::payment(reader, id, newest, &purges)
            .map(Some)
            .map_err(|error| self.not_read(&error))
    }

    /// The first outcomes of an atomic batch: one small read each.
    pub(crate) fn batch(
        &self,
        reader: &Reader<S>,
        id: BatchId,
    ) -> Result<Option<Vec<Outcome>>, NotRead> {
        let Some(newest) = self.newest(reader, Space::Batches, id.to_u128())? else {
            return Ok(None);
        };
        let used = lookup::batch(reader, id, newest).map_err(|error| self.not_read(&error))?;
        Ok(Some(used.outcomes))
    }

    pub(crate) fn resolutions(
        &self,
        reader: &Reader<S>,
        id: PaymentId,
    ) -> Result<Vec<Resolution>, NotRead> {
        let Some(newest) = self.newest(reader, Space::Payments, id.to_u128())? else {
            return Ok(Vec::new());
        };
        lookup::resolutions(reader, id, newest).map_err(|error| self.not_read(&error))
    }

    /// What the settled payments of a time sum to. Nobody waits for the disk with the books in hand.
    pub(crate) fn payments_summary(
        &self,
        reader: &Reader<S>,
        range: Range,
    ) -> Result<Vec<ProcessorSummary>, NotRead> {
        // Of one moment: what is sealed leaves the one and comes to the other at once.
        let (mut totals, layers) = self.books.read().summary.parts(range);
        let added = layers.add_between(range, waiting(reader), &mut totals);
        added.map_err(|error| self.not_read(&error.into()))?;
        Ok(totals.into_summaries())
    }

    /// Where the newest record about the id is. Nobody waits for the disk with the books in hand.
    pub(crate) fn newest(
        &self,
        reader: &Reader<S>,
        space: Space,
        id: u128,
    ) -> Result<Option<Address>, NotRead> {
        let layers = {
            let books = self.books.read();
            match books.ids.find(space, id, Waiting::Refused) {
                Ok(found) => return Ok(found),
                Err(error) if error.has_to_wait() => books.ids.layers.clone(),
                Err(error) => return Err(self.not_read(&error.into())),
            }
        };
        // It was in none of those in memory.
        let found = layers.find(space, id, waiting(reader));
        found.map_err(|error| self.not_read(&error.into()))
    }

    pub(crate) fn payments_due(&self, query: DueQuery) -> Vec<Payment> {
        let books = self.books.read();
        let behind = books.payments.behind(query.after);
        behind.take(query.limit).cloned().collect()
    }

    pub(crate) fn not_read(&self, error: &LookupError) -> NotRead {
        if error.has_to_wait() {
            NotRead::NotAtHand
        } else {
            NotRead::Unavailable(self.unreadable(error))
        }
    }

    /// What a call is answered for which a record could not be read.
    pub(crate) fn unreadable(&self, error: &LookupError) -> Unavailable {
        let unavailable = error.unavailable();
        if let Some(held_back) = self.warnings.damage.pass() {
            let code = unavailable.code();
            tracing::error!(%error, code, held_back, "a record could not be read; the call fails");
        }
        unavailable
    }

    /// The account, and an entry to walk back from to those numbered below `before`, no more than
    /// [`CHECKPOINT_ENTRIES`] away.
    fn kept_and_entry_before(
        &self,
        id: &AccountId,
        before: u64,
    ) -> Option<(Kept, Option<Address>)> {
        let books = self.books.read();
        let slot = books.accounts.slot(id)?;
        let kept = *books.accounts.kept(slot);
        // The first checkpoint that is not below the entry looked for.
        let checkpoint = before.saturating_sub(1).div_ceil(CHECKPOINT_ENTRIES);
        let newest = nth_checkpoint(&books, slot, checkpoint).or(kept.last_entry);
        Some((kept, newest))
    }

    /// The account, and an entry to walk back from to the newest one at `at` or earlier.
    fn kept_and_entry_at(
        &self,
        reader: &Reader<S>,
        id: &AccountId,
        at: Timestamp,
    ) -> Result<Option<(Kept, Option<Address>)>, NotRead> {
        let (slot, kept, count) = {
            let books = self.books.read();
            let Some(slot) = books.accounts.slot(id) else {
                return Ok(None);
            };
            let checkpoints = books.checkpoints.get(slot);
            let kept = *books.accounts.kept(slot);
            (slot, kept, checkpoints.map_or(0, Vec::len))
        };
        // They only grow, and are as many as an old account has entries for: none is copied.
        let nth = |place: usize| {
            let books = self.books.read();
            let checkpoints = books.checkpoints.get(slot);
            checkpoints.and_then(|addresses| addresses.get(place).copied())
        };
        // The first checkpoint that is later than `at`, by bisection; each look is one read.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            let address = nth(middle).unwrap_or_else(|| unreachable!("they only grow"));
            let recorded = reader
                .recorded(address)
                .map_err(|error| self.not_read(&error))?;
            if recorded.event.timestamp() <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let newest = if low < count {
            nth(low)
        } else {
            kept.last_entry
        };
        Ok(Some((kept, newest)))
    }
}

pub(crate) fn waiting<S: Storage>(reader: &Reader<S>) -> Waiting {
    if reader.waits() {
        Waiting::Allowed
    } else {
        Waiting::Refused
    }
}

fn nth_checkpoint(books: &Books, slot: u32, number: u64) -> Option<Address> {
    let place = usize::try_from(number.checked_sub(1)?).ok()?;
    books.checkpoints.get(slot)?.get(place).copied()
}

/// From an entry of an account to the one before, one small read each.
struct Walk<'a, S: Storage> {
    shared: &'a Shared<S>,
    reader: &'a Reader<S>,
    account_id: &'a AccountId,
    next: Option<Address>,
    deadline: Instant,
}

impl<S: Storage> Walk<'_, S> {
    fn step(&mut self) -> Result<Option<Entry>, NotRead> {
        let Some(address) = self.next else {
            return Ok(None);
        };
        if self.deadline <= Instant::now() {
            return Err(NotRead::Unavailable(Unavailable::Timeout));
        }
        let read = self.read(address);
        let entry = read.map_err(|error| self.shared.not_read(&error))?;
        Ok(Some(entry))
    }

    fn read(&mut self, address: Address) -> Result<Entry, LookupError> {
        let mismatch = || LookupError::Mismatch(address.to_u64());
        let recorded = self.reader.recorded(address)?;
        let transfer = recorded.event.transfer().ok_or_else(mismatch)?;
        let entry = transfer.entry(self.account_id).ok_or_else(mismatch)?;
        let previous = if transfer.debit_account_id == *self.account_id {
            recorded.links.debit_previous
        } else {
            recorded.links.credit_previous
        };
        self.next = Address::from_u64(previous);
        Ok(entry)
    }
}
