//! The queue's rules, one by one; [`random`] has them all at once.

mod random;

use std::sync::Arc;

use ledger::{AccountId, EventPosition, Timestamp};

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The position right behind the event of this number.
fn position(number: u64) -> EventPosition {
    let mut bytes = [0; EventPosition::BYTES];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    EventPosition::from_bytes(bytes)
}

fn number_of(position: EventPosition) -> u64 {
    let bytes = position.to_bytes();
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

fn placed(number: u64) -> Placed {
    Placed {
        after: FeedPlace::After(position(number - 1)),
        position: position(number),
        event_type: "transfer.posted".to_owned(),
        timestamp: Timestamp::from_nanos(number),
    }
}

fn arrival(number: u64, accounts: &[&str]) -> Arrival {
    let account = |id: &&str| Lane::Account(AccountId::new(id).unwrap());
    Arrival {
        placed: placed(number),
        lanes: accounts.iter().map(account).collect(),
        body: Arc::from(format!("event {number}").into_bytes()),
    }
}

fn result(meaning: Meaning) -> TryResult {
    TryResult {
        meaning,
        last: LastTry {
            at: Timestamp::from_nanos(7),
            status: Some(500),
            failure: String::new(),
            body: String::new(),
        },
    }
}

const FAILED: Meaning = Meaning::Failed {
    retry_after: None,
    is_busy: false,
};
const WHOLE: Jitter = Jitter::from_thousandths(1_000);

/// A queue with the defaults over what a test says of them.
struct Bench {
    queue: DeliveryQueue,
    now: Duration,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        let saved = Saved::beginning(FeedPlace::Beginning);
        Self {
            queue: DeliveryQueue::new(policy, saved),
            now: s(1_000),
        }
    }

    fn with(events: &[(u64, &[&str])]) -> Self {
        let mut bench = Self::new(Policy::default());
        for (number, accounts) in events {
            bench.queue.arrive(arrival(*number, accounts));
        }
        bench
    }

    /// Everything that is to be sent now, as numbers of events with numbers of deliveries.
    fn sends(&mut self) -> Vec<(u64, u64)> {
        let now = self.now;
        let all = std::iter::from_fn(|| self.queue.next(now));
        let all = all.map(|request| (number_of(request.webhook_id), request.number));
        all.collect()
    }

    fn sent(&mut self) -> Vec<u64> {
        self.sends().into_iter().map(|(event, _)| event).collect()
    }

    fn end(&mut self, delivery: u64, meaning: Meaning) -> Verdict {
        self.queue
            .answered(self.now, delivery, result(meaning), WHOLE)
    }

    /// Sends the one event that is due, and ends it so.
    fn only(&mut self, meaning: Meaning) -> (u64, Verdict) {
        let sends = self.sends();
        let [(event, delivery)] = sends.as_slice() else {
            panic!("{sends:?}");
        };
        (*event, self.end(*delivery, meaning))
    }

    fn wait_for_next(&mut self) {
        self.now = self.queue.next_due().expect("something will be due");
    }
}

#[test]
fn an_account_waits_for_its_own_events_alone() {
    let events: [(u64, &[&str]); 5] = [
        (1, &["a", "b"]),
        (2, &["b"]),
        (3, &["c"]),
        (4, &["a", "c"]),
        (5, &[]),
    ];
    let mut bench = Bench::with(&events);
    assert_eq!(bench.sent(), [1, 3, 5]);
    assert!(matches!(
        bench.end(0, Meaning::Delivered),
        Verdict::Delivered(_)
    ));
    assert_eq!(bench.sent(), [2], "4 waits for 3 as well");
    bench.end(2, Meaning::Delivered);
    assert_eq!(bench.sent(), [4]);
}

#[test]
fn an_event_that_fails_holds_up_its_account_and_no_other() {
    let events: [(u64, &[&str]); 3] = [(1, &["a"]), (2, &["a"]), (3, &["b"])];
    let mut bench = Bench::with(&events);
    assert_eq!(bench.sent(), [1, 3]);
    assert_eq!(bench.end(0, FAILED), Verdict::Again(s(5)));
    bench.end(2, Meaning::Delivered);
    assert_eq!(bench.sent(), [0_u64; 0]);
    bench.wait_for_next();
    assert_eq!(bench.now, s(1_005));
    let (event, verdict) = bench.only(FAILED);
    assert_eq!((event, verdict), (1, Verdict::Again(s(10))));
    let saved = bench.queue.saved();
    assert_eq!(saved.read_to, FeedPlace::After(position(3)));
    let waiting: Vec<_> = saved
        .waiting
        .iter()
        .map(|w| w.record.placed.clone())
        .collect();
    assert_eq!(waiting, [placed(1), placed(2)]);
}

