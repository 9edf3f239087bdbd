//! An engine with a bug, as a subject.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use ledger::reference::Books;
use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId, BoxFuture,
    Clock, DueQuery, Engine, Event, EventPage, EventQuery, EventsFrom, LimitChange, ListOrder,
    ListPage, ListedTransfer, Millis, Notes, Outcome, Payment, PaymentId, PaymentList,
    PaymentState, PendingEnd, PendingState, ProcessorSummary, Resolution, Standing, State,
    Statement, StatementQuery, Timestamp, TransferId, TransferList, Unavailable, UsedPayment,
    UsedTransfer,
};
use parking_lot::Mutex;

use super::bug::Bug;
use super::ledger::PlantedBooks;
use crate::clock::ManualClock;
use crate::conformance::{Subject, Time};

/// An engine with a bug.
pub(super) struct Planted {
    bug: Bug,
    clock: Arc<ManualClock>,
    books: Mutex<PlantedBooks>,
    last_read: Mutex<HashMap<AccountId, Option<Account>>>,
}

/// The engine, and the clock it goes by.
pub(super) struct PlantedSubject {
    clock: Arc<ManualClock>,
    pub(super) engine: Arc<Planted>,
}

impl PlantedSubject {
    pub(super) fn new(bug: Bug) -> Self {
        let clock = Arc::new(ManualClock::default());
        let engine = Arc::new(Planted {
            bug,
            clock: clock.clone(),
            books: Mutex::new(PlantedBooks::new(bug)),
            last_read: Mutex::default(),
        });
        Self { clock, engine }
    }
}

impl Subject for PlantedSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        Time::Manual(self.clock.clone())
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        self.engine.books.lock().restart();
        Box::pin(async { true })
    }
}

impl Planted {
    /// Hands over the books, with what is due applied.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Books) -> T) -> T {
        let mut books = self.books.lock();
        books.expire(self.clock.now());
        read(&books.books)
    }

    fn answer<T: Send + 'static>(&self, read: impl FnOnce(&Books) -> T) -> Answer<'static, T> {
        Box::pin(std::future::ready(Ok(self.read(read))))
    }

    /// A page of a statement, with what the bug makes of it.
    fn bent_statement(&self, mut query: StatementQuery) -> Option<Statement> {
        if self.bug == Bug::PageIncludesBefore {
            query.before = query.before.map(|before| before.saturating_add(1));
        }
        let mut statement = self.read(|books| books.statement(&query))?;
        let entries = &mut statement.entries;
        match self.bug {
            Bug::BalanceBefore => {
                for entry in entries
                    .iter_mut()
                    .filter(|e| e.credit_account_id == query.account_id)
                {
                    entry.balance_after -= entry.amount.cast_signed();
                }
            }
            Bug::EntryNumberGap => {
                for entry in entries.iter_mut().filter(|entry| entry.number > 3) {
                    entry.number += 1;
                }
            }
            Bug::EntriesSwapped if entries.len() > 1 => entries.swap(0, 1),
            Bug::EntryCauseLost => {
                for entry in entries {
                    (entry.pending_id, entry.payment_id, entry.reverses) = (None, None, None);
                }
            }
            _ => {}
        }
        Some(statement)
    }

    fn summary(&self, from: Option<Millis>, to: Option<Millis>) -> Vec<ProcessorSummary> {
        self.read(|books| match self.bug {
            Bug::SummaryExcludesTo => {
                let to = to.map(|to| Millis(to.0.saturating_sub(1)));
                books.payments_summary(from, to)
            }
            Bug::SummaryCountsPurged => {
                let is_purge = |event: &&Event| matches!(event, Event::PaymentsPurged { .. });
                let events = books.events().iter().filter(|event| !is_purge(event));
                let is_payments = |event: &&Event| event.payment().is_some() || is_opening(event);
                let events: Vec<_> = events.filter(is_payments).cloned().collect();
                Books::replay(&events).payments_summary(from, to)
            }
            _ => books.payments_summary(from, to),
        })
    }

    fn due(&self, query: DueQuery) -> Vec<Payment> {
        let after = query.after.filter(|_| self.bug != Bug::DueForgetsPlace);
        let limit = usize::MAX;
        let mut due = self.read(|books| books.payments_due(DueQuery { after, limit }));
        match self.bug {
            Bug::DueForgetsSent => due.retain(|payment| payment.state == PaymentState::Accepted),
            Bug::DueNewestFirst => due.reverse(),
            _ => {}
        }
        due.truncate(query.limit);
        due
    }
}

