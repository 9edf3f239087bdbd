//! Every operation of a workload as a crash point, and crashes while recovering from one.

use journal::faulty::FaultyStorage;
use journal::{Durability, OpenError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::workload::{History, SEGMENT_BYTES, append, for_seeds, open, open_as, operations, run};

/// Reopens, checks, goes on, and checks after one more power cut that this stayed too.
fn recover(storage: &FaultyStorage, mut history: History, seed: u64) {
    let (mut journal, _, found) = open(storage).unwrap();
    history.check(&found);
    let mut random = StdRng::seed_from_u64(seed ^ 0xA5A5);
    if random.random() {
        assert!(append(&mut journal, &mut random, 3, &mut history));
    }
    drop(journal);
    // What was visited or answered is durable, whatever was not synced before.
    let (journal, opened, found) = open(&storage.crash()).unwrap();
    assert_eq!(opened.cut, None);
    assert_eq!(found, history.answered);
    assert_eq!(journal.head().sequence, history.answered.len() as u64);
}

#[test]
fn every_operation_is_a_crash_point() {
    for_seeds(120, |seed| {
        for number in 0..operations(seed) {
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            let history = run(&storage, seed);
            assert!(storage.is_stopped());
            recover(&storage.crash(), history, seed);
        }
    });
}

#[test]
fn every_operation_is_a_point_to_kill_the_process() {
    for_seeds(40, |seed| {
        for number in 0..operations(seed) {
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            let history = run(&storage, seed);
            recover(&storage.kill(), history, seed);
        }
    });
}

#[test]
fn crashes_while_recovering_lose_nothing_either() {
    for_seeds(300, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let mut storage = FaultyStorage::new(seed);
        storage.crash_after_operation(random.random_range(0..operations(seed)));
        let mut history = run(&storage, seed);
        for _ in 0..random.random_range(1..6) {
            storage = if random.random() {
                storage.crash()
            } else {
                storage.kill()
            };
            storage.crash_after_operation(random.random_range(0..25));
            if let Ok((mut journal, _, found)) = open(&storage) {
                history.check(&found);
                append(&mut journal, &mut random, 2, &mut history);
            }
        }
        recover(&storage.crash(), history, seed);
    });
}

#[test]
fn a_tear_is_kept_before_it_is_cut() {
    for_seeds(200, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        storage.crash_after_operation(random.random_range(0..operations(seed)));
        let history = run(&storage, seed);
        let torn = storage.crash();
        let before = torn.copy();
        let Ok((_journal, opened, _)) = open(&torn) else {
            panic!("a tear stops nobody")
        };
        let Some(cut) = opened.cut else { return };
        let segment = before.bytes(&cut.file).unwrap();
        let range = cut.offset as usize..(cut.offset + cut.bytes) as usize;
        // A first segment is kept whole; of others, the bytes that were cut.
        let saved = torn.bytes(&cut.saved_as).unwrap();
        let (kept, zeros) = saved.split_at(range.len());
        assert_eq!(kept, &segment[range.clone()]);
        assert!(zeros.iter().all(|byte| *byte == 0));
        assert!(segment[range.end..].iter().all(|byte| *byte == 0));
        let after = torn.bytes(&cut.file).unwrap();
        assert_eq!(
            after[128..range.start.max(128)],
            segment[128..range.start.max(128)]
        );
        assert!(after[range.start.max(128)..].iter().all(|byte| *byte == 0));
        assert!(
            history.unanswered.is_some() || cut.offset == 0,
            "only what was unanswered"
        );
    });
}

#[test]
fn a_cut_that_is_cut_short_keeps_the_bytes_somewhere() {
    for_seeds(150, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        storage.crash_after_operation(random.random_range(10..operations(seed)));
        run(&storage, seed);
        let torn = storage.crash();
        let whole_opening = torn.copy();
        let Some(cut) = open(&whole_opening).unwrap().1.cut else {
            return;
        };
        let range = cut.offset as usize..(cut.offset + cut.bytes) as usize;
        let bytes = torn.bytes(&cut.file).unwrap()[range.clone()].to_vec();
        for number in 0..whole_opening.operations() {
            let storage = torn.copy();
            storage.crash_after_operation(number);
            let _ = open(&storage);
            let after = storage.crash();
            let in_place = after.bytes(&cut.file).unwrap()[range.clone()] == bytes;
            let saved = after
                .bytes(&cut.saved_as)
                .is_some_and(|saved| saved == bytes);
            assert!(in_place || saved, "after operation {number} of the opening");
        }
    });
}

#[test]
fn without_syncs_a_power_cut_leaves_a_beginning_or_is_named() {
    for_seeds(200, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = FaultyStorage::new(seed);
        let mut history = History::default();
        let mut journal = open_as(&storage, Durability::Os).unwrap().0;
        assert!(append(&mut journal, &mut random, 30, &mut history));
        let sealed = journal.head();
        drop(journal);
        let killed = storage.kill();
        match open_as(&killed.copy(), Durability::Os) {
            Ok((journal, opened, found)) => {
                assert_eq!((journal.head(), opened.cut), (sealed, None));
                assert_eq!(found, history.answered);
            }
            Err(error) => panic!("{error}"),
        }
        match open_as(&killed.crash(), Durability::Os) {
            Ok((_, _, found)) => assert_eq!(found, history.answered[..found.len()]),
            Err(OpenError::Damaged { file, .. }) => {
                // Sealed segments were synced when they were left.
                let last = history.answered.last().unwrap().records[0].0.to_u64();
                assert_eq!(file, format!("{:010}.segment", last / SEGMENT_BYTES));
            }
            Err(error) => panic!("{error}"),
        }
    });
}
