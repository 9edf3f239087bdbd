//! What accepting costs, how long a recovery takes, and how fast a queue is applied to the
//! reference engine: `cost <new directory> [seconds]`. Many seconds of 256 at a time fill the quota.

#![expect(clippy::unwrap_used, reason = "run by hand")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::FileStorage;
use ledger::Unavailable;
use outbox::{Operations, Outbox, OutboxOptions};

#[path = "../tests/it/bank.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod bank;

use bank::{Ledger, Manner, drained, open, operation, soon};

/// How many are queued for the recovery.
const QUEUED_COUNT: u128 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: cost <new directory> [seconds]")?,
    );
    let seconds = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let away = Manner::Away(Unavailable::LedgerUnavailable);
    for acceptors in [1, 64, 256] {
        let ledger = Ledger::start(away).await;
        let storage = FileStorage::open(directory.join(format!("{acceptors}")))?;
        let outbox = Arc::new(open(storage, &options(), &ledger));
        accept_for(&outbox, acceptors, Duration::from_secs(seconds)).await;
    }
    let ledger = Ledger::start(away).await;
    let place = directory.join("queued");
    let outbox = Arc::new(open(FileStorage::open(&place)?, &options(), &ledger));
    let tasks = (0..256).map(|task| {
        let outbox = Arc::clone(&outbox);
        tokio::spawn(async move {
            for number in (task..QUEUED_COUNT).step_by(256) {
                outbox.accept(operation(number), soon()).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await?;
    }
    drop(outbox);
    let started = Instant::now();
    let outbox = open(FileStorage::open(&place)?, &options(), &ledger);
    let recovery = started.elapsed();
    println!("recovery of {} operations: {recovery:?}", outbox.depth());
    ledger.behave(Manner::Well);
    let started = Instant::now();
    drained(&outbox).await;
    let elapsed = started.elapsed();
    let per_second = QUEUED_COUNT as f64 / elapsed.as_secs_f64();
    println!("applied to the reference engine: {per_second:.0} operations/s");
    Ok(())
}

fn options() -> OutboxOptions {
    OutboxOptions::default()
}

/// So many at a time, for so long; the rate and the latencies of the answers.
async fn accept_for(outbox: &Arc<Outbox>, acceptors: u128, duration: Duration) {
    let started = Instant::now();
    let tasks = (0..acceptors).map(|task| {
        let outbox = Arc::clone(outbox);
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut number = task;
            while started.elapsed() < duration {
                let asked = Instant::now();
                outbox.accept(operation(number), soon()).await.unwrap();
                latencies.push(asked.elapsed());
                number += acceptors;
            }
            latencies
        })
    });
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await.unwrap());
    }
    let per_second = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 1000];
    println!(
        "{acceptors} at a time: {per_second:.0} operations/s accepted, durability disk, p50 {:?}, \
         p99 {:?}",
        at(500),
        at(990)
    );
}
