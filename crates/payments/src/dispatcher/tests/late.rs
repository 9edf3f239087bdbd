//! "Recorded" that comes late, from a processor that the payment has left, or twice.

use super::*;

#[test]
fn a_late_word_is_proof_in_every_stage() {
    // Asked for, the question unanswered.
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    desk.tell(Input::Answered {
        request: first,
        answer: AttemptAnswer::Recorded,
    });
    assert!(desk.is_settled_at(1, "default"));
    desk.found(Found::Absent);
    assert_eq!(desk.dispatcher.questions.asking_count(DEFAULT), 0);
    // Sent again: the first one's word comes.
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    desk.found(Found::Absent);
    assert_eq!(desk.sent[0].attempt, 2);
    desk.tell(Input::Answered {
        request: first,
        answer: AttemptAnswer::Recorded,
    });
    assert!(desk.is_settled_at(1, "default"));
    desk.answer(AttemptAnswer::AlreadyRecorded);
    assert!(desk.dispatcher.is_quiet());
    assert!(desk.reported.is_empty());
}

#[test]
fn a_late_word_brings_back_what_an_operator_released() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    let expected = desk.payment(1).unwrap().standing();
    let id = first.id;
    desk.apply(Command::ReleasePayment { id, expected });
    desk.tell(Input::Changed(id));
    desk.tell(Input::Answered {
        request: first,
        answer: AttemptAnswer::Recorded,
    });
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
    desk.answer(AttemptAnswer::Recorded);
    let [conflict] = desk.reported.as_slice() else {
        panic!("{:?}", desk.reported);
    };
    assert_eq!((conflict.id, conflict.processor), (id, DEFAULT));
    assert_eq!(conflict.state, Some(PaymentStateName::Refused));
    assert_eq!(desk.dispatcher.standing(desk.now).late_count, 1);
    assert!(desk.dispatcher.is_quiet());
}

/// Reports of processors that are not what they seem to be: the same request, elsewhere.
fn elsewhere(request: SendRequest) -> SendRequest {
    SendRequest {
        processor: ProcessorIndex::new(1 - request.processor.get()),
        ..request
    }
}

impl Desk {
    /// Tells the dispatcher, and leaves what it wants to be done.
    pub(super) fn hand(&mut self, input: Input) -> Vec<Effect> {
        let now = Now {
            at: self.now,
            wall: Millis(0),
        };
        let mut effects = Vec::new();
        self.dispatcher.handle(now, input, &mut effects);
        effects
    }

    /// A payment that was sent, and that an operator has refused meanwhile.
    pub(super) fn refused_meanwhile(&mut self) -> SendRequest {
        self.accept(1);
        let request = self.sent.remove(0);
        self.tell(Input::Answered {
            request,
            answer: AttemptAnswer::Unknown,
        });
        let question = self.asked.remove(0);
        let expected = self.payment(1).unwrap().standing();
        let (id, code) = (request.id, RefusedCode::OperatorRefused);
        self.apply(Command::RefusePayment { id, expected, code });
        self.tell(Input::Asked {
            question,
            found: Found::Failed,
        });
        self.tell(Input::Changed(id));
        request
    }
}

#[test]
fn the_words_of_two_processors_are_both_kept() {
    let mut desk = Desk::new();
    let request = desk.refused_meanwhile();
    let looks = desk.hand(Input::Answered {
        request,
        answer: AttemptAnswer::Recorded,
    });
    assert!(looks.contains(&Effect::Look(request.id)), "{looks:?}");
    desk.hand(Input::Answered {
        request: elsewhere(request),
        answer: AttemptAnswer::Recorded,
    });
    let payment = Box::new(desk.payment(1).unwrap());
    desk.tell(Input::Looked {
        id: request.id,
        payment: Ok(Some(payment)),
    });
    let reported: Vec<ProcessorIndex> = desk.reported.iter().map(|c| c.processor).collect();
    assert_eq!(reported, [DEFAULT, FALLBACK]);
}

#[test]
fn a_word_outlives_the_lease_under_which_it_came() {
    let mut desk = Desk::new();
    let request = desk.refused_meanwhile();
    desk.hand(Input::Answered {
        request,
        answer: AttemptAnswer::Recorded,
    });
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
    desk.tell(Input::Answered {
        request,
        answer: AttemptAnswer::Recorded,
    });
    assert_eq!(desk.reported.len(), 1);
}

