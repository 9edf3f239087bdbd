//! The reference engine: the rules over plain maps. For tests only: it forgets all on exit, and
//! its reads walk the whole history.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::account::Account;
use crate::account_list::{AccountsPage, AccountsPageFilling, AccountsQuery};
use crate::apply::{RecordingState, apply, expire};
use crate::batch::Batch;
use crate::engine::{
    Answer, BalanceAt, DueQuery, Engine, ProcessorSummary, STATEMENT_PAGE_MAX, Statement,
    StatementQuery,
};
use crate::event::{BatchDecided, Event};
use crate::expiries::{DueWalk, Expiries};
use crate::feed::{EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, PlacedEvent};
use crate::id::{AccountId, BatchId, PaymentId, TransferId};
use crate::lists::{LimitChange, ListPage, ListPlace, ListedTransfer, PaymentList, TransferList};
use crate::memory::Memory;
use crate::money::Limit;
use crate::outcome::Outcome;
use crate::payment::{Payment, PaymentState};
use crate::preview::preview;
use crate::resolution::{RESOLUTIONS_READ_MAX, Resolution};
use crate::state::{State, UsedBatch, UsedPayment, UsedTransfer, evolve};
use crate::time::{Clock, Millis, Ticker, Timestamp};
use crate::transfer::{Entry, PendingEnd, Transfer};

/// The whole of a ledger's state and history, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    memory: Memory,
    events: Vec<Event>,
    expiries: Expiries,
}

impl Books {
    /// The state that the events lead to.
    #[must_use]
    pub fn replay(events: &[Event]) -> Self {
        let mut books = Self::default();
        for event in events {
            books.record(event.clone());
        }
        books
    }

