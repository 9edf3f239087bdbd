//! The independent model: the reference's books, fed with the same batches, and what an engine's
//! reads must be upon them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use journal::Storage;
use ledger::reference::Books;
use ledger::{
    AccountId, BalanceAt, Batch, Clock, Engine, Entry, Event, Limit, Millis, Outcome, Payment,
    PaymentId, PaymentState, ProcessorSummary, State, StatementQuery, Ticker, Timestamp,
    TransferId, UsedId, UsedPayment,
};

use crate::bank::{PATIENCE, wait};
use crate::picture::EVERY_DUE;
use crate::picture::Ids;
use engine_embedded::EmbeddedEngine;

/// The reference's books, and where a crash may cut them.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) books: Books,
    ticker: Ticker,
    /// How many events there were after each expiry and each batch: what is written at once.
    whole: BTreeSet<usize>,
    /// How many there were after the newest batch that made one.
    decided: usize,
    /// How many of them were answered for.
    answered: usize,
    /// The same after every call so far that made any.
    calls: Vec<usize>,
}

impl Model {
    /// What the batches must be answered with. They are not answered yet.
    pub(crate) fn apply(&mut self, batches: &[Batch], clock: &dyn Clock) -> Vec<Vec<Outcome>> {
        let now = clock.now();
        let apply = |batch: &Batch| {
            let before = self.books.events().len();
            self.books.expire(&mut self.ticker, now);
            let expired = self.books.events().len();
            self.whole.extend(before..=expired);
            let outcomes = self.books.apply(batch.clone(), &mut self.ticker, now);
            if self.books.events().len() > expired {
                self.decided = self.books.events().len();
                self.whole.insert(self.decided);
            }
            outcomes
        };
        batches.iter().map(apply).collect()
    }

    /// The outcomes so far were answered.
    pub(crate) fn answer(&mut self) {
        self.answered = self.decided;
        if self.calls.last() != Some(&self.answered) {
            self.calls.push(self.answered);
        }
    }

    /// The books as they were after `count` events, of which no more may be missing than the last
    /// few calls left behind: a frame holds the records of at most one call.
    pub(crate) fn beginning(&self, count: usize, calls_lost: usize) -> Books {
        let first_kept = self.calls.iter().rev().nth(calls_lost).copied();
        assert!(
            count >= first_kept.unwrap_or(0),
            "{count} events, calls {:?}",
            self.calls
        );
        Books::replay(&self.books.events()[..count])
    }

    /// Goes back to what a reopened engine found: so many events.
    ///
    /// # Panics
    ///
    /// When answered events are missing, more are there than were asked for, or a batch is half
    /// there.
    pub(crate) fn cut_to(&mut self, count: usize) {
        let events = self.books.events();
        assert!(
            count >= self.answered,
            "{count} of {} answered events",
            self.answered
        );
        assert!(count <= events.len(), "{count} events of {}", events.len());
        assert!(
            count == 0 || self.whole.contains(&count),
            "a batch is half there: {count} events, whole are {:?}",
            self.whole.range(self.answered..)
        );
        let last = events[..count].last().map(Event::timestamp);
        self.ticker = Ticker::after(last.unwrap_or_default());
        self.books = Books::replay(&events[..count]);
        self.whole.retain(|whole| *whole <= count);
        self.decided = count;
        self.answered = count;
    }
}

/// Compares all that the engine can be asked with the books.
pub(crate) fn compare<S: Storage>(engine: &EmbeddedEngine<S>, books: &Books) {
    let count = books.accounts().count();
    assert_eq!(engine.accounts_count(), count);
    for (id, account) in books.accounts() {
        let got = wait(engine.account(id.clone(), Instant::now() + PATIENCE));
        assert_eq!(got.unwrap().as_ref(), Some(account), "account {id}");
        compare_statement(engine, books, id);
    }
    for id in transfer_ids(books) {
        let got = wait(engine.transfer(id, Instant::now() + PATIENCE));
        assert_eq!(got.unwrap(), books.state().transfer(id), "transfer {id}");
    }
    assert_eq!(
        engine.transfer_ids_count(),
        transfer_ids(books).len() as u64
    );
    for id in payment_ids(books) {
        let got = wait(engine.payment(id, Instant::now() + PATIENCE));
        assert_eq!(got.unwrap(), books.state().payment(id), "payment {id}");
    }
    let got = wait(engine.payments_due(EVERY_DUE, Instant::now() + PATIENCE));
    assert_eq!(got.unwrap(), payments_due(books));
    let got = wait(engine.payments_summary(None, None, Instant::now() + PATIENCE));
    assert_eq!(got.unwrap(), summary(books));
}

