//! Which processor is chosen, and when.

mod amounts;
mod damaged;
mod health;
mod late;
mod nodes;
mod pending;
mod unsettled;
mod waits;

use std::num::NonZeroU32;
use std::time::Duration;

use ledger::reference::Books;
use ledger::{
    AcceptPayment, Batch, Command, Currency, HealthReport, Millis, Payment, PaymentExpected,
    PaymentId, PaymentState, PaymentStateName, ProcessorName, RefusedCode, State, Ticker,
    Timestamp, UsedPayment,
};

use super::{Conflict, ConflictKind, Dispatcher, Effect, Input, Now, Question, SendRequest};
use crate::answer::{AttemptAnswer, Found, NotRecorded};
use crate::policy::{Policy, ProcessorIndex, ProcessorPolicy};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const DEFAULT: ProcessorIndex = ProcessorIndex::new(0);
const FALLBACK: ProcessorIndex = ProcessorIndex::new(1);

/// A dispatcher over a ledger that answers at once.
struct Desk {
    dispatcher: Dispatcher,
    books: Books,
    ticker: Ticker,
    now: Duration,
    sent: Vec<SendRequest>,
    asked: Vec<Question>,
    probed: Vec<Question>,
    reported: Vec<Conflict>,
    records_count: usize,
}

impl Desk {
    fn new() -> Self {
        Self::with(|processor| processor)
    }

    fn with(change: fn(ProcessorPolicy) -> ProcessorPolicy) -> Self {
        let processor = |name| {
            change(ProcessorPolicy {
                name: ProcessorName::new(name).unwrap(),
                concurrency_max: 4,
                rate_max: None,
                lease: ms(12_000),
                recorded_within: None,
                health_interval: None,
            })
        };
        Self {
            dispatcher: Dispatcher::new(Policy {
                processors: vec![processor("default"), processor("fallback")],
                currency: Currency::new("BRL").unwrap(),
                delay_max: ms(1_200),
                preferred_wait: ms(2_000),
                deadline: ms(10_000),
                window: 100,
                rescan_interval: ms(60_000),
            }),
            books: Books::default(),
            ticker: Ticker::default(),
            now: Duration::ZERO,
            sent: Vec::new(),
            asked: Vec::new(),
            probed: Vec::new(),
            reported: Vec::new(),
            records_count: 0,
        }
    }

    fn apply(&mut self, command: Command) -> ledger::Outcome {
        self.records_count += 1;
        let at = Timestamp::from_nanos(1);
        self.books
            .apply(Batch::one(command), &mut self.ticker, at)
            .remove(0)
    }

    fn apply_acceptance(&mut self, id: u128) -> Payment {
        self.apply_acceptance_in("BRL", id)
    }