    /// Every event, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Every account, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.memory.accounts.iter()
    }

    /// What the rules look up.
    #[must_use]
    pub const fn state(&self) -> &Memory {
        &self.memory
    }

    /// Records a decided event.
    pub fn record(&mut self, event: Event) {
        if let Some(transfer) = event.transfer() {
            self.expiries.record(transfer);
        }
        evolve(&mut self.memory, &event);
        if let Event::Batch(batch) = &event {
            let outcomes = batch
                .failed_outcomes()
                .unwrap_or_else(|| self.applied_outcomes(batch));
            let used = UsedBatch {
                digest: batch.digest,
                outcomes,
            };
            self.memory.batches.insert(batch.id, used);
        }
        self.events.push(event);
    }

    /// The outcomes of the members of a batch whose events were recorded last.
    fn applied_outcomes(&self, batch: &BatchDecided) -> Vec<Outcome> {
        let first = self.events.len() - batch.members_count as usize;
        self.events[first..]
            .iter()
            .cloned()
            .filter_map(Event::into_outcome)
            .collect()
    }

    /// Applies the expiries that are due at `now`, then one batch, and answers with its outcomes.
    pub fn apply(&mut self, batch: Batch, ticker: &mut Ticker, now: Timestamp) -> Vec<Outcome> {
        self.expire(ticker, now);
        self.apply_batch(batch, ticker, now)
    }

    /// Applies one batch after only those due expiries that its outcomes depend upon.
    pub fn apply_after_needed(
        &mut self,
        batch: Batch,
        ticker: &mut Ticker,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let (memory, commands) = (&self.memory, batch.commands());
        let mut walk = DueWalk::default();
        let needed = self
            .expiries
            .due_for(memory, commands, now, usize::MAX, &mut walk);
        for pending_id in needed.pending_ids {
            self.expire_one(pending_id, ticker, now);
        }
        self.apply_batch(batch, ticker, now)
    }

    fn apply_batch(&mut self, batch: Batch, ticker: &mut Ticker, now: Timestamp) -> Vec<Outcome> {
        let Ok(outcomes) = apply(self, batch, ticker, now);
        outcomes
    }

    /// Applies the expiries that are due at `now`.
    pub fn expire(&mut self, ticker: &mut Ticker, now: Timestamp) {
        while let Some(pending_id) = self.expiries.due(now) {
            self.expire_one(pending_id, ticker, now);
        }
    }

    fn expire_one(&mut self, pending_id: TransferId, ticker: &mut Ticker, now: Timestamp) {
        let Ok(is_expired) = expire(self, pending_id, ticker, now);
        assert!(is_expired, "a pending transfer that is due expires");
    }

    /// The pending transfers that have a time.
    #[must_use]
    pub const fn expiries(&self) -> &Expiries {
        &self.expiries
    }

    fn entries<'a>(&'a self, id: &'a AccountId) -> impl DoubleEndedIterator<Item = Entry> + 'a {
        self.events
            .iter()
            .filter_map(Event::transfer)
            .filter_map(|transfer| transfer.entry(id))
    }

    /// See [`Engine::statement`].
    #[must_use]
    pub fn statement(&self, query: &StatementQuery) -> Option<Statement> {
        let account = self.memory.account(&query.account_id)?;
        let before = query.before.unwrap_or(u64::MAX);
        let entries = self
            .entries(&query.account_id)
            .rev()
            .filter(|entry| entry.number < before)
            .take(query.limit.min(STATEMENT_PAGE_MAX))
            .collect();
        Some(Statement { account, entries })
    }

    /// See [`Engine::balance_at`].
    #[must_use]
    pub fn balance_at(&self, id: &AccountId, at: Timestamp) -> Option<BalanceAt> {
        let account = self.memory.account(id)?;
        if account.limit == Limit::Unlimited {
            let transfers = self.events.iter().filter_map(Event::transfer);
            let then = transfers.take_while(|transfer| transfer.timestamp <= at);
            let changes = then.map(|transfer| transfer.balance_change(id));
            return Some(BalanceAt {
                balance: changes.fold(0, i64::wrapping_add),
                entry_number: 0,
            });
        }
        let entry = self
            .entries(id)
            .take_while(|entry| entry.timestamp <= at)
            .last();
        Some(entry.map_or(
            BalanceAt {
                balance: 0,
                entry_number: 0,
            },
            |entry| BalanceAt {
                balance: entry.balance_after,
                entry_number: entry.number,
            },
        ))
    }

    /// See [`Engine::safe_time`].
    #[must_use]
    pub fn safe_time(&self) -> Timestamp {
        let newest = self.events.last();
        newest.map_or(Timestamp::default(), Event::timestamp)
    }

    /// See [`Engine::pending_end`].
    #[must_use]
    pub fn pending_end(&self, id: TransferId) -> Option<PendingEnd> {
        let Some(UsedTransfer::Created(pending, _)) = self.memory.transfer(id) else {
            return None;
        };
        let mut newest_first = self.events.iter().rev().filter_map(Event::transfer);
        newest_first.find_map(|transfer| transfer.end_of(&pending))
    }

    /// See [`Engine::resolutions`].
    #[must_use]
    pub fn resolutions(&self, id: PaymentId) -> Vec<Resolution> {
        let of_payment = |event: &&Event| event.payment().is_some_and(|payment| payment.id == id);
        self.events
            .iter()
            .rev()
            .filter(of_payment)
            .filter_map(Event::resolution)
            .take(RESOLUTIONS_READ_MAX)
            .cloned()
            .collect()
    }

    /// See [`Engine::payments_summary`].
    #[must_use]
    pub fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
    ) -> Vec<ProcessorSummary> {
        let purges = self.events.iter().rev();
        let purged_at = purges
            .filter(|event| matches!(event, Event::PaymentsPurged { .. }))
            .map(Event::timestamp)
            .next();
        let mut summaries = BTreeMap::new();
        for used in self.memory.payments.values() {
            if let UsedPayment::Accepted(payment) = used
                && let PaymentState::Settled {
                    processor,
                    requested_at,
                } = &payment.state
                && purged_at.is_none_or(|purged_at| payment.accepted_at > purged_at)
                && from.is_none_or(|from| *requested_at >= from)
                && to.is_none_or(|to| *requested_at <= to)
            {
                let sum: &mut (u64, u128) = summaries.entry(processor.clone()).or_default();
                sum.0 += 1;
                sum.1 += u128::from(payment.amount);
            }
        }
        summaries
            .into_iter()
            .map(|(processor, (payments_count, amount))| ProcessorSummary {
                processor,
                payments_count,
                amount,
            })
            .collect()
    }

    /// See [`Engine::payments_due`].
    #[must_use]
    pub fn payments_due(&self, query: DueQuery) -> Vec<Payment> {
        let mut due: Vec<Payment> = self
            .memory
            .payments
            .values()
            .filter_map(|used| match used {
                UsedPayment::Accepted(payment) if payment.state.is_due() => Some(payment.clone()),
                UsedPayment::Accepted(_) | UsedPayment::Refused(..) => None,
            })
            .collect();
        due.retain(|payment| query.after.is_none_or(|after| payment.place() > after));
        due.sort_by_key(Payment::place);
        due.truncate(query.limit);
        due
    }

    /// See [`Engine::accounts`].
    #[must_use]
    pub fn accounts_page(&self, query: AccountsQuery) -> AccountsPage {
        let mut accounts: Vec<_> = self.accounts().collect();
        accounts.sort_unstable_by_key(|(id, _)| *id);
        let start = query.start().cloned();
        let is_before = |id: &AccountId| match &start {
            Bound::Included(first) => id < first,
            Bound::Excluded(after) => id <= after,
            Bound::Unbounded => false,
        };
        let mut page = AccountsPageFilling::new(query);
        for (id, account) in accounts {
            if !is_before(id) && !page.offer(id, account) {
                break;
            }
        }
        page.finish()
    }

    /// See [`Engine::transfers`].
    #[must_use]
    pub fn transfers_page(&self, list: &TransferList, page: &ListPage) -> Vec<ListedTransfer> {
        let transfers = self.events.iter().filter_map(Event::transfer);
        let listed = transfers.filter(|transfer| list.has(transfer)).collect();
        let listed = page.of(listed, |transfer| ListPlace::of_transfer(transfer));
        let stands = |transfer: &Transfer| match self.memory.transfer(transfer.id) {
            Some(UsedTransfer::Created(transfer, standing)) => ListedTransfer {
                end: self.pending_end(transfer.id),
                transfer,
                standing,
            },
            Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => {
                unreachable!("a transfer that was recorded has used its id")
            }
        };
        listed.into_iter().map(stands).collect()
    }

    /// A page of the credit limits that an account was given; see [`Engine::limits`].
    pub fn limits_page(&self, id: &AccountId, page: &ListPage) -> Vec<LimitChange> {
        let changes = self.events.iter().filter_map(LimitChange::of);
        let of_account = changes
            .filter(|(of, _)| *of == id)
            .map(|(_, change)| change);
        page.of(of_account.collect(), ListPlace::of_limit)
    }

    /// See [`Engine::payments`].
    #[must_use]
    pub fn payments_page(&self, list: &PaymentList, page: &ListPage) -> Vec<Payment> {
        let payments = self.memory.payments.values().filter_map(|used| match used {
            UsedPayment::Accepted(payment) if list.has(payment) => Some(payment.clone()),
            UsedPayment::Accepted(_) | UsedPayment::Refused(..) => None,
        });
        page.of(payments.collect(), ListPlace::of_payment)
    }

    /// See [`Engine::events`]; it does not wait, and counts each event as 256 bytes.
    #[must_use]
    pub fn feed(&self, query: EventQuery) -> Option<EventPage> {
        const EVENT_BYTES: usize = 256;
        let first = match query.from {
            EventsFrom::Beginning => 0,
            EventsFrom::After(position) => events_before(position)?,
            EventsFrom::Now => self.events.len(),
        };
        let rest = self.events.get(first..)?;
        let limit = query.limit.min(EVENTS_PAGE_MAX);
        let limit = limit.min((query.bytes_max / EVENT_BYTES).max(1));
        let placed = |(index, event): (usize, &Event)| PlacedEvent {
            position: position_behind(first + index + 1),
            event: event.clone(),
        };
        let events: Vec<_> = rest.iter().take(limit).enumerate().map(placed).collect();
        Some(EventPage {
            next: position_behind(first + events.len()),
            events,
        })
    }
}

