//! Nothing waits for ever: full queues, blocked syncs, deadlines that are past, a stop in between.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use engine_embedded::EmbeddedOptions;
use journal::faulty::FaultyStorage;
use ledger::{Batch, Engine, StatementQuery, Timestamp, Unavailable};
use testkit::RealClock;

use crate::bank::{
    Bank, account_id, deposit, open_account, open_engine, pend, small, submit, wait,
};
use crate::gated::Gated;

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_deadline_that_is_past_does_nothing() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    let operations = storage.operations();
    let past = Instant::now();
    let refused = submit(&*bank.engine, vec![deposit(1, "a", 1)], past);
    assert_eq!(refused, Err(Unavailable::Overloaded));
    assert_eq!(bank.account("a").entry_count, 0);
    assert_eq!(storage.operations(), operations);
    assert_eq!(bank.give(deposit(1, "a", 1)).code(), "created");
}

#[test]
fn a_blocked_sync_is_a_timeout_and_reads_go_on() {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    storage.close();
    let began = Instant::now();
    let first = submit(&*bank.engine, vec![deposit(1, "a", 1)], began + SHORT);
    let second = submit(
        &*bank.engine,
        vec![deposit(2, "a", 1)],
        Instant::now() + SHORT,
    );
    assert_eq!(
        (first, second),
        (Err(Unavailable::Timeout), Err(Unavailable::Timeout))
    );
    assert!(began.elapsed() < 20 * SHORT);
    // Nobody is shown what is not durable.
    assert_eq!(bank.account("a").entry_count, 0);
    assert_eq!(bank.transfer(1), Ok(None));
    storage.open_gate();
    // The first was on its way; the second's time was over before it was begun.
    assert_eq!(bank.give(deposit(1, "a", 1)).code(), "exists");
    assert_eq!(bank.give(deposit(2, "a", 1)).code(), "created");
    assert_eq!(bank.account("a").balance(), 2);
}

/// However slow the disk is, a walk through cold history does not go on for nobody.
#[test]
fn a_walk_through_history_ends_at_its_deadline() {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a", "b"]);
    bank.submit((1..50).map(|id| deposit(id, "a", 1)).collect())
        .unwrap();
    let (reads, past) = (storage.reads(), Instant::now());
    let statement = |id| {
        let (account_id, before, limit) = (account_id(id), None, 1_000);
        let query = StatementQuery {
            account_id,
            before,
            limit,
        };
        wait(bank.engine.statement(query, past)).map(|page| page.unwrap().entries.len())
    };
    assert_eq!(statement("a"), Err(Unavailable::Timeout));
    let balance = bank
        .engine
        .balance_at(account_id("a"), Timestamp::default(), past);
    assert_eq!(wait(balance), Err(Unavailable::Timeout));
    assert_eq!(storage.reads(), reads);
    assert_eq!(statement("b"), Ok(0));
}

#[test]
fn a_full_queue_is_overloaded() {
    let storage = Gated::new(FaultyStorage::new(1));
    let options = EmbeddedOptions {
        queue_bytes_max: 4 << 10,
        ..small(64, 32)
    };
    let bank = Bank::open(storage.clone(), options);
    bank.open_accounts(&["a"]);
    storage.close();
    let mut callers: Vec<_> = (0..1).map(|id| call(&bank, id)).collect();
    storage.wait_for_a_sync();
    callers.extend((1..100).map(|id| call(&bank, id)));
    while callers.iter().filter(|caller| caller.is_finished()).count() < 50 {
        thread::sleep(Duration::from_millis(1));
    }
    storage.open_gate();
    let answers: Vec<_> = callers
        .into_iter()
        .map(|call| call.join().unwrap())
        .collect();
    let refused = |answer: &&Result<_, _>| **answer == Err(Unavailable::Overloaded);
    let refused_count = answers.iter().filter(refused).count();
    assert!((50..99).contains(&refused_count), "{refused_count}");
    let created = bank.account("a").entry_count as usize;
    assert_eq!(created, answers.len() - refused_count);
    for (id, answer) in (0..).zip(&answers) {
        assert_eq!(bank.transfer(id).unwrap().is_some(), answer.is_ok());
    }
}

fn call(bank: &Bank<Gated>, id: u128) -> thread::JoinHandle<Result<usize, Unavailable>> {
    let engine = Arc::clone(&bank.engine);
    let deadline = Instant::now() + Duration::from_secs(20);
    thread::spawn(move || submit(&*engine, vec![deposit(id, "a", 1)], deadline).map(|o| o.len()))
}

/// A single call larger than the queue goes through alone.
#[test]
fn a_call_larger_than_the_queue_is_not_refused_for_ever() {
    let options = EmbeddedOptions {
        queue_bytes_max: 1,
        ..small(64, 32)
    };
    let bank = Bank::open(FaultyStorage::new(1), options);
    bank.open_accounts(&["a"]);
    assert!(
        bank.submit((1..20).map(|id| deposit(id, "a", 1)).collect())
            .is_ok()
    );
}

#[test]
fn what_was_accepted_is_finished_when_the_engine_is_dropped() {
    let storage = Gated::new(FaultyStorage::new(1));
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    storage.close();
    let deadline = Instant::now() + Duration::from_secs(20);
    for id in 1..50 {
        let batch = Batch::one(deposit(id, "a", 1));
        let mut answer = bank.engine.submit(vec![batch], deadline);
        // It is in the queue once it was polled; then the caller goes.
        let poll = || {
            answer
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        };
        wait(async { assert!(matches!({ poll }(), Poll::Pending)) });
    }
    let dropped = thread::spawn(move || drop(bank));
    thread::sleep(SHORT / 2);
    assert!(!dropped.is_finished());
    storage.open_gate();
    dropped.join().unwrap();
    let bank = Bank::open(storage.inner.crash(), small(64, 32));
    assert_eq!(bank.account("a").entry_count, 49);
}

#[test]
fn what_is_due_expires_within_a_second_without_any_command() {
    let storage = FaultyStorage::new(1);
    let engine = open_engine(storage, small(64, 32), Arc::new(RealClock::default()));
    let now = Instant::now();
    let commands = vec![
        open_account("a", 100),
        pend(1, "a", 60, 1),
        pend(2, "a", 5, 0),
    ];
    submit(&*engine, commands, now + Duration::from_secs(20)).unwrap();
    let pending = || {
        let account = wait(engine.account(account_id("a"), now)).unwrap().unwrap();
        account.debits_pending
    };
    assert_eq!(pending(), 65);
    while pending() == 65 {
        let waited = now.elapsed();
        assert!(
            waited < Duration::from_millis(2_400),
            "still pending after {waited:?}"
        );
        thread::sleep(Duration::from_millis(10));
    }
    assert!(now.elapsed() > Duration::from_millis(900));
    assert_eq!(pending(), 5);
}
