//! Replaying the journal gives the state that was there, and reading it disturbs nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine_embedded::verify;
use journal::FileStorage;
use journal::faulty::FaultyStorage;
use ledger::{Batch, BatchId, Command, Engine, Outcome, Timestamp, UsedTransfer};
use testkit::Seeds;

use crate::bank::{Bank, deposit, open_account, pend, small, small_overlapping, wait};
use crate::model::ids;
use crate::picture::picture;
use crate::workload::{Again, Workload};

#[test]
fn a_replayed_engine_reads_as_the_one_before() {
    for seed in Seeds::from_env(12) {
        let _again = Again::new(seed);
        let storage = FaultyStorage::new(seed);
        let mut workload = Workload::new(seed);
        let live = workload.open(&storage).unwrap();
        for _ in 0..3 {
            assert!(workload.work(&live, &storage, 60));
        }
        let ids = ids(&workload.model.books);
        let before = picture(&live, &ids);
        let status = (live.accounts_count(), live.transfer_ids_count());
        drop(live);
        let replayed = workload.open(&storage).unwrap();
        assert_eq!(picture(&replayed, &ids), before);
        let replayed_status = (replayed.accounts_count(), replayed.transfer_ids_count());
        assert_eq!(replayed_status, status);
        drop(replayed);
        // Refusals, payments and atomic batches are remembered; the model agrees; work goes on.
        workload.recover(&storage, 10);
    }
}

/// What comes due in the nanoseconds of an atomic batch may be ended by a member of it.
#[test]
fn an_expiry_that_is_a_member_is_no_finding() {
    let storage = FaultyStorage::new(1);
    let bank = Bank::open(storage.clone(), small(64, 48));
    bank.give(open_account("a", 100));
    bank.give(pend(1, "a", 10, 1));
    let pended = bank.transfer(1).unwrap().unwrap();
    let UsedTransfer::Created(pended, _) = pended else {
        panic!("{pended:?}");
    };
    let due = pended.expires_at().unwrap().as_nanos();
    bank.clock.set(Timestamp::from_nanos(due - 1));
    let pending_id = pended.id;
    let members = vec![deposit(2, "a", 1), Command::Expire { pending_id }];
    let batch = Batch::atomic(BatchId::from_u128(1), members).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let first = wait(bank.engine.submit(vec![batch.clone()], deadline)).unwrap();
    assert!(first[0].iter().all(|outcome| outcome.code() == "created"));
    let again = wait(bank.engine.submit(vec![batch], deadline)).unwrap();
    for (first, again) in first[0].iter().zip(&again[0]) {
        assert_eq!(*again, Outcome::exists(first.result.clone()));
    }
    drop(bank);
    let verified = verify(storage, small(64, 48).journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
}

#[test]
fn the_journal_is_verified_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(folder.path()).unwrap();
    let bank = Arc::new(Bank::open(storage, small_overlapping(64, 48)));
    bank.open_accounts(&["a"]);
    let is_done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (bank, is_done) = (Arc::clone(&bank), Arc::clone(&is_done));
        thread::spawn(move || {
            for call in 0..300 {
                let ids = call * 10..call * 10 + 10;
                let commands = ids.map(|id| deposit(id, "a", 1)).collect();
                bank.submit(commands).unwrap();
            }
            is_done.store(true, Ordering::SeqCst);
        })
    };
    let mut records_before = 0;
    let mut verified_count = 0;
    loop {
        let was_done = is_done.load(Ordering::SeqCst);
        let storage = FileStorage::open_existing(folder.path()).unwrap();
        let verified = verify(storage, small(64, 48).journal, true).unwrap();
        assert_eq!(verified.audit.findings, []);
        assert!(verified.audit.records_count >= records_before);
        assert!(verified.opened.is_none());
        records_before = verified.audit.records_count;
        verified_count += 1;
        if was_done {
            break;
        }
    }
    writing.join().unwrap();
    assert_eq!(records_before, 3_001);
    assert!(verified_count > 1);
    assert_eq!(bank.account("a").entry_count, 3_000);
}