fn position_behind(events_count: usize) -> EventPosition {
    let mut bytes = [0; EventPosition::BYTES];
    for (byte, counted) in bytes.iter_mut().zip(events_count.to_be_bytes()) {
        *byte = counted;
    }
    EventPosition::from_bytes(bytes)
}

fn events_before(position: EventPosition) -> Option<usize> {
    let bytes = position.to_bytes();
    let (count, rest) = bytes.split_first_chunk()?;
    let is_one = rest.iter().all(|byte| *byte == 0);
    is_one.then_some(usize::from_be_bytes(*count))
}

impl State for Books {
    fn account(&self, id: &AccountId) -> Option<Account> {
        self.memory.account(id)
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        self.memory.account_opened(id)
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        self.memory.transfer(id)
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        self.memory.payment(id)
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        self.memory.batch(id)
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        self.memory.payments_accepted()
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        self.memory.newest_payment_accepted_at()
    }
}

impl RecordingState for Books {
    type LookupError = Infallible;
    type Place = ();

    fn take_lookup_error(&mut self) -> Option<Infallible> {
        None
    }

    fn record(&mut self, event: &Event) {
        Self::record(self, event.clone());
    }

    fn record_batch(&mut self, batch: BatchDecided, _: Option<()>, _: &[Outcome]) {
        Self::record(self, Event::Batch(batch));
    }
}

