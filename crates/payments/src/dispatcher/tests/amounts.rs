//! Amounts that differ from what a processor has.

use ledger::UnsettledState;

use super::*;

#[test]
fn another_amount_that_a_probe_finds_binds_the_payment_there() {
    let mut desk = Desk::new();
    for id in 1..=3 {
        desk.accept(id);
        desk.answer(AttemptAnswer::Unknown);
    }
    for question in std::mem::take(&mut desk.asked) {
        desk.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
    }
    desk.accept(4);
    while desk.probed.is_empty() {
        desk.tick(50);
    }
    let found = Found::Recorded {
        amount: Some(1),
        requested_at: Millis(7),
    };
    desk.tell(Input::Probed {
        question: desk.probed[0],
        found,
    });
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

/// What a processor says that has a payment with another amount.
const OTHER_AMOUNT: Found = Found::Recorded {
    amount: Some(1),
    requested_at: Millis(7),
};

impl Desk {
    /// A processor is asked whether it is back, about payment 4, which waits.
    pub(super) fn probe_about_4(&mut self) -> Question {
        for id in 1..=3 {
            self.accept(id);
            self.answer(AttemptAnswer::Unknown);
        }
        for question in std::mem::take(&mut self.asked) {
            self.tell(Input::Asked {
                question,
                found: Found::Failed,
            });
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
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    desk.check_4_is_an_amount_conflict();
}

#[test]
fn another_amount_is_not_forgotten_where_others_were_faster() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let effects = desk.hand(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    let Some(Effect::Submit { id, command: bind }) = effects.first() else {
        panic!("{effects:?}");
    };
    desk.others_try_4();
    let too_late = desk.apply(bind.clone());
    assert!(too_late.result.is_err());
    desk.tell(Input::Outcome {
        id: *id,
        result: Ok(Box::new(too_late)),
    });
    desk.check_4_is_an_amount_conflict();
}

#[test]
fn another_amount_that_shows_while_a_command_is_under_way_is_not_settled() {
    // Released there, and sent to the same processor again: the command is not answered yet.
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let back = Input::Probed {
        question: desk.probed[0],
        found: Found::Absent,
    };
    let effects = desk.hand(back);
    let is_send =
        |effect: &&Effect| matches!(effect, Effect::Submit { id, .. } if *id == question.id);
    let Some(Effect::Submit { id, command: send }) = effects.iter().find(is_send) else {
        panic!("{effects:?}");
    };
    desk.hand(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    let outcome = desk.apply(send.clone());
    desk.tell(Input::Outcome {
        id: *id,
        result: Ok(Box::new(outcome)),
    });
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
        let effects = desk.hand(Input::Probed { question, found });
        assert!(matches!(effects.first(), Some(Effect::Submit { .. })));
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
fn other_amounts_are_reported_once_and_push_out_no_late_word() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        concurrency_max: 2_000,
        ..processor
    });
    desk.dispatcher.policy.window = 2_000;
    let late = desk.refused_meanwhile();
    desk.tell(Input::Answered {
        request: late,
        answer: AttemptAnswer::Recorded,
    });
    assert_eq!(desk.conflicts_of(1), [Some(DEFAULT)]);
    desk.tick(1_000);
    for id in 2..=1_102 {
        desk.accept(id);
        desk.answer(AttemptAnswer::AlreadyRecorded);
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
    assert_eq!(desk.conflicts_of(1), [Some(DEFAULT)]);
}

#[test]
fn a_late_word_beside_another_amount_is_reported_too() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
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
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    let kinds: Vec<ConflictKind> = desk.reported.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ConflictKind::Amount, ConflictKind::Late]);
    assert_eq!(desk.dispatcher.standing(desk.now).late_count, 1);
    assert_eq!(desk.conflicts_of(4), [Some(DEFAULT)]);
}

impl Desk {
    /// Settles payment 1 as its processor's late word says, while that is being asked for it.
    fn settled_while_asked(&mut self) -> Question {
        self.accept(1);
        let request = self.sent[0];
        self.answer(AttemptAnswer::Unknown);
        self.tell(Input::Answered {
            request,
            answer: AttemptAnswer::Recorded,
        });
        assert!(self.is_settled_at(1, "default"));
        self.asked.remove(0)
    }