    fn apply_acceptance_in(&mut self, currency: &str, id: u128) -> Payment {
        let accepted = self.apply(Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id: None,
            currency: Currency::new(currency).unwrap(),
            amount: 1_990,
            description: "payment".into(),
            notes: ledger::Notes::NONE,
        }));
        assert!(accepted.result.is_ok());
        self.payment(id).unwrap()
    }

    fn accept(&mut self, id: u128) {
        self.apply_acceptance(id);
        self.tell(Input::Accepted);
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = Now {
                at: self.now,
                wall: Millis(u64::try_from(self.now.as_millis()).unwrap()),
            };
            let mut effects = Vec::new();
            self.dispatcher.handle(now, input, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Submit { id, command } => {
                        inputs.push(Input::Outcome {
                            id,
                            result: Ok(Box::new(self.apply(command))),
                        });
                    }
                    Effect::ReadDue(query) => {
                        inputs.push(Input::Due(Ok(self.books.payments_due(query))));
                    }
                    Effect::Send(request) => self.sent.push(request),
                    Effect::Ask(question) => self.asked.push(question),
                    Effect::Probe(question) => self.probed.push(question),
                    Effect::Look(id) => {
                        let payment = self.payment(id.to_u128()).map(Box::new);
                        inputs.push(Input::Looked {
                            id,
                            payment: Ok(payment),
                        });
                    }
                    Effect::Report(conflict) => self.reported.push(conflict),
                    Effect::PollHealth(_) => {}
                }
            }
        }
    }

    fn tick(&mut self, millis: u64) {
        self.now += ms(millis);
        self.tell(Input::Tick);
    }

    /// Answers the newest request.
    fn answer(&mut self, answer: AttemptAnswer) {
        let request = self.sent.pop().unwrap();
        self.tell(Input::Answered { request, answer });
    }

    /// Answers the oldest question.
    fn found(&mut self, found: Found) {
        let question = self.asked.remove(0);
        self.tell(Input::Asked { question, found });
    }

    /// Answers the newest request, which is not recorded: the processor does not have it either.
    fn deny(&mut self, answer: AttemptAnswer) {
        self.answer(answer);
        self.found(Found::Absent);
    }

    fn recorded(&self, requested_at: Millis) -> Found {
        Found::Recorded {
            amount: Some(1_990),
            requested_at,
        }
    }

    /// Where each request under way went, by payment.
    fn places(&self) -> Vec<(u128, usize)> {
        self.sent
            .iter()
            .map(|r| (r.id.to_u128(), r.processor.get()))
            .collect()
    }

    fn payment(&self, id: u128) -> Option<Payment> {
        match self.books.state().payment(PaymentId::from_u128(id)) {
            Some(UsedPayment::Accepted(payment)) => Some(payment),
            Some(UsedPayment::Refused(..)) | None => None,
        }
    }

    fn state(&self, id: u128) -> PaymentState {
        self.payment(id).unwrap().state
    }

    fn is_settled_at(&self, id: u128, name: &str) -> bool {
        matches!(self.state(id), PaymentState::Settled { processor, .. } if processor.as_str() == name)
    }

    /// The preferred processor fails until its breaker is open; the payments go on to wait.
    fn break_default(&mut self) {
        for id in [900, 901, 902] {
            self.accept(id);
            self.deny(AttemptAnswer::NotRecorded(NotRecorded::Failing));
        }
        // One is enough to find out with.
        for id in [901, 902].map(PaymentId::from_u128) {
            let expected = self.payment(id.to_u128()).unwrap().standing();
            let code = RefusedCode::OperatorRefused;
            self.apply(Command::RefusePayment { id, expected, code });
            self.tell(Input::Changed(id));
        }
        assert!(self.sent.is_empty());
    }
}

#[test]
fn the_preferred_one_gets_all_that_it_can_take() {
    let mut desk = Desk::new();
    for id in 1..=6 {
        desk.accept(id);
    }
    assert_eq!(desk.places(), [(1, 0), (2, 0), (3, 0), (4, 0)]);
    desk.tick(50);
    desk.answer(AttemptAnswer::Recorded);
    assert!(matches!(desk.state(4), PaymentState::Settled { .. }));
    assert_eq!(desk.places().last(), Some(&(5, 0)));
    // The others have waited long enough for it.
    desk.tick(2_000);
    assert_eq!(desk.places().last(), Some(&(6, 1)));
}

#[test]
fn a_backlog_waits_for_a_while_and_nobody_waits_for_the_dead() {
    let mut desk = Desk::new();
    desk.break_default();
    desk.tick(50);
    assert!(desk.sent.is_empty());
    desk.tick(60);
    assert_eq!(desk.places(), [(900, 0)], "a single probe");
    desk.accept(1);
    assert_eq!(desk.places(), [(900, 0)]);
    desk.answer(AttemptAnswer::NotRecorded(NotRecorded::Unreachable));
    desk.tick(1_950);
    desk.tick(1_000);
    // Nobody waits any more, and nothing but questions goes to the one that was silent.
    desk.accept(2);
    let mut places = desk.places();
    places.sort_unstable();
    assert_eq!(places, [(1, 1), (2, 1), (900, 1)]);
    assert!(!desk.probed.is_empty());
}

