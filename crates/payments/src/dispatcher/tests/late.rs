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
        // It comes up again.
        desk.tell(Input::Answered(elsewhere(first), Answer::Recorded));
    }
    assert!(desk.sent.is_empty(), "no byte leaves");
    assert_eq!(
        desk.payment(1).unwrap().attempt,
        1,
        "and no record is written"
    );
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

/// What a processor says that has a payment with another amount.
const OTHER_AMOUNT: Found = Found::Recorded {
    amount: Some(1),
    requested_at: Millis(7),
};

impl Desk {
    /// A processor is asked whether it is back, about payment 4, which waits.
    fn probe_about_4(&mut self) -> Question {
        for id in 1..=3 {
            self.accept(id);
            self.answer(Answer::Unknown);
        }
        for question in std::mem::take(&mut self.asked) {
            self.tell(Input::Asked(question, Found::Failed));
        }
        self.accept(4);
        while self.probed.is_empty() {
            self.tick(50);
        }
        self.probed[0]
    }

    fn check_4_is_an_amount_conflict(&mut self) {
        let sent = PaymentState::Sent {
            processor: ProcessorName::new("default").unwrap(),
            requested_at: Millis(7),
        };
        assert_eq!(self.state(4), sent);
        let kinds: Vec<ConflictKind> = self.reported.iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [ConflictKind::Amount]);
        assert_eq!(self.dispatcher.standing(self.now).conflicts_count, 1);
        assert!(self.sent.iter().all(|r| r.id.to_u128() != 4));
    }

    /// Another node sends payment 4 to the fallback, which does not take it.
    fn others_try_4(&mut self) {
        let id = PaymentId::from_u128(4);
        let expected = self.payment(4).unwrap().standing();
        self.apply(Command::SendPayment {
            id,
            expected,
            processor: ProcessorName::new("fallback").unwrap(),
            requested_at: Millis(8),
        });
        let expected = self.payment(4).unwrap().standing();
        let released = self.apply(Command::ReleasePayment { id, expected });
        assert!(released.result.is_ok());
    }
}

#[test]
fn another_amount_of_a_payment_that_is_not_held_is_not_settled() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    desk.tell(Input::Changed(question.id));
    assert_eq!(desk.dispatcher.held_count(), 3, "it was let go of");
    desk.tell(Input::Probed(question, OTHER_AMOUNT));
    desk.check_4_is_an_amount_conflict();
}

#[test]
fn another_amount_is_not_forgotten_where_others_were_faster() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let effects = desk.hand(Input::Probed(question, OTHER_AMOUNT));
    let Some(Effect::Submit(id, bind)) = effects.first() else {
        panic!("{effects:?}");
    };
    desk.others_try_4();
    let too_late = desk.apply(bind.clone());
    assert!(too_late.result.is_err());
    desk.tell(Input::Outcome(*id, Ok(Box::new(too_late))));
    desk.check_4_is_an_amount_conflict();
}

#[test]
fn another_amount_that_shows_while_a_command_is_under_way_is_not_settled() {
    // Released there, and sent to the same processor again: the command is not answered yet.
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let back = Input::Probed(desk.probed[0], Found::Absent);
    let effects = desk.hand(back);
    let is_send = |effect: &&Effect| matches!(effect, Effect::Submit(id, _) if *id == question.id);
    let Some(Effect::Submit(id, send)) = effects.iter().find(is_send) else {
        panic!("{effects:?}");
    };
    desk.hand(Input::Probed(question, OTHER_AMOUNT));
    let outcome = desk.apply(send.clone());
    desk.tell(Input::Outcome(*id, Ok(Box::new(outcome))));
    assert!(matches!(desk.state(4), PaymentState::Sent { .. }));
    let kinds: Vec<ConflictKind> = desk.reported.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ConflictKind::Amount]);
    assert!(desk.sent.iter().all(|r| r.id != *id), "no byte leaves");
}

#[test]
fn a_word_outlives_the_lease_while_its_payment_is_being_bound() {
    for found in [OTHER_AMOUNT, Desk::new().recorded(Millis(7))] {
        let mut desk = Desk::new();
        let question = desk.probe_about_4();
        let effects = desk.hand(Input::Probed(question, found));
        assert!(matches!(effects.first(), Some(Effect::Submit(..))));
        // The command is lost with the lease.
        desk.dispatcher = desk.dispatcher.anew();
        assert!(desk.dispatcher.is_settling(question.id));
        desk.tell(Input::Tick);
        if found == OTHER_AMOUNT {
            desk.check_4_is_an_amount_conflict();
        } else {
            assert!(desk.is_settled_at(4, "default"), "{:?}", desk.state(4));
            assert!(desk.reported.is_empty());
        }
    }
}