#[test]
fn a_conflict_is_reported_once_however_often_it_shows() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
    desk.tell(Input::Answered {
        request: elsewhere(first),
        answer: AttemptAnswer::Recorded,
    });
    assert_eq!(desk.reported.len(), 1);
    for _ in 0..200 {
        desk.tick(1_000);
        while !desk.asked.is_empty() {
            desk.found(Found::Absent);
        }
        // It comes up again.
        desk.tell(Input::Answered {
            request: elsewhere(first),
            answer: AttemptAnswer::Recorded,
        });
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
fn what_never_left_says_nothing_of_the_speed() {
    let mut desk = Desk::new();
    let processor = &mut desk.dispatcher.processors[DEFAULT];
    let id = PaymentId::from_u128(1);
    processor.start(id, ms(0));
    processor.end(id, ms(0), AttemptAnswer::Recorded, false, ms(900));
    let expected = processor.delay_expected(ms(900));
    processor.start(id, ms(1_000));
    processor.cancel(id, ms(1_000), ms(1_001));
    for never_left in [NotRecorded::LeaseOver, NotRecorded::Unreachable] {
        processor.start(id, ms(1_000));
        let answer = AttemptAnswer::NotRecorded(never_left);
        processor.end(id, ms(1_000), answer, false, ms(1_001));
    }
    assert_eq!(processor.delay_expected(ms(1_001)), expected);
    assert_eq!(processor.under_way_count(), 0);
}

#[test]
fn the_words_of_two_processors_outlive_a_command_that_others_overtook() {
    let mut desk = Desk::new();
    let question = desk.probe_about_4();
    let found = desk.recorded(Millis(7));
    let effects = desk.hand(Input::Probed { question, found });
    let Some(Effect::Submit { id, command: bind }) = effects.first() else {
        panic!("{effects:?}");
    };
    let elsewhere = Question {
        processor: FALLBACK,
        ..question
    };
    desk.hand(Input::Probed {
        question: elsewhere,
        found,
    });
    // An operator has refused it meanwhile: both processors' payments are to be looked at.
    let expected = desk.payment(4).unwrap().standing();
    let code = RefusedCode::OperatorRefused;
    desk.apply(Command::RefusePayment {
        id: *id,
        expected,
        code,
    });
    let too_late = desk.apply(bind.clone());
    desk.tell(Input::Outcome {
        id: *id,
        result: Ok(Box::new(too_late)),
    });
    let unsettled = desk.dispatcher.unsettled(&ledger::UnsettledQuery {
        id: Some(*id),
        conflicts_only: true,
        after: None,
        limit: 10,
    });
    let processors: Vec<Option<ProcessorIndex>> =
        unsettled.iter().map(|seen| seen.processor).collect();
    assert_eq!(processors, [Some(DEFAULT), Some(FALLBACK)]);
}

impl Desk {
    /// The processors of a payment's conflicts that are listed.
    pub(super) fn conflicts_of(&self, id: u128) -> Vec<Option<ProcessorIndex>> {
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
    desk.answer(AttemptAnswer::Unknown);
    desk.tell(Input::Answered {
        request: elsewhere(first),
        answer: AttemptAnswer::Recorded,
    });
    assert_eq!(desk.conflicts_of(1), [Some(FALLBACK)]);
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
fn a_conflict_of_another_kind_is_news_and_counts_no_second_time() {
    let mut conflicts = crate::dispatcher::conflicts::Conflicts::default();
    let of_kind = |kind| Conflict {
        id: PaymentId::from_u128(1),
        processor: DEFAULT,
        attempt: 1,
        requested_at: Millis(7),
        state: None,
        accepted_at: None,
        kind,
    };
    assert!(conflicts.keep(of_kind(ConflictKind::Late)));
    assert!(conflicts.keep(of_kind(ConflictKind::SettledAmount)));
    assert!(!conflicts.keep(of_kind(ConflictKind::SettledAmount)));
    assert_eq!(conflicts.late_count(), 1);
}

#[test]
fn a_conflict_names_no_attempt_that_its_processor_did_not_get() {
    let mut desk = Desk::new();
    desk.accept(1);
    let elsewhere = Question {
        id: PaymentId::from_u128(1),
        currency: Currency::new("BRL").unwrap(),
        processor: FALLBACK,
        number: 77,
    };
    let found = desk.recorded(Millis(7));
    desk.tell(Input::Probed {
        question: elsewhere,
        found,
    });
    let [conflict] = desk.reported.as_slice() else {
        panic!("{:?}", desk.reported);
    };
    assert_eq!((conflict.processor, conflict.attempt), (FALLBACK, 0));
}