    /// The only conflict is that payment 1 is settled with another amount: logged, counted, listed.
    fn check_1_is_settled_with_another_amount(&self) {
        assert!(self.is_settled_at(1, "default"), "{:?}", self.state(1));
        let [conflict] = self.reported.as_slice() else {
            panic!("{:?}", self.reported);
        };
        assert_eq!(conflict.kind, ConflictKind::SettledAmount);
        assert_eq!((conflict.id.to_u128(), conflict.processor), (1, DEFAULT));
        assert_eq!(conflict.state, Some(PaymentStateName::Settled));
        assert_eq!(self.dispatcher.standing(self.now).late_count, 1);
        let listed = self.dispatcher.unsettled(&ledger::UnsettledQuery {
            id: None,
            conflicts_only: true,
            after: None,
            limit: 10,
        });
        let [seen] = listed.as_slice() else {
            panic!("{listed:?}");
        };
        assert_eq!(seen.place.id, conflict.id);
        assert_eq!(seen.state, UnsettledState::OtherAmount);
        assert!(self.dispatcher.is_quiet());
    }
}

#[test]
fn another_amount_of_a_payment_that_is_settled_is_reported_once() {
    let mut desk = Desk::new();
    let question = desk.settled_while_asked();
    desk.tell(Input::Asked {
        question,
        found: OTHER_AMOUNT,
    });
    desk.check_1_is_settled_with_another_amount();
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    desk.check_1_is_settled_with_another_amount();
    // It is reported still after all claims were lost, and once.
    desk.dispatcher = desk.dispatcher.anew();
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    assert_eq!(desk.reported.len(), 1);
    assert_eq!(desk.conflicts_of(1), [Some(DEFAULT)]);
    // The processor corrects it.
    let found = desk.recorded(Millis(0));
    desk.tell(Input::Probed { question, found });
    assert_eq!(desk.conflicts_of(1), []);
}

#[test]
fn the_amount_of_a_payment_that_is_settled_is_no_conflict_where_it_is_the_same() {
    let mut desk = Desk::new();
    let question = desk.settled_while_asked();
    let found = desk.recorded(Millis(0));
    desk.tell(Input::Asked { question, found });
    assert!(desk.reported.is_empty(), "{:?}", desk.reported);
    assert!(desk.dispatcher.is_quiet());
}

#[test]
fn another_amount_that_shows_while_a_payment_is_being_settled_is_reported() {
    let mut desk = Desk::new();
    desk.accept(1);
    let request = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    let question = desk.asked.remove(0);
    let effects = desk.hand(Input::Answered {
        request,
        answer: AttemptAnswer::Recorded,
    });
    let [
        Effect::Submit {
            id,
            command: settle,
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    desk.hand(Input::Asked {
        question,
        found: OTHER_AMOUNT,
    });
    let settled = desk.apply(settle.clone());
    desk.tell(Input::Outcome {
        id: *id,
        result: Ok(Box::new(settled)),
    });
    desk.check_1_is_settled_with_another_amount();
}

#[test]
fn another_amount_that_an_operator_has_settled_is_not_reported_again() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    desk.check_4_is_an_amount_conflict();
    let expected = desk.payment(4).unwrap().standing();
    let settled = desk.apply(Command::SettlePayment {
        id: question.id,
        expected,
        requested_at: Millis(7),
    });
    assert!(settled.result.is_ok());
    desk.tell(Input::Changed(question.id));
    desk.tell(Input::Probed {
        question,
        found: OTHER_AMOUNT,
    });
    assert_eq!(desk.reported.len(), 1, "{:?}", desk.reported);
    assert_eq!(desk.conflicts_of(4), []);
}

/// The other processor's word comes first: it takes nothing from the word about the amount.
#[test]
fn another_amount_that_shows_during_the_settlement_is_reported_whatever_others_say() {
    let mut desk = Desk::new();
    desk.accept(1);
    let request = desk.sent.remove(0);
    let answer = AttemptAnswer::Recorded;
    let effects = desk.hand(Input::Answered { request, answer });
    let [Effect::Submit { id, command }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    for (processor, amount) in [(FALLBACK, 1_990), (DEFAULT, 1)] {
        let question = Question {
            id: *id,
            currency: request.currency,
            processor,
            number: 77,
        };
        let found = Found::Recorded {
            amount: Some(amount),
            requested_at: request.requested_at,
        };
        desk.hand(Input::Probed { question, found });
    }
    let settled = desk.apply(command.clone());
    desk.tell(Input::Outcome {
        id: *id,
        result: Ok(Box::new(settled)),
    });
    assert!(desk.is_settled_at(1, "default"));
    let reported: Vec<_> = desk
        .reported
        .iter()
        .map(|c| (c.processor, c.kind))
        .collect();
    assert!(
        reported.contains(&(DEFAULT, ConflictKind::SettledAmount)),
        "{reported:?}"
    );
}