#[test]
fn the_words_of_two_processors_outlive_a_command_that_others_overtook() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let found = desk.recorded(Millis(7));
    let effects = desk.hand(Input::Probed(question, found));
    let Some(Effect::Submit(id, bind)) = effects.first() else {
        panic!("{effects:?}");
    };
    let elsewhere = Question {
        processor: 1,
        ..question
    };
    desk.hand(Input::Probed(elsewhere, found));
    // An operator has refused it meanwhile: both processors' payments are to be looked at.
    let expected = desk.payment(4).unwrap().standing();
    let code = RefusedCode::OperatorRefused;
    desk.apply(Command::RefusePayment {
        id: *id,
        expected,
        code,
    });
    let too_late = desk.apply(bind.clone());
    desk.tell(Input::Outcome(*id, Ok(Box::new(too_late))));
    let unsettled = desk.dispatcher.unsettled(&ledger::UnsettledQuery {
        id: Some(*id),
        conflicts_only: true,
        after: None,
        limit: 10,
    });
    let processors: Vec<Option<usize>> = unsettled.iter().map(|seen| seen.processor).collect();
    assert_eq!(processors, [Some(0), Some(1)]);
}

impl Desk {
    /// The processors of a payment's conflicts that are listed.
    fn conflicts_of(&self, id: u128) -> Vec<Option<usize>> {
        let unsettled = self.dispatcher.unsettled(&ledger::UnsettledQuery {
            id: Some(PaymentId::from_u128(id)),
            conflicts_only: true,
            after: None,
            limit: 10,
        });
        unsettled.iter().map(|seen| seen.processor).collect()
    }
}

#[test]
fn a_conflict_that_solves_itself_is_listed_no_more() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        recorded_within: Some(ms(1_000)),
        ..processor
    });
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(Answer::Unknown);
    desk.tell(Input::Answered(elsewhere(first), Answer::Recorded));
    assert_eq!(desk.conflicts_of(1), [Some(1)]);
    // The first one proves not to have it: it is settled where it is.
    for _ in 0..30 {
        desk.tick(1_000);
        while !desk.asked.is_empty() {
            desk.found(Found::Absent);
        }
    }
    assert!(desk.is_settled_at(1, "fallback"), "{:?}", desk.state(1));
    assert_eq!(desk.conflicts_of(1), []);
}

#[test]
fn other_amounts_are_reported_once_and_push_out_no_late_word() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        concurrency_max: 2_000,
        ..processor
    });
    desk.dispatcher.policy.window = 2_000;
    let late = desk.refused_meanwhile();
    desk.tell(Input::Answered(late, Answer::Recorded));
    assert_eq!(desk.conflicts_of(1), [Some(0)]);
    desk.tick(1_000);
    for id in 2..=1_102 {
        desk.accept(id);
        desk.answer(Answer::AlreadyRecorded);
        desk.found(OTHER_AMOUNT);
    }
    let count = |desk: &Desk| {
        let amounts = desk.reported.iter();
        amounts.filter(|c| c.kind == ConflictKind::Amount).count()
    };
    assert_eq!(count(&desk), 1_101);
    // All are let go of, and asked for again.
    for _ in 0..3 {
        desk.tick(61_000);
        let mut asked_count = 0;
        while !desk.asked.is_empty() {
            desk.found(OTHER_AMOUNT);
            asked_count += 1;
        }
        assert_eq!(asked_count, 1_101);
    }
    assert_eq!(count(&desk), 1_101);
    assert_eq!(desk.conflicts_of(1), [Some(0)]);
}

#[test]
fn a_late_word_beside_another_amount_is_reported_too() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    desk.tell(Input::Probed(question, OTHER_AMOUNT));
    assert_eq!(desk.reported.len(), 1);
    // An operator releases it, another pays it, and the first one's word comes again.
    let expected = desk.payment(4).unwrap().standing();
    desk.apply(Command::ReleasePayment {
        id: question.id,
        expected,
    });
    let expected = desk.payment(4).unwrap().standing();
    desk.apply(Command::RefusePayment {
        id: question.id,
        expected,
        code: RefusedCode::OperatorRefused,
    });
    desk.tell(Input::Changed(question.id));
    desk.tell(Input::Probed(question, OTHER_AMOUNT));
    let kinds: Vec<ConflictKind> = desk.reported.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ConflictKind::Amount, ConflictKind::Late]);
    assert_eq!(desk.dispatcher.standing(desk.now).late_count, 1);
    assert_eq!(desk.conflicts_of(4), [Some(0)]);
}