fn compare_statement<S: Storage>(engine: &EmbeddedEngine<S>, books: &Books, id: &AccountId) {
    let mut expected = entries(books, id);
    let query = StatementQuery {
        account_id: id.clone(),
        before: None,
        limit: 1_000,
    };
    let got = wait(engine.statement(query, Instant::now() + PATIENCE));
    expected.reverse();
    expected.truncate(1_000);
    assert_eq!(got.unwrap().unwrap().entries, expected, "statement of {id}");
    let mut moments: Vec<_> = expected.iter().step_by(7).map(|e| e.timestamp).collect();
    if id.is_reserved() {
        let events = books.events().iter().rev().take(1_000).step_by(97);
        moments.extend(events.map(Event::timestamp));
    }
    for at in moments.into_iter().chain([Timestamp::default()]) {
        let got = wait(engine.balance_at(id.clone(), at, Instant::now() + PATIENCE));
        assert_eq!(got.unwrap(), balance_at(books, id, at), "{id} at {at}");
    }
}

fn entries(books: &Books, id: &AccountId) -> Vec<Entry> {
    let transfers = books.events().iter().filter_map(Event::transfer);
    transfers
        .filter_map(|transfer| transfer.entry(id))
        .collect()
}

fn balance_at(books: &Books, id: &AccountId, at: Timestamp) -> Option<BalanceAt> {
    let account = books.state().account(id)?;
    if account.limit == Limit::Unlimited {
        let transfers = books.events().iter().filter_map(Event::transfer);
        let then = transfers.filter(|transfer| transfer.timestamp <= at);
        return Some(BalanceAt {
            balance: then.fold(0, |sum: i64, transfer| {
                sum.wrapping_add(transfer.balance_change(id))
            }),
            entry_number: 0,
        });
    }
    let entries = entries(books, id);
    let newest = entries.iter().rev().find(|entry| entry.timestamp <= at);
    Some(BalanceAt {
        balance: newest.map_or(0, |entry| entry.balance_after),
        entry_number: newest.map_or(0, |entry| entry.number),
    })
}

/// Every account and every used id.
pub(crate) fn ids(books: &Books) -> Ids {
    let mut accounts: Vec<_> = books.accounts().map(|(id, _)| id.clone()).collect();
    accounts.sort_unstable();
    Ids {
        accounts,
        transfers: transfer_ids(books).into_iter().collect(),
        payments: payment_ids(books).into_iter().collect(),
    }
}

/// Every used id of the space of transfers.
fn transfer_ids(books: &Books) -> BTreeSet<TransferId> {
    let of_event = |event: &Event| match event {
        Event::Refused { command, .. } => match command.used_id() {
            Some(UsedId::Transfer(id)) => Some(id),
            _ => None,
        },
        Event::PaymentAccepted(payment) => Some(TransferId::of_payment(payment.id)),
        event => event.transfer().map(|transfer| transfer.id),
    };
    books.events().iter().filter_map(of_event).collect()
}

/// Every used id of the space of payments.
fn payment_ids(books: &Books) -> BTreeSet<PaymentId> {
    let of_event = |event: &Event| match event {
        Event::Refused { command, .. } => match command.used_id() {
            Some(UsedId::Payment(id)) => Some(id),
            _ => None,
        },
        event => event.payment().map(|payment| payment.id),
    };
    books.events().iter().filter_map(of_event).collect()
}

fn payments(books: &Books) -> Vec<Payment> {
    let payment = |id| match books.state().payment(id) {
        Some(UsedPayment::Accepted(payment)) => Some(payment),
        _ => None,
    };
    payment_ids(books).into_iter().filter_map(payment).collect()
}

fn payments_due(books: &Books) -> Vec<Payment> {
    let mut due = payments(books);
    due.retain(|payment| payment.state.is_due());
    due.sort_by_key(|payment| payment.accepted_at);
    due
}

fn summary(books: &Books) -> Vec<ProcessorSummary> {
    let purged_at = |event: &Event| match event {
        Event::PaymentsPurged { timestamp, .. } => Some(*timestamp),
        _ => None,
    };
    let purged_at = books.events().iter().rev().find_map(purged_at);
    let mut sums: BTreeMap<_, (u64, u128)> = BTreeMap::new();
    for payment in payments(books) {
        let PaymentState::Settled {
            processor,
            requested_at: Millis(_),
        } = payment.state
        else {
            continue;
        };
        if Some(payment.accepted_at) > purged_at {
            let sum = sums.entry(processor).or_default();
            *sum = (sum.0 + 1, sum.1 + u128::from(payment.amount));
        }
    }
    let summary = |(processor, (payments_count, amount))| ProcessorSummary {
        processor,
        payments_count,
        amount,
    };
    sums.into_iter().map(summary).collect()
}
