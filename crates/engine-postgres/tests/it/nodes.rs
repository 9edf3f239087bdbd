//! Several nodes over one database, at once.

use std::sync::Arc;

use engine_postgres::{Options, PostgresEngine};
use ledger::{Batch, BatchId, Engine, Outcome, TransferId};
use testkit::bank::{Drawer, check, in_seconds, open_accounts};
use testkit::servers::Postgres;

use crate::subject::open;

const NODES: usize = 3;
const TASKS: u64 = 4;
const CALLS: u64 = 40;
const COMMANDS: u64 = 12;

#[test]
fn nodes_that_meet_keep_every_rule_and_never_lock_each_other_up() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("nodes").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(Arc::new(open(&url).await));
        }
        open_accounts(&*nodes[0]).await;
        let mut tasks = Vec::new();
        for (number, node) in (0..).zip(&nodes) {
            for task in 0..TASKS {
                let seed = number * TASKS + task;
                tasks.push(tokio::spawn(work(Arc::clone(node), seed)));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        // Whatever may still expire does within the timer's time.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        let ids: Vec<_> = (0..NODES as u64 * TASKS)
            .flat_map(|seed| (0..CALLS * COMMANDS).map(move |n| transfer_id(seed, n)))
            .collect();
        let applied = check(&*nodes[0], &ids).await;
        assert!(applied > ids.len() / 4, "{applied} of {}", ids.len());
        let verified = engine_postgres::verify(&url, &Options::default(), &mut |_| {}).await;
        let verified = verified.unwrap();
        assert!(verified.is_clean(), "{:#?}", verified.findings);
    });
    let deadlocks = postgres.psql("SELECT sum(deadlocks) FROM pg_stat_database");
    assert_eq!(deadlocks.unwrap(), "0");
}

fn transfer_id(seed: u64, number: u64) -> TransferId {
    TransferId::from_u128(u128::from(seed) << 64 | u128::from(number))
}

/// Calls of several commands, every fourth one atomic; each is given twice.
async fn work(node: Arc<PostgresEngine>, seed: u64) {
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

#[test]
fn one_id_on_two_nodes_at_once_is_used_once() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("ids").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let nodes = [open(&url).await, open(&url).await];
        open_accounts(&nodes[0]).await;
        let mut drawer = Drawer::new(1);
        let ids: Vec<_> = (0..200).map(|number| transfer_id(0, number)).collect();
        for id in &ids {
            let commands = vec![ledger::Command::Transfer(drawer.transfer(*id))];
            let batch = Batch::independent(commands).unwrap();
            let (one, other) = tokio::join!(
                nodes[0].submit(vec![batch.clone()], in_seconds(20)),
                nodes[1].submit(vec![batch], in_seconds(20)),
            );
            let (one, other) = (
                one.unwrap().remove(0).remove(0),
                other.unwrap().remove(0).remove(0),
            );
            assert_eq!(one.result, other.result);
            assert!(one.replayed != other.replayed, "{one:?} {other:?}");
        }
        check(&nodes[1], &ids).await;
    });
}