impl Planted {
    /// A page of transfers, with what the bug makes of it.
    fn bent_transfers(&self, list: &TransferList, mut page: ListPage) -> Vec<ListedTransfer> {
        if self.bug == Bug::ListForgetsUntil {
            page.until = None;
        }
        let mut listed = self.read(|books| books.transfers_page(list, &page));
        match self.bug {
            Bug::ListLeavesOutVoids => {
                listed.retain(|listed| listed.transfer.kind.as_str() != "void");
            }
            Bug::ListForgetsEnds => listed.iter_mut().for_each(|listed| listed.end = None),
            Bug::ListOldestFirst => listed.reverse(),
            Bug::ListLeavesOut if page.after.is_some() && !listed.is_empty() => {
                drop(listed.remove(0));
            }
            _ => {}
        }
        listed
    }

    fn bent_limits(&self, id: &AccountId, page: &ListPage) -> Vec<LimitChange> {
        let mut limits = self.read(|books| books.limits_page(id, page));
        match self.bug {
            Bug::LimitCauseLost => {
                for limit in &mut limits {
                    limit.by = None;
                }
            }
            Bug::LimitsWithoutTheFirst => {
                let opened = self
                    .read(|books| books.limits_page(id, &ListPage::first(ListOrder::Ascending, 1)));
                limits.retain(|limit| Some(limit) != opened.first());
            }
            _ => {}
        }
        limits
    }

    /// A page of payments, with what the bug makes of it.
    fn bent_payments(&self, mut list: PaymentList, page: &ListPage) -> Vec<Payment> {
        if let (Bug::ListOfAnyProcessor, PaymentList::SettledBy(_)) = (self.bug, &list) {
            list = PaymentList::All;
        }
        self.read(|books| books.payments_page(&list, page))
    }

    /// A page of accounts, with what the bug makes of it.
    fn bent_accounts(&self, mut query: AccountsQuery) -> AccountsPage {
        match self.bug {
            Bug::AccountsOfAnyCurrency => query.currency = None,
            Bug::AccountsClosedOrNot => query.closed = None,
            _ => {}
        }
        let after = query.after.clone();
        let mut page = self.read(|books| books.accounts_page(query));
        match self.bug {
            Bug::AccountLeftOut if after.is_some() && !page.accounts.is_empty() => {
                page.accounts.remove(0);
            }
            Bug::AccountListedTwice => {
                if let Some(after) = after
                    && let Some(account) = self.read(|books| books.state().account(&after))
                {
                    page.accounts.insert(0, (after, account));
                }
            }
            Bug::SystemAccountsUnlisted => page.accounts.retain(|(id, _)| !id.is_reserved()),
            _ => {}
        }
        page
    }
}

impl Planted {
    /// A batch's outcomes, with what the bug makes of them.
    fn bent_batch(&self, id: BatchId) -> Option<Vec<Outcome>> {
        let used = self.read(|books| books.state().batch(id))?;
        let mut outcomes = used.outcomes;
        match self.bug {
            Bug::FailedBatchNotFound if outcomes.iter().any(|one| one.result.is_err()) => None,
            Bug::BatchReadAsReplayed => {
                for outcome in &mut outcomes {
                    outcome.replayed = true;
                }
                Some(outcomes)
            }
            _ => Some(outcomes),
        }
    }
}

const fn is_opening(event: &Event) -> bool {
    matches!(event, Event::AccountOpened { .. })
}

impl Engine for Planted {
    fn submit(&self, batches: Vec<Batch>, _: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let mut books = self.books.lock();
        let now = self.clock.now();
        // Some bugs break what the rules rely on.
        let applied = catch_unwind(AssertUnwindSafe(|| books.submit(batches, now)));
        let answer = applied.map_err(|_| Unavailable::LedgerUnavailable);
        Box::pin(std::future::ready(answer))
    }

    fn preview(&self, batches: Vec<Batch>, _: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let mut books = self.books.lock();
        let now = self.clock.now();
        books.expire(now);
        let previewed = catch_unwind(AssertUnwindSafe(|| books.preview(batches, now)));
        let answer = previewed.map_err(|_| Unavailable::LedgerUnavailable);
        Box::pin(std::future::ready(answer))
    }

