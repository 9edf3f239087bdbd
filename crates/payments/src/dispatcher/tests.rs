//! Which processor is chosen, and when.

mod amounts;
mod late;
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
use crate::answer::{Answer, Found, NotRecorded};
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
        let accepted = self.apply(Command::AcceptPayment(AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id: None,
            currency: Currency::new("BRL").unwrap(),
            amount: 1_990,
            description: "payment".into(),
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
    fn answer(&mut self, answer: Answer) {
        let request = self.sent.pop().unwrap();
        self.tell(Input::Answered { request, answer });
    }

    /// Answers the oldest question.
    fn found(&mut self, found: Found) {
        let question = self.asked.remove(0);
        self.tell(Input::Asked { question, found });
    }

    /// Answers the newest request, which is not recorded: the processor does not have it either.
    fn deny(&mut self, answer: Answer) {
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
            self.deny(Answer::NotRecorded(NotRecorded::Failing));
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
    // Nobody waits any more, and nothing but questions goes to the one that was silent.
    desk.accept(2);
    let mut places = desk.places();
    places.sort_unstable();
    assert_eq!(places, [(1, 1), (2, 1), (900, 1)]);
    assert!(!desk.probed.is_empty());
}

#[test]
fn a_silent_processor_is_asked_before_it_gets_anything_and_back_at_once() {
    // Any answer shows that it lives, also one that does not say whether it has the payment.
    for found in [Found::Absent, Found::Unclear] {
        check_silence_ends_with(found);
    }
}

fn check_silence_ends_with(found: Found) {
    let mut desk = Desk::new();
    for id in 1..=3 {
        desk.accept(id);
    }
    for _ in 0..3 {
        desk.answer(Answer::Unknown);
    }
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
    }
    let records_count = desk.records_count;
    desk.accept(4);
    for _ in 0..30 {
        desk.tick(50);
    }
    assert!(desk.places().is_empty());
    assert!(desk.probed.len() > 1, "{:?}", desk.probed);
    assert_eq!(
        desk.records_count,
        records_count + 1,
        "a question costs no record"
    );
    // Three are stuck there, and nobody answers for them; it is back all the same.
    let question = *desk.probed.last().unwrap();
    desk.tell(Input::Probed { question, found });
    assert_eq!(desk.places(), [(4, 0)]);
    desk.answer(Answer::Recorded);
    desk.accept(5);
    assert_eq!(desk.places(), [(5, 0)]);
}

#[test]
fn what_is_stuck_does_not_keep_the_breaker_open() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(Answer::AlreadyRecorded);
    desk.found(Found::Absent);
    desk.break_default();
    desk.tick(110);
    assert_eq!(
        desk.places(),
        [(900, 0)],
        "the one that is stuck is no reason"
    );
    desk.answer(Answer::Recorded);
    assert!(desk.is_settled_at(900, "default"));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
    // As many as may be at once are stuck, for ever: once their leases are over they do not count.
    for id in 11..=13 {
        desk.accept(id);
        desk.answer(Answer::AlreadyRecorded);
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
        desk.answer(Answer::Unknown);
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
fn a_failing_report_is_believed_where_another_works() {
    let mut desk = Desk::new();
    for processor in desk.dispatcher.processors.iter_mut() {
        processor.policy_mut().health_interval = Some(ms(5_000));
    }
    let report = |failing| HealthReport {
        failing,
        delay_min: ms(0),
        age: Duration::ZERO,
    };
    desk.tell(Input::Tick);
    desk.tell(Input::Health {
        processor: DEFAULT,
        report: Some(report(true)),
    });
    for id in 1..=3 {
        desk.accept(id);
        desk.tick(1_000);
    }
    let mut places = desk.places();
    places.sort_unstable();
    assert_eq!(places, [(1, 1), (2, 1), (3, 1)]);
    desk.tick(2_000);
    desk.tell(Input::Health {
        processor: DEFAULT,
        report: Some(report(false)),
    });
    desk.accept(4);
    assert_eq!(desk.places().last(), Some(&(4, 0)), "back at once");
}

#[test]
fn a_word_of_when_to_ask_again_is_kept() {
    let mut desk = Desk::new();
    desk.accept(1);
    let retry_after = Some(Duration::from_secs(120));
    desk.deny(Answer::NotRecorded(NotRecorded::Busy { retry_after }));
    let records_count = desk.records_count;
    desk.tick(1_900);
    assert!(desk.places().is_empty());
    assert_eq!(desk.records_count, records_count);
    desk.tick(200);
    assert_eq!(desk.places(), [(1, 1)], "nobody waits for it for so long");
    desk.answer(Answer::Recorded);
    desk.tick(57_800);
    desk.accept(2);
    assert!(desk.places().is_empty());
    desk.tick(200);
    assert_eq!(desk.places(), [(2, 0)], "a minute at most");
}

#[test]
fn not_recorded_is_asked_for_before_another_gets_it() {
    for answer in [
        Answer::Refused,
        Answer::Misdirected,
        Answer::NotRecorded(NotRecorded::Failing),
        Answer::NotRecorded(NotRecorded::Busy { retry_after: None }),
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
    desk.deny(Answer::Misdirected);
    assert_eq!(desk.state(1), PaymentState::Accepted);
    assert_eq!(
        desk.dispatcher.standing(desk.now).processors[0].breaker,
        "open"
    );
    for _ in 0..60 {
        desk.tick(1_000);
        while !desk.sent.is_empty() {
            desk.deny(Answer::Misdirected);
        }
    }
    assert_eq!(desk.state(1), PaymentState::Accepted, "it waits");
    // About one try each half minute and processor, once it is clear that nobody mends it.
    assert!(desk.records_count < 50, "{}", desk.records_count);
}

#[test]
fn a_replay_that_is_no_retry_is_unclear() {
    let mut desk = Desk::new();
    let id = PaymentId::from_u128(1);
    // Another has it as sent at the same millisecond, and the page was read before.
    desk.dispatcher.window.pretend_to_read(100);
    let accepted = desk.apply_acceptance(1);
    desk.apply(Command::SendPayment {
        id,
        expected: accepted.standing(),
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(0),
    });
    desk.tell(Input::Due(Ok(vec![accepted])));
    assert!(desk.sent.is_empty(), "whoever sent it may be about to");
    assert_eq!(desk.asked.len(), 1);
    desk.found(Found::Absent);
    assert_eq!(desk.places(), [(1, 0)]);
    desk.answer(Answer::NotRecorded(NotRecorded::Unreachable));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
}

#[test]
fn a_replay_is_unclear_where_another_may_have_sent_it_again() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    // It is to be sent again, and another has done so before the try that is not answered.
    let question = desk.asked.remove(0);
    let mut effects = Vec::new();
    let now = Now {
        at: desk.now,
        wall: Millis(0),
    };
    let absent = Input::Asked {
        question,
        found: Found::Absent,
    };
    desk.dispatcher.handle(now, absent, &mut effects);
    let [Effect::Submit { id, command }] = &effects[..] else {
        panic!("{effects:?}");
    };
    desk.apply(command.clone());
    let not_answered = Err(ledger::Unavailable::Timeout);
    desk.tell(Input::Outcome {
        id: *id,
        result: not_answered,
    });
    desk.tick(20);
    assert_eq!(desk.payment(1).unwrap().attempt, 2);
    assert!(desk.sent.is_empty(), "{:?}", desk.sent);
    assert_eq!(desk.asked.len(), 1, "it is asked for first");
    desk.found(Found::Absent);
    let again = desk.sent[0];
    assert_eq!((again.attempt, again.requested_at), (3, first.requested_at));
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
    for place in [DEFAULT, FALLBACK] {
        let processor = &mut desk.dispatcher.processors[place];
        processor.pretend_to_poll(Some(Duration::ZERO));
        // What it says is taken for true until its next report is overdue.
        processor.policy_mut().health_interval = Some(ms(4_000));
        let report = HealthReport {
            failing: false,
            delay_min: ms(4_000),
            age: Duration::ZERO,
        };
        desk.tell(Input::Health {
            processor: place,
            report: Some(report),
        });
    }
    desk.dispatcher.processors[FALLBACK].pretend_to_poll(None);
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
    desk.found(Found::Absent);
    let second = desk.sent[0];
    assert_eq!(
        (second.attempt, second.requested_at),
        (2, first.requested_at)
    );
    desk.answer(Answer::NotRecorded(NotRecorded::Unreachable));
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
    desk.answer(Answer::AlreadyRecorded);
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
fn what_another_node_ended_is_let_go_of() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.accept(2);
    // Nobody knows of either, and nobody will: the processor does not say.
    for _ in 0..2 {
        desk.answer(Answer::Unknown);
    }
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
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
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
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
    for processor in desk.dispatcher.processors.iter_mut() {
        processor.policy_mut().health_interval = Some(ms(5_000));
    }
    desk.tick(10_000);
    desk.dispatcher.processors[DEFAULT].pretend_to_poll(Some(desk.now));
    desk.tell(Input::Health {
        processor: DEFAULT,
        report: Some(told(2_000, 4_000)),
    });
    assert_eq!(
        desk.dispatcher.processors[DEFAULT].delay_expected(desk.now),
        ms(4_000)
    );
    desk.accept(1);
    desk.tick(2_000);
    assert_eq!(desk.places(), [(1, 1)], "the first is too slow");
    desk.tick(30);
    desk.dispatcher.processors[FALLBACK].pretend_to_poll(Some(desk.now));
    desk.answer(Answer::Recorded);
    desk.tell(Input::Health {
        processor: FALLBACK,
        report: Some(told(2_000, 4_000)),
    });
    assert_eq!(
        desk.dispatcher.processors[FALLBACK].delay_expected(desk.now),
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
    let asked: Vec<u128> = desk.asked.iter().map(|q| q.id.to_u128()).collect();
    assert_eq!(asked, [2], "what is sent is asked for");
}

#[test]
fn a_payment_that_everybody_refuses_is_refused() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.deny(Answer::Refused);
    assert_eq!(desk.places(), [(1, 1)]);
    desk.deny(Answer::Refused);
    assert!(matches!(desk.state(1), PaymentState::Refused { .. }));
    assert_eq!(desk.dispatcher.held_count(), 0);
}
