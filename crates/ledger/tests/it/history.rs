//! Random histories: commands applied to books, one step after the other.

use ledger::reference::Books;
use ledger::{AccountId, Batch, Clock, Currency, Event, Outcome, State, Ticker, Timestamp};
use testkit::{Generator, GeneratorOptions, ManualClock, Pause};

/// Books, and all that was submitted to them.
pub(crate) struct History {
    pub(crate) books: Books,
    pub(crate) ticker: Ticker,
    pub(crate) submitted: Vec<(Batch, Vec<Outcome>)>,
    clock: ManualClock,
    generator: Generator,
}

impl History {
    /// What the first steps of a seed lead to.
    pub(crate) fn new(seed: u64, steps: u32) -> Self {
        let mut history = Self {
            books: Books::default(),
            ticker: Ticker::default(),
            submitted: Vec::new(),
            clock: ManualClock::default(),
            generator: Generator::new(seed, GeneratorOptions::default()),
        };
        for _ in 0..steps {
            for batch in history.next_batches() {
                history.apply(batch);
            }
        }
        history
    }

    /// Lets time pass, and draws what is submitted next.
    pub(crate) fn next_batches(&mut self) -> Vec<Batch> {
        let step = self.generator.step(&self.books);
        let now = self.clock.now().as_nanos();
        match step.pause {
            Pause::Advance(by) => self.clock.advance_ns(by),
            Pause::Until(at) => self.clock.advance_to(at),
            Pause::Back(by) => self.clock.set(Timestamp::from_nanos(now - by)),
        }
        step.batches
    }

    /// The time that the clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the clock.
    pub(crate) fn set_clock(&self, to: Timestamp) {
        self.clock.set(to);
    }

    /// Applies a batch.
    pub(crate) fn apply(&mut self, batch: Batch) -> Vec<Outcome> {
        let now = self.now();
        let outcomes = self.books.apply(batch.clone(), &mut self.ticker, now);
        self.submitted.push((batch, outcomes.clone()));
        outcomes
    }

    /// Applies a batch to a copy of the books, after only those due expiries that it depends upon,
    /// and the others then.
    pub(crate) fn apply_aside(&self, batch: Batch) -> (Vec<Outcome>, Books) {
        let (now, mut books, mut ticker) = (self.now(), self.books.clone(), self.ticker);
        let outcomes = books.apply_after_needed(batch, &mut ticker, now);
        books.expire(&mut ticker, now);
        (outcomes, books)
    }

    /// Applies what is due now, so that the next batch changes nothing else.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        self.books.expire(&mut self.ticker, now);
    }
}

/// What must always be true of the books after an event.
pub(crate) fn check_books(books: &Books) {
    for code in ["BRL", "USD"] {
        let currency = Currency::new(code).unwrap();
        let in_currency = books.accounts().filter(|(_, a)| a.currency == currency);
        let sum = in_currency.fold(0_i64, |sum, (_, account)| {
            sum.wrapping_add(account.balance())
        });
        assert_eq!(sum, 0, "{code} is not conserved");
    }
    for (id, account) in books.accounts() {
        let Some(limit) = account.credit_limit() else {
            continue;
        };
        let incoming = account.credits_posted + limit;
        let outgoing = account.debits_posted + account.debits_pending;
        assert!(
            outgoing <= incoming,
            "{id} has passed its limit: {account:?}"
        );
        let exact = |number: u64| i128::from(number);
        let held = i128::from(account.balance()) + exact(account.credits_pending) + exact(limit);
        let owed = exact(account.debits_pending) - i128::from(account.balance());
        assert!(
            held.max(owed) <= exact(ledger::AMOUNT_MAX),
            "the balance of {id} is too large: {account:?}"
        );
        let credits = exact(account.credits_posted) + exact(account.credits_pending);
        assert!(
            credits.max(exact(outgoing)) <= exact(ledger::TOTAL_MAX),
            "a total of {id} is too large: {account:?}"
        );
    }
}

/// What the newest event says about its accounts has to be what they are.
pub(crate) fn check_newest(books: &Books) {
    let Some(transfer) = books.events().last().and_then(Event::transfer) else {
        return;
    };
    let sides: [(&AccountId, _); 2] = [
        (&transfer.debit_account_id, transfer.debit),
        (&transfer.credit_account_id, transfer.credit),
    ];
    for (id, after) in sides {
        let account = books.state().account(id).unwrap();
        if let Some(after) = after {
            let told = (after.entry_number, after.balance, Some(after.credit_limit));
            let is = (
                account.entry_count,
                account.balance(),
                account.credit_limit(),
            );
            assert_eq!(told, is, "{id} after {transfer:?}");
        }
    }
}
