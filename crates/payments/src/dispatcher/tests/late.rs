//! "Recorded" that comes late, from a processor that the payment has left, or twice.

use super::*;

#[test]
fn a_late_word_is_proof_in_every_stage() {
    // Asked for, the question unanswered.
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    desk.tell(Input::Answered(first, Answer::Recorded));
    assert!(desk.is_settled_at(1, "default"));
    desk.found(Found::Absent);
    assert_eq!(desk.dispatcher.processors[0].asking_count, 0);
    // Sent again: the first one's word comes.
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    desk.found(Found::Absent);
    assert_eq!(desk.sent[0].attempt, 2);
    desk.tell(Input::Answered(first, Answer::Recorded));
    assert!(desk.is_settled_at(1, "default"));
    desk.answer(Answer::AlreadyRecorded);
    assert!(desk.dispatcher.is_quiet());
    assert!(desk.reported.is_empty());
}

#[test]
fn a_late_word_brings_back_what_an_operator_released() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    let expected = desk.payment(1).unwrap().standing();
    let id = first.id;
    desk.apply(Command::ReleasePayment { id, expected });
    desk.tell(Input::Changed(id));
    desk.tell(Input::Answered(first, Answer::Recorded));
    assert!(desk.is_settled_at(1, "default"), "{:?}", desk.state(1));
    assert!(desk.reported.is_empty());
}

#[test]
fn a_word_that_nobody_can_settle_is_a_conflict() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    let expected = desk.payment(1).unwrap().standing();
    let (id, code) = (first.id, RefusedCode::OperatorRefused);
    desk.apply(Command::RefusePayment { id, expected, code });
    desk.tell(Input::Changed(id));
    desk.answer(Answer::Recorded);
    let [conflict] = desk.reported.as_slice() else {
        panic!("{:?}", desk.reported);
    };
    assert_eq!((conflict.id, conflict.processor), (id, 0));
    assert_eq!(conflict.state, Some(PaymentStateName::Refused));
    assert_eq!(desk.dispatcher.standing(desk.now).late_count, 1);
    assert!(desk.dispatcher.is_quiet());
}

/// Reports of processors that are not what they seem to be: the same request, elsewhere.
fn elsewhere(request: SendRequest) -> SendRequest {
    SendRequest {
        processor: 1 - request.processor,
        ..request
    }
}

impl Desk {
    /// Tells the dispatcher, and leaves what it wants to be done.
    fn hand(&mut self, input: Input) -> Vec<Effect> {
        let now = Now {
            at: self.now,
            wall: Millis(0),
        };
        let mut effects = Vec::new();
        self.dispatcher.handle(now, input, &mut effects);
        effects
    }

    /// A payment that was sent, and that an operator has refused meanwhile.
    fn refused_meanwhile(&mut self) -> SendRequest {
        self.accept(1);
        let request = self.sent.remove(0);
        self.tell(Input::Answered(request, Answer::Unknown));
        let question = self.asked.remove(0);
        let expected = self.payment(1).unwrap().standing();
        let (id, code) = (request.id, RefusedCode::OperatorRefused);
        self.apply(Command::RefusePayment { id, expected, code });
        self.tell(Input::Asked(question, Found::Failed));
        self.tell(Input::Changed(id));
        request
    }
}

#[test]
fn the_words_of_two_processors_are_both_kept() {
    let mut desk = Desk::new();
    let request = desk.refused_meanwhile();
    let looks = desk.hand(Input::Answered(request, Answer::Recorded));
    assert!(looks.contains(&Effect::Look(request.id)), "{looks:?}");
    desk.hand(Input::Answered(elsewhere(request), Answer::Recorded));
    let payment = Box::new(desk.payment(1).unwrap());
    desk.tell(Input::Looked(request.id, Ok(Some(payment))));
    let reported: Vec<usize> = desk.reported.iter().map(|c| c.processor).collect();
    assert_eq!(reported, [0, 1]);
}

#[test]
fn a_word_outlives_the_lease_under_which_it_came() {
    let mut desk = Desk::new();
    let request = desk.refused_meanwhile();
    desk.hand(Input::Answered(request, Answer::Recorded));
    desk.dispatcher = desk.dispatcher.anew();
    assert!(desk.dispatcher.is_settling(request.id));
    desk.tell(Input::Tick);
    let [conflict] = desk.reported.as_slice() else {
        panic!("{:?}", desk.reported);
    };
    assert_eq!(conflict.state, Some(PaymentStateName::Refused));
    assert!(!desk.dispatcher.is_settling(request.id));
    // What was reported once stays reported.
    desk.dispatcher = desk.dispatcher.anew();
    desk.tell(Input::Answered(request, Answer::Recorded));
    assert_eq!(desk.reported.len(), 1);
}

#[test]
fn a_conflict_is_reported_once_however_often_it_shows() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    desk.tell(Input::Answered(elsewhere(first), Answer::Recorded));
    assert_eq!(desk.reported.len(), 1);
    for _ in 0..200 {
        desk.tick(1_000);
        while !desk.asked.is_empty() {
            desk.found(Found::Absent);
        }
    }
    assert!(desk.sent.is_empty(), "no byte leaves");
    assert!(desk.payment(1).unwrap().attempt > 2, "it came up again");
    assert_eq!(desk.reported.len(), 1);
    assert_eq!(desk.dispatcher.standing(desk.now).late_count, 1);
}

#[test]
fn another_amount_that_a_probe_finds_binds_the_payment_there() {
    let mut desk = Desk::new();
    for id in 1..=3 {
        desk.accept(id);
        desk.answer(Answer::Unknown);
    }
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked(question, Found::Failed));
    }
    desk.accept(4);
    while desk.probed.is_empty() {
        desk.tick(50);
    }
    let found = Found::Recorded {
        amount: Some(1),
        requested_at: Millis(7),
    };
    desk.tell(Input::Probed(desk.probed[0], found));
    let sent = PaymentState::Sent {
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(7),
    };
    assert_eq!(desk.state(4), sent);
    assert_eq!(desk.dispatcher.standing(desk.now).conflicts_count, 1);
    assert_eq!(desk.reported[0].kind, ConflictKind::Amount);
    desk.tick(30_000);
    assert!(desk.sent.iter().all(|r| r.id.to_u128() != 4));
    assert_eq!(desk.state(4), sent, "it waits for an operator");
}

#[test]
fn what_never_left_says_nothing_of_the_speed() {
    let mut desk = Desk::new();
    let processor = &mut desk.dispatcher.processors[0];
    let id = PaymentId::from_u128(1);
    processor.start(id, ms(0));
    processor.end(id, ms(0), Answer::Recorded, false, ms(900));
    let expected = processor.delay.expected(ms(900));
    processor.start(id, ms(1_000));
    processor.cancel(id, ms(1_000), ms(1_001));
    for never_left in [NotRecorded::LeaseOver, NotRecorded::Unreachable] {
        processor.start(id, ms(1_000));
        let answer = Answer::NotRecorded(never_left);
        processor.end(id, ms(1_000), answer, false, ms(1_001));
    }
    assert_eq!(processor.delay.expected(ms(1_001)), expected);
    assert_eq!(processor.under_way_count(), 0);
}
