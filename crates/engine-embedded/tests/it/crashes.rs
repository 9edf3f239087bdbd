//! Crashes of the whole engine: power cuts and kills at every operation, also while recovering.

use journal::faulty::FaultyStorage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use crate::workload::{Again, Workload};

/// Steps of a workload of which every operation is a crash point.
const STEPS: usize = 24;
/// Steps of a longer one.
const STEPS_LONG: usize = 60;

/// How many operations the workload takes when nothing happens.
fn operations(seed: u64, steps: usize) -> u64 {
    let storage = FaultyStorage::new(seed);
    Workload::of_either_kind(seed).run(&storage, steps);
    storage.operations()
}

/// What a restart finds: after a power cut, or after a kill.
fn restart(storage: &FaultyStorage, power_cut: bool) -> FaultyStorage {
    if power_cut {
        storage.crash()
    } else {
        storage.kill()
    }
}

#[test]
fn every_operation_is_a_crash_point() {
    for seed in Seeds::from_env(12) {
        let mut again = Again::new(seed);
        for number in 0..=operations(seed, STEPS) {
            let power_cut = !(number + seed).is_multiple_of(4);
            again.point = format!("crash after operation {number}, power cut: {power_cut}");
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            let mut workload = Workload::of_either_kind(seed);
            workload.run(&storage, STEPS);
            let storage = restart(&storage, power_cut);
            workload.recover(&storage, 3);
            // What was answered since is durable as well.
            workload.recover(&storage.crash(), 0);
        }
    }
}

#[test]
fn crash_after_crash_loses_nothing() {
    for seed in Seeds::from_env(300) {
        let mut again = Again::new(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut workload = Workload::of_either_kind(seed);
        let mut storage = FaultyStorage::new(seed);
        for crash in 0..random.random_range(2..7) {
            // Often the crash comes while the one before is being recovered from.
            let operations_max = if random.random() { 200 } else { 25 };
            let number = random.random_range(0..operations_max);
            let power_cut = random.random_ratio(3, 4);
            again.point = format!("crash {crash} after operation {number}, power cut: {power_cut}");
            storage.crash_after_operation(number);
            workload.run(&storage, STEPS_LONG);
            storage = restart(&storage, power_cut);
        }
        workload.recover(&storage, 5);
        workload.recover(&storage.crash(), 0);
    }
}

#[test]
fn a_crash_of_a_failing_disk_loses_nothing() {
    for seed in Seeds::from_env(200) {
        let mut again = Again::new(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let number = random.random_range(1..=operations(seed, STEPS));
        let power_cut = random.random();
        again.point = format!("operation {number} fails, power cut: {power_cut}");
        let storage = FaultyStorage::new(seed);
        storage.fail_operation(number);
        let mut workload = Workload::of_either_kind(seed);
        workload.run(&storage, STEPS);
        let storage = restart(&storage, power_cut);
        workload.recover(&storage, 3);
        workload.recover(&storage.crash(), 0);
    }
}
