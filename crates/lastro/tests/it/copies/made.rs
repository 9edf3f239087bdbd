//! Ledgers that are made to be copied: by the conformance suite's generator, and by two nodes at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use engine_postgres::{PostgresEngine, PostgresOptions};
use journal::FileStorage;
use ledger::{Batch, BatchId, Clock, Command, Engine, Event, TransferId};
use testkit::ManualClock;
use testkit::bank::{Drawer, accounts, in_seconds, open_accounts};
use testkit::conformance::{self, Options, Subject, Time};
use testkit::servers::Postgres;

use super::{
    assert_clean, assert_clean_database, assert_equal, assert_goes_round, events_of, to_folder,
};
use crate::support::folder;

struct Driven {
    engine: Arc<dyn Engine>,
    time: Time,
}

impl Subject for Driven {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        self.time.clone()
    }
}

async fn drive(engine: Arc<dyn Engine>, time: Time, seed: u64, steps: u32) {
    let options = Options {
        steps,
        occurrences_min: 0,
        audit_every: steps,
        reads_every: steps,
        restart_every: steps + 1,
        ..Options::default()
    };
    let mut subject = Driven { engine, time };
    let run = conformance::run(&mut subject, seed, &options).await;
    run.unwrap_or_else(|failure| panic!("{failure}"));
}

fn embedded(folder: &Path, clock: Arc<dyn Clock>) -> Arc<EmbeddedEngine> {
    let storage = FileStorage::open(folder).unwrap();
    let opened = EmbeddedEngine::open(storage, EmbeddedOptions::default(), clock);
    Arc::new(opened.unwrap().0)
}

async fn postgres_engine(url: &str) -> PostgresEngine {
    let options = PostgresOptions::default();
    PostgresEngine::open(url, &options).await.unwrap()
}

/// The name of what kind of event it is, and of its state where it has several.
fn kind(event: &Event) -> String {
    match event {
        Event::Transfer(transfer) => transfer.kind.as_str().to_owned(),
        Event::AccountOpened { .. } => "opened".to_owned(),
        Event::LimitChanged { .. } => "limit".to_owned(),
        Event::AccountClosed { .. } => "closed".to_owned(),
        Event::PaymentAccepted(_) => "accepted".to_owned(),
        Event::PaymentSent(_) => "sent".to_owned(),
        Event::PaymentReleased(_) => "released".to_owned(),
        Event::PaymentSettled { .. } => "settled".to_owned(),
        Event::PaymentRefused(_) => "payment refused".to_owned(),
        Event::PaymentsPurged { .. } => "purged".to_owned(),
        Event::Refused { command, .. } => format!("refused {}", command.name()),
        Event::Batch(batch) if batch.failure.is_some() => "failed batch".to_owned(),
        Event::Batch(_) => "batch".to_owned(),
        Event::PaymentResolved(resolved) => {
            format!("resolved as {}", resolved.resolution.kind.as_str())
        }
    }
}

const KINDS: [&str; 21] = [
    "accepted",
    "batch",
    "closed",
    "expire",
    "failed batch",
    "limit",
    "opened",
    "payment refused",
    "pend",
    "post",
    "purged",
    "refused accept_payment",
    "refused transfer",
    "released",
    "resolved as refuse",
    "resolved as release",
    "resolved as settled",
    "sent",
    "settled",
    "transfer",
    "void",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_every_kind_of_record_is_copied_there_and_back_twice() {
    let postgres = Postgres::start().unwrap();
    let place = folder();
    let first = place.path().join("first");
    let clock = Arc::new(ManualClock::default());
    let engine = embedded(&first, clock.clone());
    drive(engine.clone(), Time::Manual(clock), 41, 1_800).await;
    drop(engine);
    let events = events_of(&first);
    let kinds: BTreeSet<String> = events.iter().map(kind).collect();
    let missing: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| !kinds.contains(*kind))
        .collect();
    assert!(missing.is_empty(), "the ledger has no {missing:?}");
    assert_goes_round(&postgres, &first);
}

/// Atomic batches of two nodes beside each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_two_nodes_shared_is_copied_there_and_back_twice() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("shared").unwrap();
    let engine = Arc::new(postgres_engine(&url).await);
    open_accounts(&*engine).await;
    let other = postgres_engine(&url).await;
    tokio::join!(move_money(&*engine, 1), move_money(&other, 2));
    drop((engine, other));
    let place = folder();
    let first = place.path().join("first");
    assert_clean_database(&url);
    assert_equal(&to_folder(&url, &first));
    assert_clean(&first);
    assert_goes_round(&postgres, &first);
}

/// Calls of single commands and of atomic batches, as one node's.
async fn move_money(engine: &impl Engine, node: u128) {
    let mut drawer = Drawer::new(u64::try_from(node).unwrap());
    for call in 0..150_u128 {
        let id = |index: u128| TransferId::from_u128((node << 64) + (call << 8) + index);
        let commands: Vec<Command> = (0..8).map(|index| drawer.command(id(index))).collect();
        let batch = match call % 2 {
            0 => Batch::atomic(BatchId::from_u128((node << 64) + call), commands),
            _ => Batch::independent(commands),
        };
        engine
            .submit(vec![batch.unwrap()], in_seconds(60))
            .await
            .unwrap();
    }
    assert!(!accounts().is_empty());
}