    fn account(&self, id: AccountId, _: Instant) -> Answer<'_, Option<Account>> {
        let account = self.read(|books| books.state().account(&id));
        let last = self.last_read.lock().insert(id, account);
        let answer = match (self.bug, last) {
            (Bug::StaleRead, Some(last)) => last,
            _ => account,
        };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn statement(&self, query: StatementQuery, _: Instant) -> Answer<'_, Option<Statement>> {
        Box::pin(std::future::ready(Ok(self.bent_statement(query))))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        _: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        let earlier = u64::from(self.bug == Bug::BalanceAtExclusive);
        let at = match self.bug {
            Bug::UnlimitedPastIsNow if id.is_reserved() => Timestamp::from_nanos(u64::MAX),
            _ => Timestamp::from_nanos(at.as_nanos().saturating_sub(earlier)),
        };
        self.answer(|books| books.balance_at(&id, at))
    }

    fn safe_time(&self, _: Instant) -> Answer<'_, Timestamp> {
        self.answer(Books::safe_time)
    }

    fn transfer(&self, id: TransferId, _: Instant) -> Answer<'_, Option<UsedTransfer>> {
        let mut used = self.read(|books| books.state().transfer(id));
        if let (Bug::ReferenceLost, Some(UsedTransfer::Created(transfer, _))) =
            (self.bug, &mut used)
        {
            transfer.notes = Notes::new(None, transfer.notes.metadata().clone());
        }
        if let (Bug::MetadataLost, Some(UsedTransfer::Created(transfer, _))) = (self.bug, &mut used)
        {
            transfer.notes = Notes::of_reference(transfer.notes.reference().cloned());
        }
        if let (
            Bug::ReversedAmountLost,
            Some(UsedTransfer::Created(_, Standing::Posted { reversed_amount })),
        ) = (self.bug, &mut used)
        {
            *reversed_amount = 0;
        }
        if let (
            Bug::PartsLost,
            Some(UsedTransfer::Created(
                transfer,
                Standing::Pending {
                    state: PendingState::Pending,
                    left_amount,
                },
            )),
        ) = (self.bug, &mut used)
        {
            *left_amount = transfer.amount;
        }
        Box::pin(std::future::ready(Ok(used)))
    }

    fn pending_end(&self, id: TransferId, _: Instant) -> Answer<'_, Option<PendingEnd>> {
        let (mut end, used) =
            self.read(|books| (books.pending_end(id), books.state().transfer(id)));
        if let (Some(end), Some(UsedTransfer::Created(pending, Standing::Pending { state, .. }))) =
            (&mut end, used)
        {
            match (self.bug, state) {
                (Bug::PartialPostReadInFull, PendingState::Posted) => {
                    end.posted_amount = Some(pending.amount);
                }
                (Bug::VoidingForgotten, PendingState::Voided) => end.by = None,
                (Bug::PartsBeforeVoidLost, PendingState::Voided) => end.posted_amount = None,
                _ => {}
            }
        }
        Box::pin(std::future::ready(Ok(end)))
    }

    fn payment(&self, id: PaymentId, _: Instant) -> Answer<'_, Option<UsedPayment>> {
        self.answer(|books| books.state().payment(id))
    }

    fn resolutions(&self, id: PaymentId, _: Instant) -> Answer<'_, Vec<Resolution>> {
        let mut resolutions = self.read(|books| books.resolutions(id));
        match self.bug {
            Bug::ResolutionForgotten if !resolutions.is_empty() => drop(resolutions.remove(0)),
            Bug::ResolutionTwice => resolutions.extend(resolutions.first().cloned()),
            Bug::WhoIsWhy => {
                for Resolution { who, why, .. } in &mut resolutions {
                    std::mem::swap(who, why);
                }
            }
            _ => {}
        }
        Box::pin(std::future::ready(Ok(resolutions)))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        _: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        Box::pin(std::future::ready(Ok(self.summary(from, to))))
    }

    fn payments_due(&self, query: DueQuery, _: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(std::future::ready(Ok(self.due(query))))
    }

    fn newest_payment_accepted_at(&self, _: Instant) -> Answer<'_, Timestamp> {
        let accepted_at = self.read(|books| books.state().newest_payment_accepted_at());
        Box::pin(std::future::ready(Ok(accepted_at)))
    }

    fn accounts(&self, query: AccountsQuery, _: Instant) -> Answer<'_, AccountsPage> {
        Box::pin(std::future::ready(Ok(self.bent_accounts(query))))
    }

    fn batch(&self, id: BatchId, _: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        Box::pin(std::future::ready(Ok(self.bent_batch(id))))
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        _: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        Box::pin(std::future::ready(Ok(self.bent_transfers(&list, page))))
    }

    fn payments(&self, list: PaymentList, page: ListPage, _: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(std::future::ready(Ok(self.bent_payments(list, &page))))
    }

    fn limits(&self, id: AccountId, page: ListPage, _: Instant) -> Answer<'_, Vec<LimitChange>> {
        Box::pin(std::future::ready(Ok(self.bent_limits(&id, &page))))
    }

    fn events(&self, query: EventQuery, _: Instant) -> Answer<'_, Option<EventPage>> {
        let mut page = self.read(|books| books.feed(query));
        if let Some(EventPage { events, .. }) = &mut page {
            match (self.bug, query.from) {
                (Bug::FeedSkips, EventsFrom::After(_)) if !events.is_empty() => {
                    drop(events.remove(0));
                }
                (Bug::FeedSwaps, _) if events.len() > 1 => {
                    let (first, second) = events.split_at_mut(1);
                    std::mem::swap(&mut first[0].event, &mut second[0].event);
                }
                (Bug::FeedForgetsRefusals, _) => {
                    events.retain(|placed| !matches!(placed.event, Event::Refused { .. }));
                }
                _ => {}
            }
        }
        Box::pin(std::future::ready(Ok(page)))
    }
}
