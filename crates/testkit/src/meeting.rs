//! Several nodes over one ledger that meet at its accounts and ids.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use ledger::{Batch, BatchId, Command, Engine, Outcome, TransferId};

use crate::bank::{Drawer, check, in_seconds, open_accounts};

const TASKS: u64 = 12;
const CALLS: u64 = 40;
const COMMANDS: u64 = 12;
/// Longer than anything drawn pends, and the timers take.
const EXPIRED_AFTER: Duration = Duration::from_secs(4);

fn transfer_id(seed: u64, number: u64) -> TransferId {
    TransferId::from_u128(u128::from(seed) << 64 | u128::from(number))
}

/// Gives the nodes calls of several commands, from many tasks, and checks what came of all.
///
/// # Panics
///
/// When something is not as it must be.
pub async fn meet(nodes: &[Arc<impl Engine>]) {
    open_accounts(&*nodes[0]).await;
    let tasks = nodes.iter().cycle().zip(0..TASKS);
    let tasks = tasks.map(|(node, seed)| {
        let node = Arc::clone(node);
        tokio::spawn(async move { work(&*node, seed).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    tokio::time::sleep(EXPIRED_AFTER).await;
    let ids: Vec<_> = (0..TASKS)
        .flat_map(|seed| (0..CALLS * COMMANDS).map(move |number| transfer_id(seed, number)))
        .collect();
    let applied = check(&**nodes.last().unwrap(), &ids).await;
    assert!(applied > ids.len() / 4, "{applied} of {}", ids.len());
}

/// Calls of several commands, every fourth one atomic; each is given twice.
async fn work(node: &impl Engine, seed: u64) {
    let mut drawer = Drawer::new(seed);
    for call in 0..CALLS {
        let numbers = call * COMMANDS..(call + 1) * COMMANDS;
        let commands: Vec<_> = numbers
            .map(|number| drawer.command(transfer_id(seed, number)))
            .collect();
        let batch = if call % 4 == 3 {
            let id = BatchId::from_u128(u128::from(seed * CALLS + call));
            Batch::atomic(id, commands[..3].to_vec()).unwrap()
        } else {
            Batch::independent(commands).unwrap()
        };
        let first = node.submit(vec![batch.clone()], in_seconds(30)).await;
        let again = node.submit(vec![batch], in_seconds(30)).await;
        assert_eq!(replayed(first.unwrap()), again.unwrap());
    }
}

fn replayed(outcomes: Vec<Vec<Outcome>>) -> Vec<Vec<Outcome>> {
    let again = |outcome: Outcome| Outcome::exists(outcome.result);
    let all = outcomes.into_iter();
    all.map(|batch| batch.into_iter().map(again).collect())
        .collect()
}

/// Gives two nodes the same ids at once: each is used once, and both tell the same.
///
/// # Panics
///
/// When something is not as it must be.
pub async fn race(one: &impl Engine, other: &impl Engine) {
    open_accounts(one).await;
    let mut drawer = Drawer::new(1);
    let ids: Vec<_> = (0..200).map(|number| transfer_id(0, number)).collect();
    for id in &ids {
        let batch = Batch::one(Command::Transfer(drawer.transfer(*id)));
        let (first, second) = tokio::join!(
            one.submit(vec![batch.clone()], in_seconds(20)),
            other.submit(vec![batch], in_seconds(20)),
        );
        let (first, second) = (first.unwrap().concat(), second.unwrap().concat());
        assert_eq!(first[0].result, second[0].result);
        assert!(
            first[0].replayed != second[0].replayed,
            "{first:?} {second:?}"
        );
    }
    check(other, &ids).await;
}
