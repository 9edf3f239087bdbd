//! Stores that go back, are replaced or compared while they are used: what was answered and is in one
//! of them stays, and where it does not nothing more is applied.

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use engine_write_behind::{
    Condition, Origin, WriteBehindEngine, WriteBehindOpenError, WriteBehindOptions, verify,
};
use ledger::{Command, Engine, TransferId, Unavailable, UsedTransfer};
use testkit::bank::{Drawer, in_seconds, open_accounts, submit_one};
use testkit::servers::{Postgres, Redis, ServerOptions};
use tokio_postgres::NoTls;

use crate::load::Load;
use crate::relay::Relay;
use crate::subject::{open_with, redis};
use crate::support::{wait_for, wait_until_persisted};

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test);
}

pub(crate) async fn node(redis_port: u16, database_url: &str) -> WriteBehindEngine {
    let url = format!("redis://127.0.0.1:{redis_port}");
    open_with(&url, database_url, WriteBehindOptions::default())
        .await
        .0
}

/// Answered transfers with these numbers.
pub(crate) async fn write(
    node: &WriteBehindEngine,
    numbers: std::ops::Range<u128>,
) -> Vec<TransferId> {
    let mut ids = Vec::new();
    for number in numbers {
        let id = TransferId::from_u128(number);
        // Of two accounts that were funded enough, whatever was lost: from the world.
        let transfer = ledger::MoveMoney {
            debit_account_id: ledger::AccountId::world(testkit::bank::currency()),
            credit_account_id: testkit::bank::id("user:1"),
            amount: 1,
            ..Drawer::new(1).transfer(id)
        };
        let outcome = submit_one(node, Command::Transfer(transfer), in_seconds(30)).await;
        assert!(outcome.unwrap().result.is_ok());
        ids.push(id);
    }
    ids
}

pub(crate) async fn check_kept(node: &WriteBehindEngine, ids: &[TransferId]) {
    for id in ids {
        let kept = node.transfer(*id, in_seconds(20)).await.unwrap();
        assert!(
            matches!(kept, Some(UsedTransfer::Created(..))),
            "{id}: {kept:?}"
        );
    }
}

async fn check_equal(redis: &Redis, postgres: &Postgres) {
    let verified = verify(
        &redis.url(),
        &postgres.url(),
        &WriteBehindOptions::default(),
    )
    .await
    .unwrap();
    assert_eq!(verified.findings, Vec::<String>::new(), "{verified:?}");
}

/// A Redis that is a replica as well, and says nothing of its own accord meanwhile.
pub(crate) fn replicating() -> Redis {
    let settings = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("repl-ping-replica-period", "3600"),
        ("repl-diskless-sync-delay", "0"),
    ];
    Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap()
}

fn figure(redis: &Redis, section: &str, name: &str) -> String {
    let info = redis.command(&["INFO", section]).unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Waits until a replica has all that its master has.
pub(crate) async fn wait_until_replicated(master: &Redis, replica: &Redis) {
    wait_for("the replica", || {
        figure(replica, "replication", "master_link_status") == "up"
            && figure(replica, "replication", "slave_repl_offset")
                == figure(master, "replication", "master_repl_offset")
    })
    .await;
}

pub(crate) fn replicate(replica: &Redis, master_port: u16) {
    let port = master_port.to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
}

pub(crate) fn promote(replica: &Redis) {
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
}

#[test]
fn a_start_over_a_slow_database_joins_a_redis_in_use() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let database_port = postgres.url().rsplit(':').next().unwrap().to_owned();
        let database_port: u16 = database_port.split('/').next().unwrap().parse().unwrap();
        let slow = Relay::to(database_port, Duration::from_millis(2));
        let from = format!(":{database_port}/");
        let slow_url = postgres.url().replace(&from, &format!(":{}/", slow.port()));
        let busy = vec![Arc::new(node(redis.port(), &postgres.url()).await)];
        open_accounts(&*busy[0]).await;
        let load = Load::start(&busy, 0);
        for _ in 0..12 {
            load.wait_for_more(50).await;
            let (_, opened) =
                open_with(&redis.url(), &slow_url, WriteBehindOptions::default()).await;
            assert_eq!(opened.origin, Origin::Kept);
        }
        let told = load.stop().await;
        wait_until_persisted(&busy[0]).await;
        told.check_kept(&busy[0]).await;
        check_equal(&redis, &postgres).await;
    });
}

