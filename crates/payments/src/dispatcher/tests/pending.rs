//! What a processor has and has not decided: it is asked until it has.

use ledger::{UnsettledQuery, UnsettledState};

use super::*;

impl Desk {
    fn shown(&self, id: u128) -> UnsettledState {
        let query = UnsettledQuery {
            id: Some(PaymentId::from_u128(id)),
            conflicts_only: false,
            after: None,
            limit: 1,
        };
        self.dispatcher.unsettled(&query)[0].state
    }

    fn call_back(&mut self, id: u128, processor: ProcessorIndex) {
        let id = PaymentId::from_u128(id);
        self.tell(Input::CalledBack { id, processor });
    }

    /// Answers every question "not yet" until so much time is over; how often it was asked.
    fn wait_pending(&mut self, millis: u64) -> usize {
        let until = self.now + ms(millis);
        let mut asked_count = 0;
        while self.now < until {
            self.tick(10);
            while !self.asked.is_empty() {
                asked_count += 1;
                self.found(Found::Pending);
            }
        }
        asked_count
    }
}

#[test]
fn what_is_not_decided_is_asked_for_less_and_less_often_and_never_sent_again() {
    let mut desk = Desk::with(|processor| ProcessorPolicy {
        recorded_within: Some(ms(1_000)),
        ..processor
    });
    desk.accept(1);
    let requested_at = desk.sent[0].requested_at;
    desk.answer(AttemptAnswer::Pending);
    assert_eq!(desk.shown(1), UnsettledState::Pending);
    assert!(desk.asked.is_empty(), "it needs a moment");
    let standing = desk.dispatcher.standing(desk.now);
    assert_eq!(standing.processors[0].unknown_count, 0);
    let asked_count = desk.wait_pending(600_000);
    assert!((15..=25).contains(&asked_count), "{asked_count}");
    // That it has it is not forgotten, whatever it says later.
    while desk.asked.is_empty() {
        desk.tick(1_000);
    }
    desk.found(Found::Absent);
    while desk.asked.is_empty() {
        desk.tick(1_000);
    }
    assert!(desk.sent.is_empty());
    desk.found(desk.recorded(requested_at));
    assert!(desk.is_settled_at(1, "default"));
}

#[test]
fn what_is_declined_later_goes_to_another_and_is_refused_in_the_end() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(AttemptAnswer::Pending);
    desk.tick(60);
    desk.found(Found::Declined);
    assert_eq!(desk.places(), [(1, 1)], "the other one gets it at once");
    // The first answer is declined, and it is there to be asked for as such.
    desk.answer(AttemptAnswer::Refused);
    desk.found(Found::Declined);
    let code = RefusedCode::ProcessorRefused;
    assert_eq!(desk.state(1), PaymentState::Refused { code });
    let standing = desk.dispatcher.standing(desk.now);
    let refusals = standing.processors.iter().map(|one| one.refusals_count);
    assert_eq!(refusals.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_callback_leads_to_a_question_at_once() {
    let mut desk = Desk::new();
    desk.accept(1);
    let requested_at = desk.sent[0].requested_at;
    // Before the answer to the request: that comes first.
    desk.call_back(1, DEFAULT);
    assert!(desk.asked.is_empty());
    desk.answer(AttemptAnswer::Pending);
    desk.wait_pending(100_000);
    assert!(desk.asked.is_empty());
    desk.call_back(1, FALLBACK);
    desk.call_back(2, DEFAULT);
    assert!(desk.asked.is_empty(), "neither is about a payment there");
    desk.call_back(1, DEFAULT);
    assert_eq!(desk.asked.len(), 1);
    // While it is asked: it is asked again soon.
    desk.call_back(1, DEFAULT);
    desk.found(Found::Pending);
    desk.tick(60);
    assert_eq!(desk.asked.len(), 1);
    desk.found(Found::Pending);
    // A flood is no flood of questions.
    for _ in 0..100 {
        desk.call_back(1, DEFAULT);
    }
    assert!(desk.asked.is_empty());
    desk.tick(60);
    desk.found(desk.recorded(requested_at));
    assert!(desk.is_settled_at(1, "default"));
    desk.call_back(1, DEFAULT);
    assert!(desk.asked.is_empty());
}

#[test]
fn what_waits_and_is_found_undecided_goes_nowhere_else() {
    let mut desk = Desk::new();
    desk.accept(1);
    for _ in 0..3 {
        desk.answer(AttemptAnswer::NotRecorded(NotRecorded::Unreachable));
        desk.tick(1);
        if desk.sent.is_empty() {
            break;
        }
    }
    while desk.probed.is_empty() {
        desk.tick(100);
        assert!(desk.now < ms(60_000), "{:?}", desk.places());
        for request in std::mem::take(&mut desk.sent) {
            let answer = AttemptAnswer::NotRecorded(NotRecorded::Unreachable);
            desk.tell(Input::Answered { request, answer });
        }
    }
    let question = desk.probed.remove(0);
    let place = question.processor;
    desk.tell(Input::Probed {
        question,
        found: Found::Pending,
    });
    assert_eq!(desk.shown(1), UnsettledState::Pending);
    desk.wait_pending(60_000);
    assert!(desk.sent.is_empty(), "{:?}", desk.places());
    while desk.asked.is_empty() {
        desk.tick(1_000);
    }
    let requested_at = Millis(7);
    desk.found(desk.recorded(requested_at));
    let name = ["default", "fallback"][place.get()];
    assert!(desk.is_settled_at(1, name));
}
