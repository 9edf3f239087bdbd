//! The next segment, prepared ahead: reused when whole, replaced when not.

use journal::faulty::{FaultyStorage, OperationKind as K};
use journal::{BeginError, Journal, Storage};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::workload::{History, append, for_seeds, open};

fn created(storage: &FaultyStorage, name: &str) -> bool {
    let log = storage.operation_log();
    log.iter()
        .any(|done| done.kind == K::Create && done.file == name)
}

fn closed() -> FaultyStorage {
    let storage = FaultyStorage::new(5);
    drop(open(&storage).unwrap());
    assert!(
        storage
            .bytes("spare")
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
    storage.copy()
}

/// Fills some segments and finds them again.
fn goes_on(storage: &FaultyStorage) {
    let mut history = History::default();
    let (mut journal, _, _) = open(storage).unwrap();
    assert!(append(
        &mut journal,
        &mut StdRng::seed_from_u64(5),
        40,
        &mut history
    ));
    drop(journal);
    assert_eq!(open(&storage.crash()).unwrap().2, history.answered);
}

#[test]
fn a_whole_spare_is_used_again() {
    let storage = closed();
    drop(open(&storage).unwrap());
    assert!(!created(&storage, "spare.partial"));
    goes_on(&storage);
}

#[test]
fn a_spare_that_is_not_whole_is_replaced() {
    let short = closed();
    short.alter("spare", |bytes| bytes.truncate(4000));
    let written = closed();
    written.flip_bit("spare", 4095 * 8);
    for storage in [short, written] {
        drop(open(&storage).unwrap());
        assert!(created(&storage, "spare.partial"));
        let spare = storage.bytes("spare").unwrap();
        assert_eq!(spare, vec![0; 4096]);
        goes_on(&storage);
    }
}

#[test]
fn a_half_filled_spare_is_removed() {
    let storage = closed();
    storage.create("spare.partial").unwrap();
    drop(open(&storage).unwrap());
    assert_eq!(storage.bytes("spare.partial"), None);
    goes_on(&storage);
}

#[test]
fn a_helper_thread_prepares_them_too() {
    for_seeds(30, |seed| {
        let storage = FaultyStorage::new(seed).with_helper_thread();
        let mut random = StdRng::seed_from_u64(seed);
        let mut history = History::default();
        let (mut journal, _, _) = open(&storage).unwrap();
        storage.crash_after_operation(storage.operations() + seed * 7 % 150);
        append(&mut journal, &mut random, 60, &mut history);
        drop(journal);
        let (_, _, found) = open(&storage.crash()).unwrap();
        history.check(&found);
    });
}

#[test]
fn a_full_disk_is_waited_out_with_a_helper_thread_too() {
    let storage = FaultyStorage::new(9).with_helper_thread();
    let mut random = StdRng::seed_from_u64(9);
    let mut history = History::default();
    let (mut journal, _, _) = open(&storage).unwrap();
    storage.set_capacity(Some(4096 * 3));
    assert!(!append(&mut journal, &mut random, 1000, &mut history));
    storage.set_capacity(None);
    let start = std::time::Instant::now();
    while !append(&mut journal, &mut random, 20, &mut history) {
        assert!(start.elapsed().as_secs() < 10, "writes never went on");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(journal);
    assert_eq!(open(&storage.crash()).unwrap().2, history.answered);
}

/// A journal whose next `begin` rolls.
fn about_to_roll() -> (FaultyStorage, Journal<FaultyStorage>) {
    let storage = FaultyStorage::new(5);
    let (mut journal, _, _) = open(&storage).unwrap();
    for _ in 0..2 {
        journal.begin(1900, 1).unwrap();
        journal.push(|buffer| buffer.extend_from_slice(&[1; 1900]));
        journal.commit(1).unwrap();
    }
    (storage, journal)
}

#[test]
fn a_roll_is_durable_before_it_is_used() {
    let (storage, mut journal) = about_to_roll();
    let before = storage.operation_log().len();
    journal.begin(1900, 1).unwrap();
    let log = &storage.operation_log()[before..];
    let kinds: Vec<_> = log[..4].iter().map(|done| done.kind).collect();
    assert_eq!(kinds, [K::Rename, K::SyncDirectory, K::Write, K::Sync]);
    assert_eq!(
        (log[0].file.as_str(), log[2].offset, log[2].bytes),
        ("spare", 0, 128)
    );
    // Then the next one is prepared, and no name is given to it before its zeros are synced.
    let kinds: Vec<_> = log[4..].iter().map(|done| done.kind).collect();
    assert_eq!(
        kinds,
        [K::Create, K::Write, K::Sync, K::Rename, K::SyncDirectory]
    );
}

#[test]
fn a_roll_that_fails_is_final() {
    for step in 1..=4 {
        let (storage, mut journal) = about_to_roll();
        let number = storage.operations() + step;
        storage.fail_operation(number);
        for _ in 0..2 {
            let refused = journal.begin(1900, 1);
            assert!(
                matches!(refused, Err(BeginError::Failed(_))),
                "{step}: {refused:?}"
            );
        }
        assert_eq!(storage.operations(), number);
        drop(journal);
        assert_eq!(open(&storage.crash()).unwrap().2.len(), 2);
    }
}

#[test]
fn a_roll_without_a_durable_name_is_made_durable_by_opening() {
    let (storage, mut journal) = about_to_roll();
    storage.crash_after_operation(storage.operations() + 1);
    assert!(journal.begin(1900, 1).is_err());
    drop(journal);
    let killed = storage.kill();
    let (_, opened, found) = open(&killed).unwrap();
    assert_eq!((opened.segments, opened.cut, found.len()), (3, None, 2));
    let kinds: Vec<_> = killed
        .operation_log()
        .iter()
        .map(|done| done.kind)
        .collect();
    // The header, and the name, before the next spare.
    assert_eq!(kinds[..4], [K::Write, K::Sync, K::SyncDirectory, K::Create]);
}

/// What cannot be created is late: nothing is written, nothing is broken, and it goes on by itself.
#[test]
fn a_shortage_of_descriptors_is_waited_out() {
    for in_background in [false, true] {
        let mut storage = FaultyStorage::new(9);
        if in_background {
            storage = storage.with_helper_thread();
        }
        let mut random = StdRng::seed_from_u64(9);
        let mut history = History::default();
        let (mut journal, _, _) = open(&storage).unwrap();
        storage.set_shortage(true);
        while append(&mut journal, &mut random, 1, &mut history) {}
        let refused = journal.begin(1900, 1).unwrap_err();
        assert!(matches!(refused, BeginError::Short { .. }), "{refused}");
        assert!(journal.failure().is_none());
        storage.set_shortage(false);
        let start = std::time::Instant::now();
        while !append(&mut journal, &mut random, 20, &mut history) {
            assert!(start.elapsed().as_secs() < 10, "writes never went on");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        drop(journal);
        assert_eq!(open(&storage.crash()).unwrap().2, history.answered);
    }
}
