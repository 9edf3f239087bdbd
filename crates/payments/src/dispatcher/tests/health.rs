//! How well a processor works, as it says itself or as its answers show.

use super::*;

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
        desk.answer(AttemptAnswer::Unknown);
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
    desk.answer(AttemptAnswer::Recorded);
    desk.accept(5);
    assert_eq!(desk.places(), [(5, 0)]);
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
    desk.deny(AttemptAnswer::NotRecorded(NotRecorded::Busy {
        retry_after,
    }));
    let records_count = desk.records_count;
    desk.tick(1_900);
    assert!(desk.places().is_empty());
    assert_eq!(desk.records_count, records_count);
    desk.tick(200);
    assert_eq!(desk.places(), [(1, 1)], "nobody waits for it for so long");
    desk.answer(AttemptAnswer::Recorded);
    desk.tick(57_800);
    desk.accept(2);
    assert!(desk.places().is_empty());
    desk.tick(200);
    assert_eq!(desk.places(), [(2, 0)], "a minute at most");
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
        desk.answer(AttemptAnswer::Recorded);
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
    desk.answer(AttemptAnswer::Recorded);
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
    desk.answer(AttemptAnswer::Recorded);
    desk.tell(Input::Health {
        processor: FALLBACK,
        report: Some(told(2_000, 4_000)),
    });
    assert_eq!(
        desk.dispatcher.processors[FALLBACK].delay_expected(desk.now),
        ms(15)
    );
}