/// The reference engine over a clock.
pub struct ReferenceEngine {
    clock: Arc<dyn Clock>,
    books: Mutex<(Books, Ticker)>,
}

impl ReferenceEngine {
    /// An empty ledger.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            books: Mutex::default(),
        }
    }

    /// Replays every event, each as `change` makes it: so that the ledger holds what another version
    /// of the rules recorded.
    pub fn change_records(&self, change: impl FnMut(Event) -> Event) {
        let (books, _) = &mut *self.books.lock();
        let changed: Vec<Event> = books.events.iter().cloned().map(change).collect();
        *books = Books::replay(&changed);
    }

    /// Hands the books to `read`, with all due expiries applied.
    pub fn read<T>(&self, read: impl FnOnce(&Books) -> T) -> T {
        let (books, ticker) = &mut *self.books.lock();
        books.expire(ticker, self.clock.now());
        read(books)
    }

    fn answer<T: Send + 'static>(&self, read: impl FnOnce(&Books) -> T) -> Answer<'static, T> {
        let answer = self.read(read);
        Box::pin(async move { Ok(answer) })
    }
}

impl Engine for ReferenceEngine {
    fn submit(&self, batches: Vec<Batch>, _: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let now = self.clock.now();
        let (books, ticker) = &mut *self.books.lock();
        let outcomes = batches
            .into_iter()
            .map(|batch| books.apply(batch, ticker, now))
            .collect();
        Box::pin(async move { Ok(outcomes) })
    }

    fn preview(&self, batches: Vec<Batch>, _: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let now = self.clock.now();
        let (books, ticker) = &mut *self.books.lock();
        books.expire(ticker, now);
        let outcomes = preview(&books.memory, batches, *ticker, now);
        Box::pin(async move { Ok(outcomes) })
    }

    fn account(&self, id: AccountId, _: Instant) -> Answer<'_, Option<Account>> {
        self.answer(|books| books.memory.account(&id))
    }

    fn statement(&self, query: StatementQuery, _: Instant) -> Answer<'_, Option<Statement>> {
        self.answer(|books| books.statement(&query))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        _: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        self.answer(|books| books.balance_at(&id, at))
    }

    fn safe_time(&self, _: Instant) -> Answer<'_, Timestamp> {
        self.answer(Books::safe_time)
    }

    fn transfer(&self, id: TransferId, _: Instant) -> Answer<'_, Option<UsedTransfer>> {
        self.answer(|books| books.memory.transfer(id))
    }

    fn pending_end(&self, id: TransferId, _: Instant) -> Answer<'_, Option<PendingEnd>> {
        self.answer(|books| books.pending_end(id))
    }

    fn payment(&self, id: PaymentId, _: Instant) -> Answer<'_, Option<UsedPayment>> {
        self.answer(|books| books.memory.payment(id))
    }

    fn resolutions(&self, id: PaymentId, _: Instant) -> Answer<'_, Vec<Resolution>> {
        self.answer(|books| books.resolutions(id))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        _: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.answer(|books| books.payments_summary(from, to))
    }

    fn payments_due(&self, query: DueQuery, _: Instant) -> Answer<'_, Vec<Payment>> {
        self.answer(|books| books.payments_due(query))
    }

    fn newest_payment_accepted_at(&self, _: Instant) -> Answer<'_, Timestamp> {
        self.answer(|books| books.memory.newest_payment_accepted_at())
    }

    fn accounts(&self, query: AccountsQuery, _: Instant) -> Answer<'_, AccountsPage> {
        self.answer(|books| books.accounts_page(query))
    }

    fn batch(&self, id: BatchId, _: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        self.answer(|books| books.memory.batch(id).map(|used| used.outcomes))
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        _: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        self.answer(|books| books.transfers_page(&list, &page))
    }

    fn payments(&self, list: PaymentList, page: ListPage, _: Instant) -> Answer<'_, Vec<Payment>> {
        self.answer(|books| books.payments_page(&list, &page))
    }

    fn limits(&self, id: AccountId, page: ListPage, _: Instant) -> Answer<'_, Vec<LimitChange>> {
        self.answer(|books| books.limits_page(&id, &page))
    }

    fn events(&self, query: EventQuery, _: Instant) -> Answer<'_, Option<EventPage>> {
        self.answer(|books| books.feed(query))
    }
}
