//! A payment that a processor does not take waits for itself, and holds up nobody.

use super::*;

/// What a processor may say of one payment for ever, whatever it does with others.
const NEVER_TAKEN: [AttemptAnswer; 3] = [
    AttemptAnswer::Misdirected,
    AttemptAnswer::NotRecorded(NotRecorded::Failing),
    AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after: None }),
];

#[test]
fn a_payment_that_is_never_taken_waits_for_itself_and_holds_up_nobody() {
    for answer in NEVER_TAKEN {
        let mut desk = Desk::new();
        desk.accept(1_000);
        desk.answer(AttemptAnswer::Recorded);
        let limit = desk.dispatcher.processors[DEFAULT].limit();
        desk.accept(1);
        desk.deny(answer);
        let mut tries_count = 1;
        for id in 1_001..2_201 {
            desk.tick(100);
            while let Some(place) = desk.sent.iter().position(|r| r.id.to_u128() == 1) {
                let request = desk.sent.remove(place);
                desk.tell(Input::Answered { request, answer });
                desk.found(Found::Absent);
                tries_count += 1;
                assert!(tries_count <= 45, "{answer:?}");
            }
            desk.accept(id);
            assert_eq!(desk.places().last(), Some(&(id, 0)), "{answer:?}");
            desk.answer(AttemptAnswer::Recorded);
            let processor = &desk.dispatcher.processors[DEFAULT];
            assert_eq!(
                (processor.breaker_name(), processor.limit()),
                ("closed", limit),
                "{answer:?}"
            );
        }
        assert_eq!(desk.state(1), PaymentState::Accepted);
        // In two minutes: ten at the one that works, and one each 5 s at the other, which may be back.
        assert!(tries_count >= 12, "{tries_count} {answer:?}");
        // The last wait is a minute, and no more.
        let before = desk.records_count;
        desk.tick(60_000);
        assert!(desk.records_count > before, "{answer:?}");
    }
}

#[test]
fn what_a_processor_says_again_of_the_same_payments_is_not_held_against_it() {
    for answer in NEVER_TAKEN {
        let mut desk = Desk::new();
        for id in 1..=3 {
            desk.accept(1_000 + id);
            desk.answer(AttemptAnswer::Recorded);
            desk.accept(id);
            desk.deny(answer);
        }
        // The same again, of each of them, and nothing else in between.
        desk.tick(100);
        let mut places = desk.places();
        places.sort_unstable();
        assert_eq!(places, [(1, 0), (2, 0), (3, 0)]);
        for _ in 0..3 {
            desk.deny(answer);
        }
        let processor = &desk.dispatcher.processors[DEFAULT];
        assert_eq!(processor.breaker_name(), "closed", "{answer:?}");
    }
}

#[test]
fn not_yet_waits_for_as_long_as_it_says_and_holds_up_nobody() {
    let mut desk = Desk::new();
    desk.accept(1_000);
    desk.answer(AttemptAnswer::Recorded);
    desk.accept(1);
    let retry_after = Some(ms(1_900));
    desk.deny(AttemptAnswer::NotRecorded(NotRecorded::NotYet {
        retry_after,
    }));
    desk.accept(2);
    assert_eq!(desk.places(), [(2, 0)]);
    desk.answer(AttemptAnswer::Recorded);
    desk.tick(1_800);
    assert!(desk.places().is_empty());
    desk.tick(150);
    assert_eq!(desk.places(), [(1, 0)]);
}

#[test]
fn a_payment_that_waits_for_a_processor_gets_it_once_it_is_back() {
    let mut desk = Desk::new();
    let failing = AttemptAnswer::NotRecorded(NotRecorded::Failing);
    desk.accept(1);
    for _ in 0..200 {
        desk.tick(100);
        while !desk.sent.is_empty() {
            desk.deny(failing);
            assert!(desk.records_count < 100);
        }
    }
    // Both fail: it waits, seconds each time, and costs no record meanwhile.
    while desk.sent.is_empty() {
        desk.tick(100);
    }
    while !desk.sent.is_empty() {
        desk.deny(failing);
    }
    let records_count = desk.records_count;
    desk.tick(1_000);
    assert_eq!(desk.records_count, records_count);
    // Another payment shows that one is back: those that wait for it get it at once.
    desk.accept(2);
    let [(2, processor)] = desk.places()[..] else {
        panic!("{:?}", desk.places());
    };
    desk.answer(AttemptAnswer::Recorded);
    assert_eq!(desk.places(), [(1, processor)]);
    desk.answer(AttemptAnswer::Recorded);
    assert!(matches!(desk.state(1), PaymentState::Settled { .. }));
}

#[test]
fn what_is_stuck_is_no_probe_while_others_wait() {
    let mut desk = Desk::new();
    desk.accept(1);
    desk.answer(AttemptAnswer::Unknown);
    let question = desk.asked.remove(0);
    for id in [900, 901] {
        desk.accept(id);
        desk.deny(AttemptAnswer::NotRecorded(NotRecorded::Failing));
    }
    desk.tick(50);
    desk.accept(2);
    assert!(desk.places().is_empty(), "its breaker is open");
    desk.now += ms(100);
    // It could be sent again now, and be what the processor never takes.
    desk.tell(Input::Asked {
        question,
        found: Found::Absent,
    });
    assert_eq!(desk.places(), [(2, 0)]);
}

#[test]
fn a_processor_whose_breaker_never_opened_is_noticed_to_be_back() {
    for answer in NEVER_TAKEN {
        let mut desk = Desk::new();
        desk.dispatcher.processors[FALLBACK]
            .policy_mut()
            .concurrency_max = 0;
        desk.accept(1_000);
        desk.answer(AttemptAnswer::Recorded);
        // It takes neither of two for a minute: too few to open its breaker at once.
        desk.accept(1);
        desk.deny(answer);
        desk.accept(2);
        desk.deny(answer);
        for _ in 0..600 {
            desk.tick(100);
            while !desk.sent.is_empty() {
                desk.deny(answer);
            }
        }
        desk.accept(3);
        for _ in 0..10 {
            desk.tick(100);
            while !desk.sent.is_empty() {
                desk.answer(AttemptAnswer::Recorded);
            }
        }
        for id in 1..=3 {
            assert!(desk.is_settled_at(id, "default"), "{id} {answer:?}");
        }
    }
}
