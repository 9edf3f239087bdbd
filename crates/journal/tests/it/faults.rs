//! Failing writes and syncs, a full disk, writes that land elsewhere.

use journal::faulty::{FaultyStorage, OperationKind};
use journal::{BeginError, CommitError, OpenError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::workload::{
    FRAMES_ALL, History, SEGMENT_BYTES, append, for_seeds, open, operations, run,
};

#[test]
fn after_a_failed_operation_nothing_is_lost() {
    for_seeds(60, |seed| {
        for number in 1..=operations(seed) {
            let storage = FaultyStorage::new(seed);
            storage.fail_operation(number);
            let mut history = run(&storage, seed);
            // The page cache shows what the failed sync may have dropped: once a reader was shown
            // it, a power cut must not take it.
            let killed = storage.kill();
            let (journal, _, found) = open(&killed).unwrap();
            history.check(&found);
            drop(journal);
            let (_, opened, found) = open(&killed.crash()).unwrap();
            assert_eq!(opened.cut, None);
            assert_eq!(found, history.answered);
        }
    });
}

#[test]
fn a_failed_write_or_sync_is_final() {
    for kind in [OperationKind::Write, OperationKind::Sync] {
        let storage = FaultyStorage::new(1);
        let (mut journal, _, _) = open(&storage).unwrap();
        let mut history = History::default();
        let mut random = StdRng::seed_from_u64(1);
        assert!(append(&mut journal, &mut random, 1, &mut history));
        let skipped = if kind == OperationKind::Write { 1 } else { 2 };
        let number = storage.operations() + skipped;
        storage.fail_operation(number);
        assert!(!append(&mut journal, &mut random, 1, &mut history));
        assert_eq!(storage.operation_log().last().unwrap().kind, kind);
        assert!(history.unanswered.is_some());
        let head = journal.head();
        for _ in 0..3 {
            assert!(matches!(journal.commit(9), Err(CommitError::Failed(_))));
        }
        assert!(
            journal
                .failure()
                .unwrap()
                .to_string()
                .contains("0000000000.segment")
        );
        assert_eq!(
            storage.operations(),
            number,
            "nothing is written or synced any more"
        );
        assert_eq!(journal.head(), head);
        let reader = journal.reader();
        let mut buffer = Vec::new();
        for (address, payload) in &history.answered[0].records {
            reader.record(*address, &mut buffer).unwrap();
            assert_eq!(&buffer, payload);
        }
    }
}

#[test]
fn begin_refuses_after_a_failure_too() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _, _) = open(&storage).unwrap();
    storage.fail_operation(storage.operations() + 2);
    journal.begin(0, 0).unwrap();
    assert!(journal.commit(1).is_err());
    let operations = storage.operations();
    assert!(matches!(journal.begin(10, 1), Err(BeginError::Failed(_))));
    assert_eq!(storage.operations(), operations);
}

#[test]
fn a_full_disk_is_told_before_and_writes_go_on_when_space_is_freed() {
    for_seeds(100, |seed| {
        let storage = FaultyStorage::new(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut history = History::default();
        // Room for two segments and a part of the third.
        storage.set_capacity(Some(SEGMENT_BYTES * 2 + SEGMENT_BYTES / 3));
        let (mut journal, _, _) = open(&storage).unwrap();
        assert!(!append(&mut journal, &mut random, 1000, &mut history));
        assert!(history.unanswered.is_none());
        assert!(matches!(journal.begin(1920, 1), Err(BeginError::Full)));
        assert_eq!(storage.bytes("spare.partial"), None);
        let reader = journal.reader();
        let mut buffer = Vec::new();
        for (address, payload) in history.answered.iter().flat_map(|frame| &frame.records) {
            reader.record(*address, &mut buffer).unwrap();
            assert_eq!(&buffer, payload);
        }
        storage.set_capacity(Some(SEGMENT_BYTES * 20));
        assert!(append(&mut journal, &mut random, 20, &mut history));
        drop(journal);
        let (_, _, found) = open(&storage.crash()).unwrap();
        assert_eq!(found, history.answered);
    });
}

#[test]
fn no_room_for_the_first_segment_is_an_error_that_leaves_nothing() {
    let storage = FaultyStorage::new(3);
    storage.set_capacity(Some(SEGMENT_BYTES - 1));
    let error = open(&storage).unwrap_err();
    let OpenError::Io { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    storage.set_capacity(None);
    assert!(open(&storage).unwrap().1.created);
}

#[test]
fn a_misdirected_write_never_passes_for_another() {
    for_seeds(100, |seed| {
        let storage = FaultyStorage::new(seed);
        run(&storage, seed);
        let log = storage.operation_log();
        let writes = (1..)
            .zip(&log)
            .filter(|(_, done)| done.kind == OperationKind::Write);
        for (number, write) in writes {
            misdirect(seed, number, write.file.ends_with(".segment"));
        }
    });
}

fn misdirect(seed: u64, number: u64, of_a_segment: bool) {
    let storage = FaultyStorage::new(seed);
    storage.misdirect_operation(number);
    let good = FaultyStorage::new(seed);
    let mut history = run(&good, seed);
    // The workload stops by itself when the second opening meets the damage.
    let written = run_checked(&storage, seed);
    if let Some(written) = written {
        history = written;
    }
    let storage = storage.kill();
    let (journal, _, found) = match open(&storage) {
        Ok(opened) => opened,
        Err(OpenError::Damaged { file, .. }) => {
            assert!(file.ends_with(".segment"));
            return;
        }
        Err(error) => panic!("operation {number}: {error}"),
    };
    assert_eq!(found, history.answered[..found.len()], "operation {number}");
    if of_a_segment {
        assert!(
            found.len() + 1 >= history.answered.len(),
            "operation {number}"
        );
    }
    let reader = journal.reader();
    let mut buffer = Vec::new();
    for (address, payload) in history.answered.iter().flat_map(|frame| &frame.records) {
        if reader.record(*address, &mut buffer).is_ok() {
            assert_eq!(&buffer, payload, "operation {number}");
        }
    }
}

/// The first half of the workload; `None` if it could not even be opened.
fn run_checked(storage: &FaultyStorage, seed: u64) -> Option<History> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut history = History::default();
    let (mut journal, _, _) = open(storage).ok()?;
    append(&mut journal, &mut random, FRAMES_ALL, &mut history);
    Some(history)
}