#[test]
fn a_persist_under_way_commits_nothing_that_redis_has_lost() {
    run(async {
        let postgres = Postgres::start().unwrap();
        let (first, second) = (replicating(), replicating());
        let way = Relay::to(first.port(), Duration::ZERO);
        let node = node(way.port(), &postgres.url()).await;
        open_accounts(&node).await;
        let mut kept = write(&node, 0..5).await;
        wait_until_persisted(&node).await;
        replicate(&second, first.port());
        wait_until_replicated(&first, &second).await;
        promote(&second);
        // The next persist has moved the position, and waits.
        let postgres = Arc::new(postgres);
        let holding = Arc::clone(&postgres);
        let held = thread::spawn(move || {
            let hold = "BEGIN; LOCK TABLE lastro_behind.log; SELECT pg_sleep(3); COMMIT";
            holding.psql(hold).map(drop)
        });
        let count = |what: &str| postgres.psql(what).unwrap().trim().to_owned();
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait_for("the lock", || count(sleeping) == "1").await;
        write(&node, 5..6).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND query LIKE 'INSERT INTO lastro_behind.log%'";
        wait_for("the persist to wait", || count(waiting).contains('1')).await;
        // These come after it: nobody but the first has them.
        write(&node, 6..10).await;
        drop(first);
        way.switch(second.port());
        wait_for("the node to refuse", || {
            matches!(node.condition(), Condition::Refuses { why, .. } if why.contains("DATA LOSS"))
        })
        .await;
        held.join().unwrap().unwrap();
        let accepting = WriteBehindOptions {
            accepts_data_loss: true,
            ..WriteBehindOptions::default()
        };
        let (other, _) = open_with(&second.url(), &postgres.url(), accepting).await;
        wait_for("the node to follow", || node.is_answering()).await;
        kept.extend(write(&node, 10..15).await);
        wait_until_persisted(&node).await;
        check_kept(&node, &kept).await;
        check_kept(&other, &kept).await;
        check_equal(&second, &postgres).await;
    });
}

#[test]
fn a_switch_back_to_a_redis_without_the_newest_writes_is_noticed() {
    run(async {
        let postgres = Postgres::start().unwrap();
        let (first, second) = (replicating(), replicating());
        let way = Relay::to(first.port(), Duration::ZERO);
        let replication = Relay::to(second.port(), Duration::ZERO);
        replicate(&second, first.port());
        let node = node(way.port(), &postgres.url()).await;
        open_accounts(&node).await;
        let mut kept = write(&node, 0..5).await;
        wait_until_persisted(&node).await;
        wait_until_replicated(&first, &second).await;
        // A planned switch: the first takes on the second's state by a partial resync.
        promote(&second);
        replicate(&first, replication.port());
        wait_until_replicated(&second, &first).await;
        assert_eq!(figure(&second, "stats", "sync_full"), "0");
        assert_eq!(figure(&second, "stats", "sync_partial_ok"), "1");
        way.switch(second.port());
        kept.extend(write(&node, 5..10).await);
        wait_until_persisted(&node).await;
        wait_until_replicated(&second, &first).await;
        // The newest ones are persisted, and the first never has them.
        replication.cut();
        kept.extend(write(&node, 10..15).await);
        wait_until_persisted(&node).await;
        drop(second);
        promote(&first);
        way.switch(first.port());
        check_kept(&node, &kept).await;
        kept.extend(write(&node, 15..20).await);
        wait_until_persisted(&node).await;
        check_kept(&node, &kept).await;
        check_equal(&first, &postgres).await;
    });
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Program::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_database_that_lost_commits_stops_a_ledger_that_runs() {
    run(async {
        let name = format!("lastro-restored-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        let at = |name: &str| folder.0.join(name);
        let mut postgres = Postgres::start_with(&ServerOptions {
            folder: Some(at("data")),
            ..ServerOptions::default()
        })
        .unwrap();
        let redis = redis();
        let node = node(redis.port(), &postgres.url()).await;
        open_accounts(&node).await;
        let mut kept = write(&node, 0..5).await;
        wait_until_persisted(&node).await;
        let mut change = |save: &str, restore: Option<&str>| {
            postgres.stop().unwrap();
            copy(&at("data"), &at(save));
            if let Some(restore) = restore {
                copy(&at(restore), &at("data"));
            }
            postgres.restart().unwrap();
        };
        change("before", None);
        kept.extend(write(&node, 5..10).await);
        wait_until_persisted(&node).await;
        change("after", Some("before"));
        wait_for("the ledger to stop", || !node.is_answering()).await;
        let late = Drawer::new(1).transfer(TransferId::from_u128(10));
        let bound = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let deadline = std::time::Instant::now() + Duration::from_secs(2);
            let command = Command::Transfer(late.clone());
            match submit_one(&node, command, deadline).await {
                Err(Unavailable::LedgerUnavailable) => break,
                // Until the stores have been judged, calls wait for the verdict.
                Err(Unavailable::Timeout) if std::time::Instant::now() < bound => {}
                other => panic!("{other:?}"),
            }
        }
        change("hole", Some("after"));
        wait_for("the ledger to go on", || node.is_answering()).await;
        kept.extend(write(&node, 11..15).await);
        wait_until_persisted(&node).await;
        check_kept(&node, &kept).await;
        check_equal(&redis, &postgres).await;
    });
}

#[test]
fn an_answer_that_is_not_understood_is_an_unknown_outcome() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let way = Relay::to(redis.port(), Duration::ZERO);
        let node = node(way.port(), &postgres.url()).await;
        open_accounts(&node).await;
        let transfer = Drawer::new(1).transfer(TransferId::from_u128(1));
        let command = Command::Transfer(transfer);
        way.garble(true);
        let answer = submit_one(&node, command.clone(), in_seconds(20)).await;
        let unavailable = answer.unwrap_err();
        assert!(!unavailable.nothing_done(), "{unavailable:?}");
        way.garble(false);
        let again = submit_one(&node, command, in_seconds(20)).await.unwrap();
        assert!(again.replayed, "{again:?}");
    });
}