/// Pauses of 5 s, 10 s … 6 h, and the last try right when three days of them are over.
#[test]
fn a_delivery_is_given_up_after_three_days_and_its_account_goes_on() {
    let events: [(u64, &[&str]); 2] = [(1, &["a"]), (2, &["a"])];
    let mut bench = Bench::with(&events);
    let begun = bench.now;
    let mut tries = 0;
    let dead = loop {
        tries += 1;
        match bench.only(FAILED) {
            (1, Verdict::Again(pause)) => {
                assert!(pause <= 6 * HOUR);
                bench.wait_for_next();
            }
            (1, Verdict::Dead(dead)) => break dead,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bench.now - begun, 3 * DAY);
    assert_eq!((tries, dead.tries.count), (25, 25));
    assert_eq!(bench.queue.dead_letters().len(), 1);
    assert_eq!(bench.only(Meaning::Delivered).0, 2);
    assert_eq!(bench.queue.saved().waiting, []);
}

#[test]
fn one_request_at_a_time_asks_whether_a_receiver_is_back() {
    let numbers: Vec<_> = (1..=40).collect();
    let mut bench = Bench::new(Policy::default());
    for number in &numbers {
        bench.queue.arrive(arrival(*number, &[]));
    }
    let sends = bench.sends();
    assert_eq!(sends.len(), 16);
    for (_, delivery) in &sends {
        bench.end(*delivery, FAILED);
    }
    let begun = bench.now;
    let mut tries = 0;
    while bench.now - begun < HOUR {
        let sends = bench.sends();
        assert!(sends.len() <= 1, "{sends:?}");
        if let [(_, delivery)] = sends.as_slice() {
            tries += 1;
            bench.now += s(1);
            bench.end(*delivery, FAILED);
        } else {
            bench.wait_for_next();
        }
    }
    assert!(tries < 40 * 12, "{tries}");
    bench.wait_for_next();
    // It is back: everything that failed meanwhile is due at once, and all requests are used again.
    let (_, verdict) = bench.only(Meaning::Delivered);
    assert!(matches!(verdict, Verdict::Delivered(_)));
    let mut delivered = 1;
    loop {
        let sends = bench.sends();
        if sends.is_empty() {
            break;
        }
        assert!(sends.len() <= 16);
        delivered += sends.len();
        for (_, delivery) in sends {
            bench.end(delivery, Meaning::Delivered);
        }
    }
    assert_eq!(delivered, 40);
}

#[test]
fn an_event_that_fails_among_others_keeps_its_pauses() {
    let mut bench = Bench::new(Policy::default());
    let mut next = 1;
    bench.queue.arrive(arrival(next, &["poison"]));
    let mut tries_of_poison = 0;
    let begun = bench.now;
    while bench.now - begun < HOUR {
        next += 1;
        bench.queue.arrive(arrival(next, &["other"]));
        for (event, delivery) in bench.sends() {
            let is_poison = event == 1;
            tries_of_poison += u32::from(is_poison);
            let meaning = if is_poison {
                FAILED
            } else {
                Meaning::Delivered
            };
            bench.end(delivery, meaning);
        }
        bench.now += s(7);
    }
    assert!((9..=11).contains(&tries_of_poison), "{tries_of_poison}");
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_up_to_an_hour() {
    let busy = |seconds| Meaning::Failed {
        retry_after: Some(s(seconds)),
        is_busy: true,
    };
    for (asked, expected) in [(1, 5), (90, 90), (100_000, 3_600)] {
        let mut bench = Bench::with(&[(1, &["a"]), (2, &["b"])]);
        let sends = bench.sends();
        assert_eq!(sends.len(), 2);
        assert_eq!(bench.end(0, busy(asked)), Verdict::Again(s(expected)));
        bench.end(1, Meaning::Delivered);
        bench.queue.arrive(arrival(3, &["c"]));
        let held = s(asked.min(3_600));
        assert_eq!(bench.queue.next_due(), Some(s(1_000) + held));
        bench.now += held;
        assert!(!bench.sent().is_empty());
    }
    // Where it is about one event, others go on.
    let mut bench = Bench::with(&[(1, &["a"])]);
    let failed = Meaning::Failed {
        retry_after: Some(s(600)),
        is_busy: false,
    };
    assert_eq!(bench.only(failed), (1, Verdict::Again(s(600))));
    bench.queue.arrive(arrival(2, &["b"]));
    assert_eq!(bench.sent(), [2]);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_until_it_is_enabled() {
    let mut bench = Bench::with(&[(1, &["a"]), (2, &["b"])]);
    assert_eq!(bench.sent(), [1, 2]);
    assert_eq!(bench.end(0, Meaning::Gone), Verdict::Gone);
    bench.end(1, FAILED);
    bench.now += DAY;
    assert_eq!((bench.sent(), bench.queue.next_due()), (vec![], None));
    assert!(!bench.queue.wants_more());
    assert_eq!(bench.queue.saved().disabled, Some(Disabled::Gone));
    bench.queue.enable(bench.now);
    assert_eq!(bench.only(Meaning::Delivered).0, 1);
    assert_eq!(bench.only(Meaning::Delivered).0, 2);
}

#[test]
fn what_is_in_hand_is_bounded_by_count_and_bytes() {
    let policy = Policy {
        waiting_max: 4,
        waiting_bytes_max: 100,
        ..Policy::default()
    };
    let mut bench = Bench::new(policy);
    for number in 1..=4 {
        assert!(bench.queue.has_room());
        bench.queue.arrive(arrival(number, &["a"]));
    }
    assert!(!bench.queue.has_room() && !bench.queue.wants_more());
    let mut bench = Bench::new(policy);
    let large = Arrival {
        body: Arc::from([0; 100]),
        ..arrival(1, &[])
    };
    bench.queue.arrive(large);
    assert!(!bench.queue.has_room());
    bench.only(Meaning::Delivered);
    assert!(bench.queue.wants_more());
}

#[test]
fn a_page_is_worth_reading_or_nothing_else_happens() {
    let policy = Policy {
        waiting_max: 4,
        ..Policy::default()
    };
    let mut bench = Bench::new(policy);
    for number in 1..=3 {
        bench.queue.arrive(arrival(number, &["a"]));
    }
    assert!(bench.queue.wants_more(), "nothing is under way");
    bench.sends();
    assert!(!bench.queue.wants_more(), "one place is not worth a page");
    bench.end(0, FAILED);
    assert!(bench.queue.wants_more(), "other accounts go on");
}

#[test]
fn as_many_dead_letters_as_are_kept_disable_the_endpoint() {
    let policy = Policy {
        tried_for_max: Duration::ZERO,
        dead_letters_max: 2,
        ..Policy::default()
    };
    let mut bench = Bench::new(policy);
    for number in 1..=3 {
        bench.queue.arrive(arrival(number, &["a"]));
    }
    for event in [1, 2] {
        let (sent, verdict) = bench.only(FAILED);
        assert!(sent == event && matches!(verdict, Verdict::Dead(_)));
    }
    assert_eq!(bench.queue.disabled(), Some(Disabled::TooManyDeadLetters));
    assert_eq!(bench.sent(), [0_u64; 0]);
    assert_eq!(bench.queue.saved().waiting.len(), 1, "nothing is lost");
}

#[test]
fn dead_letters_are_tried_again_in_their_order_and_hold_up_nothing_new() {
    let policy = Policy {
        tried_for_max: Duration::ZERO,
        ..Policy::default()
    };
    let mut bench = Bench::new(policy);
    for number in [1, 2] {
        bench.queue.arrive(arrival(number, &["a"]));
        bench.only(FAILED);
    }
    assert_eq!(bench.queue.to_revive(), [placed(1), placed(2)]);
    assert!(bench.queue.revive(arrival(1, &["a"])));
    assert!(bench.queue.revive(arrival(2, &["a"])));
    assert!(!bench.queue.revive(arrival(2, &["a"])), "it waits already");
    bench.queue.arrive(arrival(3, &["a"]));
    let sends = bench.sends();
    // One at a time, since the receiver fails; the first is the oldest.
    let [(1, first)] = sends.as_slice() else {
        panic!("{sends:?}");
    };
    bench.end(*first, Meaning::Delivered);
    assert_eq!(bench.sent(), [2, 3]);
    assert_eq!(bench.queue.dead_letters().len(), 0);
    let saved = bench.queue.saved();
    assert_eq!(saved.read_to, FeedPlace::After(position(3)));
    assert!(saved.waiting[0].was_dead && !saved.waiting[1].was_dead);
}

#[test]
fn a_replay_begins_again_and_forgets_what_waited() {
    let mut bench = Bench::with(&[(5, &["a"]), (6, &["a"])]);
    assert_eq!(bench.sent(), [5]);
    bench.queue.replay(FeedPlace::After(position(2)));
    assert_eq!(bench.end(0, Meaning::Delivered), Verdict::Unknown);
    assert_eq!(
        bench.queue.saved(),
        Saved::beginning(FeedPlace::After(position(2)))
    );
    bench.queue.arrive(arrival(3, &["a"]));
    assert_eq!(bench.only(Meaning::Delivered).0, 3);
}

#[test]
fn what_waited_is_due_at_once_after_a_restart_and_was_tried_as_long_as_before() {
    let mut bench = Bench::with(&[(1, &["a"]), (2, &["b"])]);
    bench.sends();
    bench.end(0, FAILED);
    bench.end(1, Meaning::Delivered);
    bench.wait_for_next();
    bench.only(FAILED);
    let saved = bench.queue.saved();
    let [only] = saved.waiting.as_slice() else {
        panic!("{saved:?}");
    };
    assert_eq!(only.record.tries.tried_for_ms, 5_000);
    let mut queue = DeliveryQueue::new(Policy::default(), saved.clone());
    queue.restore(arrival(1, &["a"]), only.clone());
    assert_eq!(queue.saved(), saved);
    bench.queue = queue;
    bench.now = Duration::ZERO;
    let verdict = bench.only(FAILED).1;
    assert_eq!(verdict, Verdict::Again(s(20)), "the pauses go on");
}
