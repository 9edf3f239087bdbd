//! A disk that is full, that fails, that is damaged.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, OpenError, Status};
use journal::FileStorage;
use journal::faulty::{FaultyStorage, OperationKind};
use ledger::{Engine, Unavailable};
use testkit::ManualClock;

use crate::bank::{Bank, account_id, deposit, open_account, small, submit, wait};
use crate::gated::Gated;

#[test]
fn a_full_disk_refuses_writes_until_space_is_freed() {
    let storage = FaultyStorage::new(1);
    storage.set_capacity(Some(40 << 10));
    let bank = Bank::open(storage.clone(), small(16, 12));
    bank.open_accounts(&["a"]);
    let mut deposits = 0;
    let refused = loop {
        match bank.submit(vec![deposit(deposits + 1, "a", 10)]) {
            Ok(_) => deposits += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Unavailable::StorageFull);
    assert_eq!(bank.engine.status(), Status::StorageFull);
    let operations = storage.operations();
    let before = bank.account("a");
    assert_eq!(before.entry_count, deposits as u64);
    assert_eq!(
        bank.submit(vec![deposit(9_999, "a", 1)]),
        Err(Unavailable::StorageFull)
    );
    assert_eq!(bank.account("a"), before);
    assert_eq!(bank.transfer(9_999), Ok(None));
    assert_eq!(bank.statement("a", None, 1_000).unwrap().account, before);
    // It was only tried whether there is space for a segment now.
    let log = storage.operation_log();
    let tried = &log[operations as usize..];
    assert!(tried.iter().all(|done| done.file.starts_with("spare")));

    storage.set_capacity(None);
    assert_eq!(bank.give(deposit(deposits + 1, "a", 10)).code(), "created");
    assert_eq!(bank.engine.status(), Status::Ready);
    drop(bank);
    let bank = Bank::open(storage.crash(), small(16, 12));
    assert_eq!(bank.account("a").entry_count, deposits as u64 + 1);
}

/// At the limit of open files the next segment cannot be created and old ones cannot be opened:
/// what needs them is refused for now, and goes on by itself.
#[test]
fn a_shortage_of_descriptors_refuses_what_needs_one_until_it_is_over() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(16, 12));
    bank.open_accounts(&["a"]);
    for id in 1..=200 {
        bank.give(deposit(id, "a", 10));
    }
    drop(bank);
    // What was read before is open no more.
    let storage = storage.kill();
    let bank = Bank::open(storage.clone(), small(16, 12));
    storage.set_shortage(true);
    let overloaded = Unavailable::Overloaded;
    assert_eq!(bank.transfer(1), Err(overloaded));
    assert_eq!(bank.submit(vec![deposit(1, "a", 10)]), Err(overloaded));
    let mut id = 1_000;
    let refused = loop {
        match bank.submit(vec![deposit(id, "a", 1)]) {
            Ok(_) => id += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, overloaded);
    assert_eq!(bank.engine.status(), Status::Overloaded);
    assert_eq!(bank.transfer(id), Ok(None));
    let before = bank.account("a");
    assert_eq!(before.entry_count, (200 + id - 1_000) as u64);

    storage.set_shortage(false);
    let over = Instant::now();
    while bank.engine.status() != Status::Ready {
        assert!(over.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(bank.give(deposit(id, "a", 1)).code(), "created");
    assert_eq!(bank.give(deposit(1, "a", 10)).code(), "exists");
    drop(bank);
    let bank = Bank::open(storage.crash(), small(16, 12));
    assert_eq!(bank.account("a").entry_count, before.entry_count + 1);
}

/// A proxy that is told not to send requests sends none that would find the space.
#[test]
fn space_that_was_freed_is_found_without_a_write() {
    let storage = FaultyStorage::new(1);
    storage.set_capacity(Some(40 << 10));
    let bank = Bank::open(storage.clone(), small(16, 12));
    bank.open_accounts(&["a"]);
    let is_created = |id| bank.submit(vec![deposit(id, "a", 10)]).is_ok();
    assert!((1..1_000).any(|id| !is_created(id)));
    assert_eq!(bank.engine.status(), Status::StorageFull);
    storage.set_capacity(None);
    let freed = Instant::now();
    while bank.engine.status() != Status::Ready {
        assert!(freed.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
    assert!(is_created(1_000));
}

#[test]
fn after_a_failed_write_or_sync_nothing_more_is_written() {
    for (kind, skipped) in [(OperationKind::Write, 1), (OperationKind::Sync, 2)] {
        let storage = FaultyStorage::new(5);
        let bank = Bank::open(storage.clone(), small(64, 32));
        bank.open_accounts(&["a"]);
        bank.give(deposit(1, "a", 10));
        let before = bank.account("a");
        let failing = storage.operations() + skipped;
        storage.fail_operation(failing);
        for id in 2..6 {
            assert_eq!(
                bank.submit(vec![deposit(id, "a", 1)]),
                Err(Unavailable::StorageFailed)
            );
        }
        assert_eq!(storage.operation_log().last().unwrap().kind, kind);
        assert_eq!(storage.operations(), failing);
        assert_eq!(bank.engine.status(), Status::StorageFailed);
        assert_eq!(bank.account("a"), before);
        assert_eq!(bank.statement("a", None, 10).unwrap().entries.len(), 1);
        assert_eq!(bank.transfer(2), Ok(None));
        drop(bank);
        assert_eq!(storage.operations(), failing);
        let bank = Bank::open(storage.crash(), small(64, 32));
        let after = bank.account("a");
        assert!(after == before || after.balance() == before.balance() + 1);
        assert_eq!(bank.transfer(3), Ok(None));
    }
}

/// Everybody whose work waits behind the round that fails is told so, however much waits.
#[test]
fn all_who_wait_behind_a_failed_sync_are_told() {
    let storage = Gated::new(FaultyStorage::new(6));
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    storage.close();
    storage.inner.fail_operation(storage.inner.operations() + 2);
    let mut callers = vec![call(&bank, 1..2)];
    storage.wait_for_a_sync();
    // Together they need more room than the frame that fails has left.
    callers.extend((0..12).map(|caller| call(&bank, 100 + caller * 50..140 + caller * 50)));
    thread::sleep(Duration::from_millis(50));
    storage.open_gate();
    for caller in callers {
        assert_eq!(caller.join().unwrap(), Err(Unavailable::StorageFailed));
    }
    assert_eq!(bank.engine.status(), Status::StorageFailed);
    assert_eq!(bank.account("a").entry_count, 0);
}

type Called = thread::JoinHandle<Result<usize, Unavailable>>;

fn call(bank: &Bank<Gated>, ids: std::ops::Range<u128>) -> Called {
    let engine = Arc::clone(&bank.engine);
    let commands = ids.map(|id| deposit(id, "a", 1)).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    thread::spawn(move || submit(&*engine, commands, deadline).map(|outcomes| outcomes.len()))
}

#[test]
fn a_data_folder_has_one_engine() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let storage = FileStorage::open(folder.path()).unwrap();
        EmbeddedEngine::open(storage, small(64, 32), Arc::<ManualClock>::default())
    };
    let first = open().map_err(|error| error.to_string()).unwrap();
    let Err(OpenError::Journal(error @ journal::OpenError::Locked { .. })) = open() else {
        panic!("two engines over one folder");
    };
    let place = folder.path().display();
    let expected = format!("{place} is in use by process {}", std::process::id());
    assert_eq!(OpenError::Journal(error).to_string(), expected);
    drop(first);
    assert!(open().is_ok());
}

#[test]
fn a_clock_that_steps_back_holds_time() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(64, 32));
    bank.open_accounts(&["a"]);
    let mut newest = bank.account("a").timestamp;
    let clock = bank.clock.clone();
    let deposit_late = |bank: &Bank<FaultyStorage>, id: u128| {
        clock.set(ledger::Timestamp::from_nanos(1_000 * (20 - id as u64)));
        bank.give(deposit(id, "a", 1));
        bank.statement("a", None, 1).unwrap().entries[0].timestamp
    };
    for id in 1..10 {
        let timestamp = deposit_late(&bank, id);
        assert_eq!(timestamp, newest.next());
        newest = timestamp;
    }
    drop(bank);
    let bank = Bank::open_at(storage.crash(), small(64, 32), clock.clone());
    assert_eq!(deposit_late(&bank, 10), newest.next());
}

#[test]
fn accounts_that_are_not_there_are_none() {
    let bank = Bank::open(FaultyStorage::new(1), small(64, 32));
    let now = Instant::now();
    assert_eq!(wait(bank.engine.account(account_id("a"), now)), Ok(None));
    bank.give(open_account("a", 5));
    assert_eq!(bank.account("a").available(), Some(5));
}