/// The epoch of a rebuild is confirmed in the database last: a node whose lock went to another one
/// meanwhile has rebuilt Redis for nobody.
#[test]
fn a_rebuild_whose_epoch_is_over_before_it_is_confirmed_opens_nothing() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let first = node(redis.port(), &postgres.url()).await;
        open_accounts(&first).await;
        let kept = write(&first, 0..5).await;
        wait_until_persisted(&first).await;
        drop(first);
        redis.command(&["FLUSHALL"]).unwrap();
        let (other, connection) = tokio_postgres::connect(&postgres.url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let epochs = "SELECT count(*) FROM lastro_behind.epochs";
        let epochs_before = postgres.psql(epochs).unwrap();
        // Every question to Redis takes its time: the rebuild has begun, and is not over yet.
        let slow = Relay::to(redis.port(), Duration::from_millis(100));
        let redis_url = format!("redis://127.0.0.1:{}", slow.port());
        let database_url = postgres.url();
        let opening = tokio::spawn(async move {
            WriteBehindEngine::open(&redis_url, &database_url, WriteBehindOptions::default()).await
        });
        wait_for("an epoch to be taken", || {
            postgres.psql(epochs).unwrap() != epochs_before
        })
        .await;
        // As another node does that found the lock free. The rebuild reads the epoch of before, and
        // is founded; only its confirmation waits for this transaction, and comes too late.
        let take = "BEGIN;
            INSERT INTO lastro_behind.epochs
            SELECT max(number) + 1, lpad(to_hex(max(number) + 1), 8, '0') || 'aaaaaaaa'
            FROM lastro_behind.epochs;
            UPDATE lastro_behind.ledger SET epoch = (
                SELECT epoch FROM lastro_behind.epochs ORDER BY number DESC LIMIT 1)";
        other.batch_execute(take).await.unwrap();
        wait_for("Redis to be founded", || {
            redis.command(&["EXISTS", "lastro:meta"]).unwrap() == "1"
        })
        .await;
        other.batch_execute("COMMIT").await.unwrap();
        let opened = opening.await.unwrap();
        assert!(
            matches!(opened, Err(WriteBehindOpenError::Busy)),
            "{:?}",
            opened.map(|opened| opened.1)
        );
        let second = node(redis.port(), &postgres.url()).await;
        check_kept(&second, &kept).await;
    });
}
