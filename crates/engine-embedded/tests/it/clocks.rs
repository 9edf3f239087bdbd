//! A clock that jumps forward is not believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions, Status};
use journal::faulty::FaultyStorage;
use ledger::{Clock, ClockBounds, Engine, Outcome, TIME_MAX, Timestamp, Unavailable};
use testkit::ManualClock;

use crate::bank::{
    PATIENCE, account_id, deposit, open_account, open_engine, pend, small, submit, wait,
};

const HOUR_NS: u64 = 3_600 * 1_000_000_000;
const YEAR_NS: u64 = 365 * 24 * HOUR_NS;

/// Wall time and the time since the machine's start, each set by hand.
#[derive(Default)]
struct Clocks {
    wall: ManualClock,
    uptime: ManualClock,
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        self.wall.now()
    }

    fn uptime(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.uptime.now().as_nanos()))
    }
}

impl Clocks {
    fn pass(&self, by_ns: u64) {
        self.wall.advance_ns(by_ns);
        self.uptime.advance_ns(by_ns);
    }

    fn jump(&self, by_ns: u64) {
        self.wall.advance_ns(by_ns);
    }
}

type Ledger = Arc<EmbeddedEngine<FaultyStorage>>;

fn open(storage: &FaultyStorage, clocks: &Arc<Clocks>, is_accepted: bool) -> Ledger {
    let options = EmbeddedOptions {
        clock: ClockBounds {
            is_accepted,
            ..ClockBounds::default()
        },
        ..small(64, 32)
    };
    open_engine(storage.clone(), options, clocks.clone())
}

fn give(ledger: &Ledger, command: ledger::Command) -> Result<Outcome, Unavailable> {
    let outcomes = submit(&**ledger, vec![command], Instant::now() + PATIENCE);
    outcomes.map(|mut outcomes| outcomes.remove(0))
}

fn pending(ledger: &Ledger) -> u64 {
    let account = wait(ledger.account(account_id("a"), Instant::now())).unwrap();
    account.unwrap().debits_pending
}

/// An account with 100, of which 60 are held for an hour.
fn held(storage: &FaultyStorage, clocks: &Arc<Clocks>) -> Ledger {
    let ledger = open(storage, clocks, false);
    give(&ledger, open_account("a", 0)).unwrap();
    give(&ledger, deposit(1, "a", 100)).unwrap();
    assert_eq!(
        give(&ledger, pend(2, "a", 60, 3_600)).unwrap().code(),
        "created"
    );
    ledger
}

/// Longer than the timer that applies expiries takes.
fn timer_interval() {
    std::thread::sleep(Duration::from_millis(600));
}

#[test]
fn after_a_jump_nothing_expires_and_nothing_is_written_until_the_clock_is_right() {
    let (storage, clocks) = (FaultyStorage::new(1), Arc::<Clocks>::default());
    let ledger = held(&storage, &clocks);
    clocks.pass(60_000_000_000);
    give(&ledger, deposit(3, "a", 1)).unwrap();
    clocks.jump(10 * YEAR_NS);
    let operations = storage.operations();
    let refused = give(&ledger, deposit(4, "a", 1)).unwrap_err();
    assert_eq!(
        (refused, refused.code()),
        (Unavailable::ClockJumped, "clock_jumped")
    );
    assert!(refused.nothing_done());
    timer_interval();
    assert_eq!(pending(&ledger), 60, "a hold of an hour is a minute old");
    assert_eq!(ledger.status(), Status::ClockJumped);
    assert!(ledger.clock_ahead_s().unwrap() > 9 * 365 * 24 * 3_600);
    assert_eq!(storage.operations(), operations);

    // Set right, it goes on by itself; and time that passes expires.
    clocks.wall.set(Timestamp::from_nanos(
        clocks.wall.now().as_nanos() - 10 * YEAR_NS,
    ));
    let right = Instant::now();
    while ledger.status() != Status::Ready {
        assert!(right.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(ledger.clock_ahead_s(), None);
    assert_eq!(give(&ledger, deposit(4, "a", 1)).unwrap().code(), "created");
    assert_eq!(pending(&ledger), 60);
    clocks.pass(HOUR_NS);
    give(&ledger, deposit(5, "a", 1)).unwrap();
    assert_eq!(pending(&ledger), 0);
}

#[test]
fn a_start_long_after_the_newest_record_has_to_be_accepted() {
    let (storage, clocks) = (FaultyStorage::new(1), Arc::<Clocks>::default());
    drop(held(&storage, &clocks));
    // A week of standing still is nothing.
    clocks.pass(7 * 24 * HOUR_NS);
    let storage = storage.kill();
    let ledger = open(&storage, &clocks, false);
    assert_eq!(give(&ledger, deposit(3, "a", 1)).unwrap().code(), "created");
    assert_eq!(pending(&ledger), 0);
    drop(ledger);
    clocks.pass(YEAR_NS);
    let storage = storage.kill();
    let ledger = open(&storage, &clocks, false);
    assert_eq!(
        give(&ledger, deposit(4, "a", 1)),
        Err(Unavailable::ClockJumped)
    );
    drop(ledger);
    let ledger = open(&storage.kill(), &clocks, true);
    assert_eq!(give(&ledger, deposit(4, "a", 1)).unwrap().code(), "created");
}

/// Not even an operator's word makes room; the writer refuses where it would have to stop.
#[test]
fn a_time_that_leaves_no_room_is_refused() {
    let (storage, clocks) = (FaultyStorage::new(1), Arc::<Clocks>::default());
    drop(held(&storage, &clocks));
    for nanos in [TIME_MAX.as_nanos() + 1, u64::MAX] {
        let clocks = Arc::<Clocks>::default();
        clocks.wall.set(Timestamp::from_nanos(nanos));
        let ledger = open(&storage.copy(), &clocks, true);
        assert_eq!(
            give(&ledger, deposit(4, "a", 1)),
            Err(Unavailable::ClockJumped)
        );
        assert_eq!(pending(&ledger), 60);
    }
    // Records of such a time, as builds before this one made them where the clock said so.
    let late = Arc::<ManualClock>::default();
    late.set(TIME_MAX);
    let storage = FaultyStorage::new(2);
    let ledger = open_engine(storage.clone(), small(64, 32), late);
    for id in 0..3 {
        give(&ledger, open_account(&format!("b{id}"), 0)).unwrap();
    }
    assert_eq!(
        give(&ledger, open_account("b9", 0)).unwrap().code(),
        "created"
    );
    drop(ledger);
    let ledger = open(&storage.kill(), &clocks, true);
    assert_eq!(
        give(&ledger, open_account("c", 0)),
        Err(Unavailable::ClockJumped)
    );
}
