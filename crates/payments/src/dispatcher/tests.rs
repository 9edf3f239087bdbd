//! Which processor is chosen, and when.

use std::num::NonZeroU32;
use std::time::Duration;

use ledger::reference::Books;
use ledger::{
    AcceptPayment, Batch, Command, Currency, HealthReport, Millis, PaymentExpected, PaymentId,
    PaymentState, PaymentStateName, ProcessorName, RefusedCode, State, Ticker, Timestamp,
    UsedPayment,
};

use super::{Dispatcher, Effect, Input, Now, SendRequest};
use crate::answer::{Answer, Found, NotRecorded};
use crate::policy::{Policy, ProcessorPolicy};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A dispatcher over a ledger that answers at once.
struct Desk {
    dispatcher: Dispatcher,
    books: Books,
    ticker: Ticker,
    now: Duration,
    sent: Vec<SendRequest>,
    asked: Vec<PaymentId>,
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
        }
    }

    fn apply(&mut self, command: Command) -> ledger::Outcome {
        let at = Timestamp::from_nanos(1);
        self.books
            .apply(Batch::one(command), &mut self.ticker, at)
            .remove(0)
    }

    fn accept(&mut self, id: u128) {
        let accepted = self.apply(Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1_990,
            description: "payment".into(),
        }));
        assert!(accepted.result.is_ok());
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
                    Effect::Submit(id, command) => {
                        inputs.push(Input::Outcome(id, Ok(Box::new(self.apply(command)))));
                    }
                    Effect::ReadDue(query) => {
                        inputs.push(Input::Due(Ok(self.books.payments_due(query))));
                    }
                    Effect::Send(request) => self.sent.push(request),
                    Effect::Ask { id, .. } => self.asked.push(id),
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
    fn answer(&mut self, answer: Answer) {
        let request = self.sent.pop().unwrap();
        self.tell(Input::Answered(request.id, request.attempt, answer));
    }

    /// Where each request under way went, by payment.
    fn places(&self) -> Vec<(u128, usize)> {
        self.sent
            .iter()
            .map(|r| (r.id.to_u128(), r.processor))
            .collect()
    }

    fn state(&self, id: u128) -> PaymentState {
        match self.books.state().payment(PaymentId::from_u128(id)) {
            Some(UsedPayment::Accepted(payment)) => payment.state,
            other => panic!("{other:?}"),
        }
    }

    /// The preferred processor fails until its breaker is open; the payments go on to wait.
    fn break_default(&mut self) {
        self.accept(900);
        for _ in 0..3 {
            self.answer(Answer::NotRecorded(NotRecorded::Failing));
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
    desk.answer(Answer::Recorded);
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
    desk.answer(Answer::NotRecorded(NotRecorded::Unreachable));
    desk.tick(1_950);
    desk.tick(1_000);
    // One probes, the other takes the fallback; what comes later does so at once.
    desk.accept(2);
    let fallback: Vec<u128> = desk
        .places()
        .iter()
        .filter(|(_, p)| *p == 1)
        .map(|(id, _)| *id)
        .collect();
    assert!(fallback.contains(&2), "{:?}", desk.places());
}

#[test]
fn a_backlog_comes_at_the_rate_that_a_processor_takes() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        concurrency_max: 1_000,
        rate_max: NonZeroU32::new(100),
        ..processor
    });
    for id in 1..=100 {
        desk.accept(id);
    }
    // 20 ms of it at once, and then one each 10 ms.
    assert_eq!(desk.places().len(), 3);
    for sent in 4..=53 {
        desk.tick(10);
        assert_eq!(desk.places().len(), sent);
        desk.answer(Answer::Recorded);
        desk.sent.push(desk.sent[0]);
    }
}

#[test]
fn what_is_too_slow_is_left_alone_until_it_says_otherwise() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.tick(1_300);
    desk.accept(2);
    desk.tick(2_500);
    assert_eq!(desk.places(), [(1, 0), (2, 1)]);
    desk.sent.swap(0, 1);
    desk.answer(Answer::Recorded);
    desk.accept(3);
    assert_eq!(desk.places().last(), Some(&(3, 1)));
}

#[test]
fn better_late_than_never() {
    let mut desk = Desk::new();
    for place in 0..2 {
        let processor = &mut desk.dispatcher.processors[place];
        processor.health_asked_at = Some(Duration::ZERO);
        // What it says is taken for true until its next report is overdue.
        processor.policy.health_interval = Some(ms(4_000));
        let report = HealthReport {
            failing: false,
            delay_min: ms(4_000),
            age: Duration::ZERO,
        };
        desk.tell(Input::Health(place, Some(report)));
    }
    desk.dispatcher.processors[1].health_asked_at = None;
    desk.accept(1);
    desk.tick(4_900);
    assert!(desk.sent.is_empty());
    desk.tick(5_200);
    assert_eq!(desk.places(), [(1, 0)]);
}

