//! Tasks that move money over several nodes, remember what they were told, and check that it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine_write_behind::WriteBehindEngine;
use ledger::{Engine, Outcome, Record, TransferId, UsedTransfer};
use testkit::bank::{Drawer, check, in_seconds, submit_one};
use tokio::task::JoinHandle;

use crate::support::wait_for;

const TASKS: u64 = 8;

/// What tasks were answered, and every id they have given.
#[derive(Default)]
pub(crate) struct Told {
    outcomes: Vec<(TransferId, Outcome)>,
    ids: Vec<TransferId>,
}

/// A load that runs until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Told>>,
}

impl Load {
    /// Starts tasks over these nodes; loads over the same ledger need different numbers.
    pub(crate) fn start(nodes: &[Arc<WriteBehindEngine>], number: u64) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let tasks = (0..TASKS).map(|task| {
            let node = Arc::clone(&nodes[usize::try_from(task).unwrap() % nodes.len()]);
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(work(node, number * TASKS + task, stop, answered))
        });
        let tasks = tasks.collect();
        Self {
            stop,
            answered,
            tasks,
        }
    }

    /// Waits until this many more were answered.
    pub(crate) async fn wait_for_more(&self, count: u64) {
        let until = self.answered.load(Ordering::Relaxed) + count;
        wait_for("more answers", || {
            self.answered.load(Ordering::Relaxed) >= until
        })
        .await;
    }

    pub(crate) async fn stop(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut told = Told::default();
        for task in self.tasks {
            let more = task.await.unwrap();
            told.outcomes.extend(more.outcomes);
            told.ids.extend(more.ids);
        }
        told
    }
}

impl Told {
    pub(crate) fn join(mut self, more: Self) -> Self {
        self.outcomes.extend(more.outcomes);
        self.ids.extend(more.ids);
        self
    }

    pub(crate) const fn answered_count(&self) -> usize {
        self.outcomes.len()
    }

    /// All that was answered is there, and the ledger is what its transfers make it.
    pub(crate) async fn check_kept(&self, engine: &WriteBehindEngine) {
        for (id, outcome) in &self.outcomes {
            let kept = engine.transfer(*id, in_seconds(20)).await.unwrap();
            match (&outcome.result, kept) {
                (Ok(Record::Transfer(told)), Some(UsedTransfer::Created(kept, _))) => {
                    assert_eq!(*told, kept);
                }
                (Err(told), Some(UsedTransfer::Refused(_, kept))) => assert_eq!(*told, kept),
                (told, kept) => panic!("{id}: told {told:?}, kept {kept:?}"),
            }
        }
        assert!(check(engine, &self.ids).await > 0);
    }

    /// Nothing of it is there.
    pub(crate) async fn check_gone(&self, engine: &WriteBehindEngine) {
        assert!(!self.ids.is_empty());
        for id in &self.ids {
            let kept = engine.transfer(*id, in_seconds(20)).await.unwrap();
            assert_eq!(kept, None, "{id}");
        }
    }
}

async fn work(
    engine: Arc<WriteBehindEngine>,
    seed: u64,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> Told {
    let mut told = Told::default();
    let mut drawer = Drawer::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let id = TransferId::from_u128(u128::from(seed) << 64 | told.ids.len() as u128);
        told.ids.push(id);
        let command = drawer.command(id);
        // Short, so that many calls end without an answer.
        let deadline = std::time::Instant::now() + Duration::from_millis(800);
        if let Ok(outcome) = submit_one(&*engine, command, deadline).await {
            answered.fetch_add(1, Ordering::Relaxed);
            told.outcomes.push((id, outcome));
        }
        // Not as fast as it can: the other tests run beside.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    told
}
