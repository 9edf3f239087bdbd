//! Several nodes over the same stores, at once.

use engine_write_behind::{Options, verify};
use ledger::{Batch, BatchId, Command, Engine, Outcome, TransferId};
use testkit::bank::{Drawer, check, in_seconds, open_accounts};
use testkit::servers::Postgres;

use crate::subject::{open_with, redis};
use crate::support::wait_until_persisted;

const CALLS: u64 = 40;
const COMMANDS: u64 = 12;

fn transfer_id(seed: u64, number: u64) -> TransferId {
    TransferId::from_u128(u128::from(seed) << 64 | u128::from(number))
}

#[test]
fn nodes_that_meet_keep_every_rule() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let opened = open_with(&redis.url(), &postgres.url(), Options::default()).await;
            nodes.push(std::sync::Arc::new(opened.0));
        }
        open_accounts(&*nodes[0]).await;
        let tasks = (0..12_u64).map(|seed| {
            let node = nodes[usize::try_from(seed % 3).unwrap()].clone();
            tokio::spawn(async move { work(&*node, seed).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        // Whatever may still expire does within the timer's time.
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        let ids: Vec<_> = (0..12)
            .flat_map(|seed| (0..CALLS * COMMANDS).map(move |n| transfer_id(seed, n)))
            .collect();
        let applied = check(&*nodes[1], &ids).await;
        assert!(applied > ids.len() / 4, "{applied} of {}", ids.len());
        wait_until_persisted(&nodes[2]).await;
        let verified = verify(&redis.url(), &postgres.url()).await.unwrap();
        assert_eq!(verified.findings, Vec::<String>::new());
    });
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

#[test]
fn one_id_on_two_nodes_at_once_is_used_once() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = async || open_with(&redis.url(), &postgres.url(), Options::default()).await;
        let nodes = [open().await.0, open().await.0];
        open_accounts(&nodes[0]).await;
        let mut drawer = Drawer::new(1);
        for number in 0..200 {
            let transfer = drawer.transfer(transfer_id(0, number));
            let batch = Batch::one(Command::Transfer(transfer));
            let (one, other) = tokio::join!(
                nodes[0].submit(vec![batch.clone()], in_seconds(20)),
                nodes[1].submit(vec![batch], in_seconds(20)),
            );
            let (one, other) = (one.unwrap().concat(), other.unwrap().concat());
            assert_eq!(one[0].result, other[0].result);
            assert!(one[0].replayed != other[0].replayed, "{one:?} {other:?}");
        }
    });
}