#[test]
fn a_refused_connection_on_a_second_sending_does_not_unpin() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    assert_eq!(desk.asked.len(), 1);
    desk.tell(Input::Asked(first.id, Found::Absent));
    let second = desk.sent[0];
    assert_eq!(
        (second.attempt, second.requested_at),
        (2, first.requested_at)
    );
    desk.answer(Answer::NotRecorded(NotRecorded::Unreachable));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    desk.tick(200);
    assert_eq!(desk.asked.len(), 2);
    let requested_at = first.requested_at;
    let amount = Some(1_990);
    desk.tell(Input::Asked(
        first.id,
        Found::Recorded {
            amount,
            requested_at,
        },
    ));
    assert!(matches!(desk.state(1), PaymentState::Settled { .. }));
}

#[test]
fn another_amount_is_for_an_operator() {
    let mut desk = Desk::new();
    desk.accept(1);
    let requested_at = desk.sent[0].requested_at;
    desk.answer(Answer::AlreadyRecorded);
    let amount = Some(1);
    let id = PaymentId::from_u128(1);
    desk.tell(Input::Asked(
        id,
        Found::Recorded {
            amount,
            requested_at,
        },
    ));
    desk.tick(30_000);
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    assert_eq!(desk.dispatcher.standing(desk.now).conflicts_count, 1);
}

#[test]
fn what_another_node_ended_is_let_go_of() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.accept(2);
    // Nobody knows of either, and nobody will: the processor does not say.
    for _ in 0..2 {
        desk.answer(Answer::Unknown);
    }
    for id in desk.asked.clone() {
        desk.tell(Input::Asked(id, Found::Failed));
    }
    assert_eq!(desk.dispatcher.held_count(), 2);
    let expected = PaymentExpected {
        state: PaymentStateName::Sent,
        attempt: 1,
    };
    let code = RefusedCode::OperatorRefused;
    let id = PaymentId::from_u128(1);
    let refused = desk.apply(Command::RefusePayment { id, expected, code });
    assert!(refused.result.is_ok());
    desk.tick(60_000);
    // Both are asked for again; one that is not due any more is missed by the next walk.
    for id in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked(id, Found::Failed));
    }
    desk.tick(60_000);
    assert_eq!(desk.dispatcher.held_count(), 1);
    assert_eq!(
        desk.dispatcher.standing(desk.now).processors[0].unknown_count,
        1
    );
}

#[test]
fn what_another_node_was_told_counts_unless_this_one_knows_better() {
    let mut desk = Desk::new();
    let told = |age, delay| HealthReport {
        failing: false,
        delay_min: ms(delay),
        age: ms(age),
    };
    for processor in &mut desk.dispatcher.processors {
        processor.policy.health_interval = Some(ms(5_000));
    }
    desk.tick(10_000);
    desk.dispatcher.processors[0].health_asked_at = Some(desk.now);
    desk.tell(Input::Health(0, Some(told(2_000, 4_000))));
    assert_eq!(
        desk.dispatcher.processors[0].delay.expected(desk.now),
        ms(4_000)
    );
    desk.accept(1);
    desk.tick(2_000);
    assert_eq!(desk.places(), [(1, 1)], "the first is too slow");
    desk.tick(30);
    desk.dispatcher.processors[1].health_asked_at = Some(desk.now);
    desk.answer(Answer::Recorded);
    desk.tell(Input::Health(1, Some(told(2_000, 4_000))));
    assert_eq!(
        desk.dispatcher.processors[1].delay.expected(desk.now),
        ms(15)
    );
}

#[test]
fn one_that_begins_anew_holds_nothing_and_has_counted_all() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(Answer::Recorded);
    desk.accept(2);
    assert_eq!(desk.dispatcher.held_count(), 1);
    desk.dispatcher = desk.dispatcher.anew();
    assert_eq!(desk.dispatcher.held_count(), 0);
    assert!(desk.dispatcher.is_quiet());
    let standing = desk.dispatcher.standing(desk.now);
    assert_eq!(standing.processors[0].settled_count, 1);
    desk.tell(Input::Tick);
    assert_eq!(
        desk.asked,
        [PaymentId::from_u128(2)],
        "what is sent is asked for"
    );
}

#[test]
fn a_payment_that_everybody_refuses_is_refused() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(Answer::Refused);
    assert_eq!(desk.places(), [(1, 1)]);
    desk.answer(Answer::Refused);
    assert!(matches!(desk.state(1), PaymentState::Refused { .. }));
    assert_eq!(desk.dispatcher.held_count(), 0);
}