#[test]
fn what_is_stuck_does_not_keep_the_breaker_open() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(AttemptAnswer::AlreadyRecorded);
    desk.found(Found::Absent);
    desk.break_default();
    desk.tick(110);
    assert_eq!(
        desk.places(),
        [(900, 0)],
        "the one that is stuck is no reason"
    );
    desk.answer(AttemptAnswer::Recorded);
    assert!(desk.is_settled_at(900, "default"));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    // As many as may be at once are stuck, for ever: once their leases are over they do not count.
    for id in 11..=13 {
        desk.accept(id);
        desk.answer(AttemptAnswer::AlreadyRecorded);
    }
    desk.tick(12_001);
    desk.accept(20);
    assert_eq!(desk.places(), [(20, 0)]);
}

#[test]
fn a_payment_that_was_held_up_once_probes_nothing_beside_one_that_works() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        recorded_within: Some(ms(1_000)),
        ..processor
    });
    for id in 1..=3 {
        desk.accept(id);
    }
    for _ in 0..3 {
        desk.answer(AttemptAnswer::Unknown);
    }
    desk.tick(14_000);
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
    }
    // Proven absent now, and past their deadline: they go to the one that works.
    desk.tick(20_000);
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Absent,
        });
    }
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Absent,
        });
    }
    assert!(desk.places().contains(&(1, 1)), "{:?}", desk.places());
    assert!(
        desk.places().iter().all(|(_, place)| *place == 1),
        "{:?}",
        desk.places()
    );
}

#[test]
fn not_recorded_is_asked_for_before_another_gets_it() {
    for answer in [
        AttemptAnswer::Refused,
        AttemptAnswer::Misdirected,
        AttemptAnswer::NotRecorded(NotRecorded::Failing),
        AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after: None }),
    ] {
        let mut desk = Desk::new();
        desk.accept(1);
        let requested_at = desk.sent[0].requested_at;
        desk.answer(answer);
        desk.tick(5_000);
        assert!(desk.sent.is_empty(), "{answer:?}");
        assert!(
            matches!(desk.state(1), PaymentState::Sent { .. }),
            "{answer:?}"
        );
        let found = desk.recorded(requested_at);
        desk.found(found);
        assert!(desk.is_settled_at(1, "default"), "{answer:?}");
    }
}

#[test]
fn an_answer_about_the_way_ends_no_payment() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.deny(AttemptAnswer::Misdirected);
    assert_eq!(desk.state(1), PaymentState::Accepted);
    assert_eq!(
        desk.dispatcher.standing(desk.now).processors[0].breaker,
        "open"
    );
    for _ in 0..60 {
        desk.tick(1_000);
        while !desk.sent.is_empty() {
            desk.deny(AttemptAnswer::Misdirected);
        }
    }
    assert_eq!(desk.state(1), PaymentState::Accepted, "it waits");
    // About one try each half minute and processor, once it is clear that nobody mends it.
    assert!(desk.records_count < 50, "{}", desk.records_count);
}

#[test]
fn a_refused_connection_on_a_second_sending_does_not_unpin() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    assert_eq!(desk.asked.len(), 1);
    desk.found(Found::Absent);
    let second = desk.sent[0];
    assert_eq!(
        (second.attempt, second.requested_at),
        (2, first.requested_at)
    );
    desk.answer(AttemptAnswer::NotRecorded(NotRecorded::Unreachable));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    desk.tick(200);
    assert_eq!(desk.asked.len(), 1);
    let found = desk.recorded(first.requested_at);
    desk.found(found);
    assert!(matches!(desk.state(1), PaymentState::Settled { .. }));
}

#[test]
fn another_amount_is_for_an_operator() {
    let mut desk = Desk::new();
    desk.accept(1);
    let requested_at = desk.sent[0].requested_at;
    desk.answer(AttemptAnswer::AlreadyRecorded);
    let amount = Some(1);
    desk.found(Found::Recorded {
        amount,
        requested_at,
    });
    desk.tick(30_000);
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    assert_eq!(desk.dispatcher.standing(desk.now).conflicts_count, 1);
}

#[test]
fn a_payment_that_everybody_refuses_is_refused() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.deny(AttemptAnswer::Refused);
    assert_eq!(desk.places(), [(1, 1)]);
    desk.deny(AttemptAnswer::Refused);
    assert!(matches!(desk.state(1), PaymentState::Refused { .. }));
    assert_eq!(desk.dispatcher.held_count(), 0);
}
