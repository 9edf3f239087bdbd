//! Ledgers that are made to be copied: by the conformance suite's generator, and by two nodes at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use engine_postgres::{PostgresEngine, PostgresOptions};
use journal::FileStorage;
use ledger::{
    Batch, BatchId, Clock, Command, Engine, Event, Outcome, StatementQuery, TransferId,
    TransferKind,
};
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
    drive(engine.clone(), Time::Manual(clock.clone()), 41, 1_800).await;
    drop(engine);
    let events = events_of(&first);
    let kinds: BTreeSet<String> = events.iter().map(kind).collect();
    let missing: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| !kinds.contains(*kind))
        .collect();
    assert!(missing.is_empty(), "the ledger has no {missing:?}");
    assert_goes_round(&postgres, &first);
    // Both engines answer the same of what does not change with time.
    let one = embedded(&first, clock);
    let other = postgres_engine(&postgres.url_of("two")).await;
    assert_same_answers(&*one, &other, &events).await;
}

async fn assert_same_answers(one: &impl Engine, other: &impl Engine, events: &[Event]) {
    let deadline = in_seconds(300);
    for event in events {
        if let Event::AccountOpened { id, .. } = event {
            let query = StatementQuery {
                account_id: id.clone(),
                before: None,
                limit: 100,
            };
            let statements = (
                one.statement(query.clone(), deadline)
                    .await
                    .unwrap()
                    .unwrap(),
                other.statement(query, deadline).await.unwrap().unwrap(),
            );
            assert_eq!(statements.0.entries, statements.1.entries);
            let at = event.timestamp().plus_seconds(1);
            assert_eq!(
                one.balance_at(id.clone(), at, deadline).await,
                other.balance_at(id.clone(), at, deadline).await
            );
        }
        if let Event::PaymentAccepted(payment) = event {
            let id = payment.id;
            assert_eq!(
                one.payment(id, deadline).await,
                other.payment(id, deadline).await
            );
            assert_eq!(
                one.resolutions(id, deadline).await,
                other.resolutions(id, deadline).await
            );
        }
        let again = match event {
            Event::Transfer(transfer) if transfer.kind == TransferKind::Expire => None,
            Event::Transfer(transfer) => transfer.command(),
            Event::PaymentAccepted(payment) => Some(payment.command()),
            Event::Refused { command, .. } => Some(command.clone()),
            _ => None,
        };
        if let Some(command) = again {
            let batch = vec![Batch::one(command)];
            let answers = (
                one.submit(batch.clone(), deadline).await.unwrap(),
                other.submit(batch, deadline).await.unwrap(),
            );
            assert_eq!(answers.0, answers.1, "{event:?}");
            let replayed = |outcome: &Outcome| outcome.replayed;
            assert!(answers.0[0].iter().all(replayed), "{event:?}: {answers:?}");
        }
    }
    assert_eq!(
        one.payments_summary(None, None, deadline).await.unwrap(),
        other.payments_summary(None, None, deadline).await.unwrap()
    );
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

/// What a database of an earlier version does not have is said, and made up from what it has.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_did_not_keep_is_made_up_and_counted() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("old").unwrap();
    let engine = Arc::new(postgres_engine(&url).await);
    drive(engine.clone(), Time::Real, 43, 250).await;
    drop(engine);
    // As the versions before kept it.
    let psql = |statement: &str| postgres.psql_in("old", statement).unwrap();
    let changes = "SELECT (SELECT count(*) FROM lastro.account_changes) > 5
        AND (SELECT count(*) FROM lastro.payment_changes) > 5";
    assert_eq!(psql(changes), "t");
    psql(
        "DELETE FROM lastro.account_changes;
        DELETE FROM lastro.payment_changes;
        UPDATE lastro.batches SET decided_at = NULL;
        UPDATE lastro.transfers SET expired_at = NULL;
        UPDATE lastro.migrations SET applied_at = applied_at + interval '1 hour' WHERE number = 9",
    );
    let place = folder();
    let copied = place.path().join("copied");
    let said = assert_equal(&to_folder(&url, &copied));
    assert!(said.contains("the times of "), "{said}");
    assert!(said.contains("that later events show"), "{said}");
    assert_clean(&copied);
    assert_goes_round(&postgres, &copied);
}
