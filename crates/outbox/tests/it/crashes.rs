//! Crashes at any moment, before a ledger with moods: everything accepted is applied, once.

use std::collections::HashSet;
use std::sync::Arc;

use journal::faulty::FaultyStorage;
use ledger::Engine;
use outbox::Outbox;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::{RealClock, Seeds};

use crate::bank::{Ledger, Manner, accept, drained, open, operation, small};

struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "this run again, as far as threads allow: LASTRO_SEED={}",
                self.0
            );
        }
    }
}

/// Which operations the drain has given when the machine stops is up to the threads; what must
/// hold after it is not.
#[test]
fn everything_accepted_is_applied_once_after_any_crash() {
    for seed in Seeds::from_env(60) {
        let _again = Again(seed);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(crash_and_recover(seed));
    }
}

async fn crash_and_recover(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let ledger = Ledger::start(Manner::Moody).await;
    let mut storage = FaultyStorage::new(seed);
    let (mut next, mut accepted) = (1, HashSet::new());
    for _ in 0..random.random_range(1..5) {
        let operations_max = if random.random() { 250 } else { 20 };
        storage.crash_after_operation(random.random_range(0..operations_max));
        let engine = Arc::clone(&ledger) as Arc<dyn Engine>;
        let opened = Outbox::open(
            storage.clone(),
            &small(),
            engine,
            Arc::new(RealClock::default()),
        );
        if let Ok((outbox, _)) = opened {
            for _ in 0..random.random_range(1..150) {
                let number = next;
                next += 1;
                if accept(&outbox, operation(number)).await.is_err() {
                    break;
                }
                accepted.insert(number);
            }
        }
        storage = if random.random_ratio(3, 4) {
            storage.crash()
        } else {
            storage.kill()
        };
    }
    let outbox = open(storage, &small(), &ledger);
    drained(&outbox).await;
    let recorded = ledger.recorded();
    let once: HashSet<u128> = recorded.iter().copied().collect();
    assert_eq!(once.len(), recorded.len(), "something was applied twice");
    let lost: Vec<_> = accepted.difference(&once).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(recorded.is_sorted(), "out of order: {recorded:?}");
}
