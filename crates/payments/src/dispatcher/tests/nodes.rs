//! Beside other nodes, and after all claims were lost to them.

use super::*;

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
    assert!(
        desk.sent.is_empty(),
        "the node that sent it may be about to"
    );
    assert_eq!(desk.asked.len(), 1);
    desk.found(Found::Absent);
    assert_eq!(desk.places(), [(1, 0)]);
    desk.answer(AttemptAnswer::NotRecorded(NotRecorded::Unreachable));
    assert!(matches!(desk.state(1), PaymentState::Sent { .. }));
}

#[test]
fn a_replay_is_unclear_where_another_may_have_sent_it_again() {
    let mut desk = Desk::new();
    desk.accept(1);
    let first = desk.sent[0];
    desk.answer(AttemptAnswer::Unknown);
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
fn what_another_node_ended_is_let_go_of() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.accept(2);
    // Nobody knows of either, and nobody will: the processor does not say.
    for _ in 0..2 {
        desk.answer(AttemptAnswer::Unknown);
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
fn one_that_begins_anew_holds_nothing_and_has_counted_all() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(AttemptAnswer::Recorded);
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

/// What was sent under an earlier configuration is asked for. If it was never recorded, it is sent again in the currency
/// that processors are paid in; in another one it waits, with its pin gone once its absence is proven.
#[test]
fn what_comes_back_in_another_currency_waits() {
    for (currency, is_sent_again) in [("BRL", true), ("JPY", false)] {
        let mut desk = Desk::with(|processor| ProcessorPolicy {
            recorded_within: Some(ms(1_000)),
            ..processor
        });
        let accepted = desk.apply_acceptance_in(currency, 1);
        desk.apply(Command::SendPayment {
            id: accepted.id,
            expected: accepted.standing(),
            processor: ProcessorName::new("default").unwrap(),
            requested_at: Millis(0),
        });
        desk.tell(Input::Accepted);
        assert_eq!(desk.asked.len(), 1, "what was sent is asked for");
        for _ in 0..40 {
            while !desk.asked.is_empty() {
                desk.found(Found::Absent);
            }
            desk.tick(5_000);
        }
        assert_eq!(!desk.sent.is_empty(), is_sent_again, "{currency}");
        let is_accepted = matches!(desk.state(1), PaymentState::Accepted);
        assert_eq!(is_accepted, !is_sent_again, "{currency}");
    }
}
