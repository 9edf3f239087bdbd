//! The processor's behaviour, without HTTP.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use stdx::whole_millis;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::book::Book;
use crate::faults::Fault;
use crate::room::Room;
use crate::windows::Windows;
use crate::{Decimal, Faults, FaultyAnswer, Payment};

/// What a processor starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorSettings {
    /// What it is called.
    pub name: String,
    /// Its share of each payment, such as 0.05; at most 4 digits after the point.
    pub fee: Decimal,
    /// What admin calls must carry.
    pub token: String,
}

impl ProcessorSettings {
    /// One of the challenge's processors: `default` takes 5 %, any other 15 %; the token is 123.
    #[must_use]
    pub fn official(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fee: Decimal::hundredths(if name == "default" { 5 } else { 15 }),
            token: "123".to_owned(),
        }
    }
}

/// What the sender of a payment is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is recorded now: 200.
    Recorded,
    /// Its id is recorded already: 422.
    AlreadyRecorded,
    /// The failure switch is on, it is not recorded: 500 without a body.
    Failing,
    /// Too many at once, it is not recorded: 429.
    Busy,
    /// A fault's answer.
    Faulty(FaultyAnswer),
}

/// What is told about the health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether payments fail.
    pub failing: bool,
    /// How many milliseconds a payment takes at least.
    pub min_response_time: u64,
}

/// What is told about the payments of some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many.
    pub total_requests: u64,
    /// How much.
    pub total_amount: Decimal,
    /// The processor's share.
    pub total_fee: Decimal,
    /// The share of one unit.
    pub fee_per_transaction: Decimal,
}

/// A payment processor; clones are the same one.
#[derive(Debug, Clone)]
pub struct Processor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    fee: Decimal,
    state: Mutex<State>,
    room: Room,
    health: Windows,
    refuses_until: watch::Sender<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    token: String,
    delay: Duration,
    is_failing: bool,
    faults: Faults,
    /// Payments that could have met a fault since the faults were set.
    faultable_count: u64,
    /// Ids that were ever sent.
    sent: HashSet<Uuid>,
    book: Book,
}

impl Processor {
    /// An empty processor.
    ///
    /// # Panics
    ///
    /// When the fee has more than 4 digits after the point.
    #[must_use]
    pub fn new(settings: ProcessorSettings) -> Self {
        assert!(settings.fee.is_factor(), "the fee is too fine");
        Self(Arc::new(Inner {
            name: settings.name,
            fee: settings.fee,
            state: Mutex::new(State {
                token: settings.token,
                ..State::default()
            }),
            room: Room::default(),
            health: Windows::new(),
            refuses_until: watch::Sender::new(None),
        }))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Takes a payment. It goes on when nobody waits for it any more: a caller that leaves cannot
    /// stop it.
    pub async fn pay(&self, payment: Payment) -> Reply {
        let processor = self.clone();
        let work = tokio::spawn(async move { processor.work(payment).await });
        // Only a runtime that ends stops the work.
        work.await.unwrap_or(Reply::Failing)
    }

    async fn work(&self, payment: Payment) -> Reply {
        let Some(_place) = self.0.room.enter().await else {
            return Reply::Busy;
        };
        let delay = {
            let mut state = self.0.state.lock();
            let is_new = state.sent.insert(payment.correlation_id);
            if state.faults.refuse_repeats && !is_new {
                return Reply::Busy;
            }
            state.delay
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut state = self.0.state.lock();
        if state.is_failing {
            return Reply::Failing;
        }
        if state.book.contains(payment.correlation_id) {
            return Reply::AlreadyRecorded;
        }
        state.faultable_count += 1;
        match state.faults.for_payment(state.faultable_count) {
            None => {
                state.book.record(payment);
                Reply::Recorded
            }
            Some(fault) => self.befall(&mut state, payment, fault),
        }
    }

    fn befall(&self, state: &mut State, payment: Payment, fault: Fault) -> Reply {
        if fault.record_after.is_zero() {
            state.book.record(payment);
        } else {
            let processor = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(fault.record_after).await;
                processor.0.state.lock().book.record(payment);
            });
        }
        match fault.answer {
            FaultyAnswer::Right => Reply::Recorded,
            other => Reply::Faulty(other),
        }
    }

    /// Answers a question about the health when its turn has come; `None` when too many ask.
    pub async fn health(&self) -> Option<Health> {
        if !self.0.health.enter().await {
            return None;
        }
        let state = self.0.state.lock();
        Some(Health {
            failing: state.is_failing,
            min_response_time: whole_millis(state.delay),
        })
    }

    /// The payment with this id, when it is recorded.
    #[must_use]
    pub fn payment(&self, id: Uuid) -> Option<Payment> {
        self.0.state.lock().book.get(id)
    }

    /// All recorded payments, in no order.
    #[must_use]
    pub fn payments(&self) -> Vec<Payment> {
        self.0.state.lock().book.payments()
    }

    /// Counts and sums of what was requested from `from` to `to`, both included; of everything when
    /// one of them is missing.
    #[must_use]
    pub fn summary(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Summary {
        let total = self.0.state.lock().book.total(from, to);
        Summary {
            total_requests: total.count,
            total_amount: total.amount,
            total_fee: total.amount.times(self.0.fee),
            fee_per_transaction: self.0.fee,
        }
    }

    /// Whether this is the admin's token.
    pub(crate) fn is_token(&self, token: &[u8]) -> bool {
        self.0.state.lock().token.as_bytes() == token
    }

    /// Changes the admin's token.
    pub fn set_token(&self, token: String) {
        self.0.state.lock().token = token;
    }

    /// Payments that come from now on take so long. Returns what it was.
    pub fn set_delay(&self, delay: Duration) -> Duration {
        std::mem::replace(&mut self.0.state.lock().delay, delay)
    }

    /// Switches failing on or off; payments look at it after their delay. Returns what it was.
    pub fn set_failing(&self, is_failing: bool) -> bool {
        std::mem::replace(&mut self.0.state.lock().is_failing, is_failing)
    }

    /// The faults that are on.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.0.state.lock().faults.clone()
    }

    /// Sets the faults in place of those before.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.0.state.lock();
        state.faults = faults;
        state.faultable_count = 0;
    }

    /// Forgets all payments.
    pub fn purge(&self) {
        let mut state = self.0.state.lock();
        state.book = Book::default();
        state.sent.clear();
    }

    /// Lets nobody connect for so long, and closes the connections that are there once their
    /// requests are answered. Only what serves it over HTTP takes notice.
    pub fn refuse_connections(&self, duration: Duration) {
        let until = Instant::now() + duration;
        self.0.refuses_until.send_replace(Some(until));
    }

    pub(crate) fn refuses_until(&self) -> watch::Receiver<Option<Instant>> {
        self.0.refuses_until.subscribe()
    }
}
