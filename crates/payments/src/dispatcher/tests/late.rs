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
