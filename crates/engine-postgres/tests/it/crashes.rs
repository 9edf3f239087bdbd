//! PostgreSQL killed under load, with a standby and without: nothing answered is lost, nothing is
//! applied twice, and the engine goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine_postgres::{PostgresEngine, PostgresOptions};
use ledger::{Engine, Outcome, Record, TransferId, UsedTransfer};
use testkit::bank::{Drawer, check, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

const TASKS: u64 = 8;

/// What a task has been answered, and every id it has given.
type Told = (Vec<(TransferId, Outcome)>, Vec<TransferId>);

#[test]
fn what_was_answered_survives_kills_of_the_database() {
    let kills = if std::env::var_os("LASTRO_LONG").is_some() {
        10
    } else {
        3
    };
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.create_database("crashes").unwrap();
    under_load(&url, |answered| {
        for _ in 0..kills {
            wait_for_more(answered);
            postgres.kill();
            std::thread::sleep(Duration::from_millis(300));
            postgres.restart().unwrap();
        }
        wait_for_more(answered);
    });
}

#[test]
fn what_was_answered_survives_the_primary_where_a_standby_confirms() {
    let mut primary = Postgres::start().unwrap();
    let standby = primary.start_standby().unwrap();
    let (one, other) = (primary.port(), standby.port());
    let url = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{other}/postgres");
    under_load(&url, |answered| {
        wait_for_more(answered);
        primary.kill();
        std::thread::sleep(Duration::from_millis(300));
        standby.promote().unwrap();
        wait_for_more(answered);
    });
}

/// Lets tasks work over this database until `harm` is done, then compares what they were answered
/// with what is there.
fn under_load(url: &str, harm: impl FnOnce(&AtomicU64)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = Arc::new(runtime.block_on(open(url)));
    runtime.block_on(open_accounts(&*engine));
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let tasks: Vec<_> = (0..TASKS)
        .map(|seed| {
            let (engine, stop) = (Arc::clone(&engine), Arc::clone(&stop));
            runtime.spawn(work(engine, seed, stop, Arc::clone(&answered)))
        })
        .collect();
    harm(&answered);
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        let mut given = Vec::new();
        for task in tasks {
            let (told, ids) = task.await.unwrap();
            for (id, outcome) in told {
                check_kept(&engine, id, outcome).await;
            }
            given.extend(ids);
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(check(&*engine, &given).await > 100);
        let verified = engine_postgres::verify(url, &PostgresOptions::default(), &mut |_| {}).await;
        let verified = verified.unwrap();
        assert!(verified.is_clean(), "{:#?}", verified.findings);
    });
}

/// The load goes on: this many more answers within a bound.
fn wait_for_more(answered: &AtomicU64) {
    let until = answered.load(Ordering::Relaxed) + 150;
    let bound = in_seconds(60);
    while answered.load(Ordering::Relaxed) < until {
        assert!(std::time::Instant::now() < bound, "no more answers");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn work(
    engine: Arc<PostgresEngine>,
    seed: u64,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> Told {
    let (mut told, mut ids) = (Vec::new(), Vec::new());
    let mut drawer = Drawer::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let id = TransferId::from_u128(u128::from(seed) << 64 | ids.len() as u128);
        ids.push(id);
        let command = drawer.command(id);
        // Short, so that many calls end without an answer.
        let deadline = std::time::Instant::now() + Duration::from_millis(500);
        if let Ok(outcome) = submit_one(&*engine, command, deadline).await {
            answered.fetch_add(1, Ordering::Relaxed);
            told.push((id, outcome));
        }
    }
    (told, ids)
}

async fn check_kept(engine: &PostgresEngine, id: TransferId, told: Outcome) {
    let kept = engine.transfer(id, in_seconds(20)).await.unwrap();
    match (told.result, kept) {
        (Ok(Record::Transfer(told)), Some(UsedTransfer::Created(kept, _))) => {
            assert_eq!(told, kept);
        }
        (Err(told), Some(UsedTransfer::Refused(_, kept))) => assert_eq!(told, kept),
        (told, kept) => panic!("told {told:?}, kept {kept:?}"),
    }
}
