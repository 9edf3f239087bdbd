//! Every operation of a workload as a crash point, and crashes while recovering from one.

use journal::faulty::FaultyStorage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::workload::{History, append, for_seeds, open, operations, run};

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
        assert_eq!(torn.bytes(&cut.saved_as).unwrap(), segment[range.clone()]);
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
