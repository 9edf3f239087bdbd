//! A disk that is full, that fails, that is damaged.

use std::time::{Duration, Instant};

use journal::faulty::{FaultyStorage, OperationKind};
use ledger::Unavailable;
use outbox::{NotAccepted, Operations, OutboxOptions, OutboxStatus};

use crate::bank::{Ledger, Manner, QUEUED, accept, drained, open, operation, small, soon};

const AWAY: Manner = Manner::Away(Unavailable::LedgerUnavailable);

fn unavailable<T>(why: Unavailable) -> Result<T, NotAccepted> {
    Err(NotAccepted::Unavailable(why))
}

#[tokio::test]
async fn a_full_disk_refuses_until_space_is_freed_and_the_queue_is_applied_meanwhile() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    storage.set_capacity(Some(40 << 10));
    let outbox = open(storage.clone(), &small(), &ledger);
    let mut number = 0;
    let refused = loop {
        number += 1;
        match accept(&outbox, operation(number)).await {
            Ok(QUEUED) => {}
            refused => break refused,
        }
    };
    assert_eq!(refused, unavailable(Unavailable::StorageFull));
    assert_eq!(outbox.status(), OutboxStatus::StorageFull);
    let queued = number - 1;
    ledger.behave(Manner::Well);
    drained(&outbox).await;
    assert_eq!(ledger.recorded(), (1..=queued).collect::<Vec<_>>());
    // What was applied makes the space that was missing.
    let deadline = soon();
    while outbox.status() != OutboxStatus::Ready {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
}

/// At the limit of open files nothing is broken for good: what waits is applied and what comes is
/// taken once there are descriptors again.
#[tokio::test]
async fn a_shortage_of_descriptors_passes() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    let outbox = open(storage.clone(), &small(), &ledger);
    for number in 1..=300 {
        assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
    }
    drop(outbox);
    // What was written before is open no more.
    let storage = storage.kill();
    let outbox = open(storage.clone(), &small(), &ledger);
    storage.set_shortage(true);
    ledger.behave(Manner::Well);
    let overloaded = unavailable(Unavailable::Overloaded);
    assert_eq!(accept(&outbox, operation(1)).await, overloaded);
    let mut number = 1_000;
    let refused = loop {
        match accept(&outbox, operation(number)).await {
            Ok(QUEUED) => number += 1,
            refused => break refused,
        }
    };
    assert_eq!(refused, overloaded);
    assert_eq!(outbox.status(), OutboxStatus::Overloaded);
    assert!(outbox.depth() >= 300, "what cannot be read waits");

    storage.set_shortage(false);
    drained(&outbox).await;
    let deadline = soon();
    while outbox.status() != OutboxStatus::Ready {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(accept(&outbox, operation(number)).await, Ok(QUEUED));
    drained(&outbox).await;
    let expected = (1..=300).chain(1_000..=number);
    assert_eq!(ledger.recorded(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_failed_write_or_sync_nothing_is_taken_and_the_queue_is_applied() {
    for (kind, skipped) in [(OperationKind::Write, 1), (OperationKind::Sync, 2)] {
        let ledger = Ledger::start(AWAY).await;
        let storage = FaultyStorage::new(5);
        let outbox = open(storage.clone(), &small(), &ledger);
        assert_eq!(accept(&outbox, operation(1)).await, Ok(QUEUED));
        let operations = storage.operations();
        storage.fail_operation(operations + skipped);
        let failed = unavailable(Unavailable::StorageFailed);
        assert_eq!(accept(&outbox, operation(2)).await, failed);
        let log = storage.operation_log();
        assert_eq!(log.last().unwrap().kind, kind);
        assert_eq!(outbox.status(), OutboxStatus::StorageFailed);
        assert_eq!(accept(&outbox, operation(3)).await, failed);
        ledger.behave(Manner::Well);
        drained(&outbox).await;
        assert_eq!(ledger.recorded(), [1]);
        drop(outbox);
        assert_eq!(storage.operation_log().len(), log.len(), "nothing more");
        // Of the unanswered one all or nothing is there, and the first is not done again.
        let outbox = open(storage.crash(), &small(), &ledger);
        drained(&outbox).await;
        let recorded = ledger.recorded();
        assert!(recorded == [1] || recorded == [1, 2], "{recorded:?}");
    }
}

#[tokio::test]
async fn a_queued_operation_that_was_damaged_holds_back_what_is_behind_it() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    let options = OutboxOptions {
        pause_max: Duration::from_millis(5),
        ..small()
    };
    let outbox = open(storage.clone(), &options, &ledger);
    for number in 1..=10 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    // In the fifth operation's record, at the end of its frame: they are all of one length.
    let bytes = storage.bytes("0000000000.segment").unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let end_of_fifth = (128 + (end - 128) / 2) as usize;
    storage.alter("0000000000.segment", |bytes| {
        for byte in &mut bytes[end_of_fifth - 20..end_of_fifth - 5] {
            *byte ^= 0x55;
        }
    });
    ledger.behave(Manner::Well);
    let deadline = soon();
    while outbox.status() != OutboxStatus::StorageDamaged {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ledger.recorded(), [1, 2, 3, 4]);
    let answer = accept(&outbox, operation(11)).await;
    assert_eq!(answer, unavailable(Unavailable::StorageDamaged));
    assert_eq!(outbox.depth(), 6);
}
