//! A ledger with every kind of record, made by the conformance suite's generator.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use engine_postgres::{PostgresEngine, PostgresOptions};
use journal::{FileStorage, read_segment_start};
use ledger::{
    AccountId, Batch, Clock, ClockBounds, Command, Currency, Engine, Event, LedgerId, OpenAccount,
    Outcome, StatementQuery, Timestamp, TransferKind,
};
use testkit::ManualClock;
use testkit::bank::in_seconds;
use testkit::conformance::{self, Options, Subject, Time};
use testkit::servers::Postgres;

use super::{assert_clean_database, assert_equal, events_of, to_database};
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

/// The name of what kind of event it is, and of its state where it has several.
fn kind(event: &Event) -> String {
    match event {
        Event::Transfer(transfer) => transfer.kind.as_str().to_owned(),
        Event::AccountOpened { .. } => "opened".to_owned(),
        Event::LimitChanged { .. } => "limit".to_owned(),
        Event::AccountClosed { .. } => "closed".to_owned(),
        Event::FreezeChanged { .. } => "freeze".to_owned(),
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

/// Every row of the ledger in a database, but those that say when and in what it was written.
fn rows_of(postgres: &Postgres, database: &str) -> String {
    let tables = [
        "ledger",
        "accounts",
        "stripes",
        "entries",
        "transfers",
        "pendings",
        "payments",
        "payment_sums",
        "purges",
        "batches",
        "resolutions",
        "account_changes",
        "payment_changes",
        "copy",
    ];
    let rows = tables.map(|table| {
        let rows = format!("SELECT each::text FROM lastro.{table} each ORDER BY 1");
        format!("{table}\n{}", postgres.psql_in(database, &rows).unwrap())
    });
    rows.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_every_kind_of_record_is_copied_and_answers_the_same() {
    let postgres = Postgres::start().unwrap();
    let place = folder();
    let first = place.path().join("first");
    let clock = Arc::new(ManualClock::default());
    let engine = embedded(&first, clock.clone());
    drive(engine.clone(), Time::Manual(clock.clone()), 41, 1_800).await;
    // What is due by now expires before the copy, so that neither engine ends it afterwards.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    clock.advance_to(Timestamp::from_nanos(
        u64::try_from(since.as_nanos()).unwrap(),
    ));
    let last = Command::OpenAccount(OpenAccount {
        id: AccountId::new("after-the-others").unwrap(),
        currency: Currency::new("BRL").unwrap(),
        credit_limit: 0,
    });
    let last = engine.submit(vec![Batch::one(last)], in_seconds(60)).await;
    last.unwrap();
    drop(engine);
    let events = events_of(&first);
    let kinds: BTreeSet<String> = events.iter().map(kind).collect();
    let missing: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| !kinds.contains(*kind))
        .collect();
    assert!(missing.is_empty(), "the ledger has no {missing:?}");
    let [one, two] = ["one", "two"].map(|name| postgres.create_database(name).unwrap());
    for url in [&one, &two] {
        assert_equal(&to_database(&first, url));
        assert_clean_database(url);
    }
    assert!(rows_of(&postgres, "one") == rows_of(&postgres, "two"));
    // It is the same ledger, and answers the same of what does not change with time.
    let storage = FileStorage::open_existing(&first).unwrap();
    let start = read_segment_start(&storage, 0).unwrap().unwrap();
    let engine = embedded(&first, clock);
    let options = PostgresOptions {
        clock: ClockBounds {
            is_accepted: true,
            ..ClockBounds::default()
        },
        ..PostgresOptions::default()
    };
    let copy = PostgresEngine::open(&one, &options).await.unwrap();
    assert_eq!(copy.ledger_id(), LedgerId::from_bytes(start.id.0));
    assert_same_answers(&*engine, &copy, &events).await;
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
            let of_one = one.statement(query.clone(), deadline).await.unwrap();
            let of_other = other.statement(query, deadline).await.unwrap();
            let entries = [of_one, of_other].map(|statement| statement.unwrap().entries);
            assert_eq!(entries[0], entries[1], "{id}");
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
            Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentSettled { .. }
            | Event::PaymentRefused(_)
            | Event::PaymentsPurged { .. }
            | Event::Batch(_)
            | Event::PaymentResolved(_) => None,
        };
        if let Some(command) = again {
            let batch = vec![Batch::one(command)];
            let of_one = one.submit(batch.clone(), deadline).await.unwrap();
            let of_other = other.submit(batch, deadline).await.unwrap();
            assert_eq!(of_one, of_other, "{event:?}");
            let replayed = |outcome: &Outcome| outcome.replayed;
            assert!(of_one[0].iter().all(replayed), "{event:?}: {of_one:?}");
        }
    }
    assert_eq!(
        one.payments_summary(None, None, deadline).await.unwrap(),
        other.payments_summary(None, None, deadline).await.unwrap()
    );
}
