//! What each node reports in the database: which Redis it goes on with, and how far it has answered.

use std::time::Duration;

use engine_write_behind::{
    Condition, Origin, WriteBehindEngine, WriteBehindOpenError, WriteBehindOptions,
};
use ledger::{Engine, TransferId};
use testkit::bank::{in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis};

use crate::comparisons::{check_kept, node, run, write};
use crate::log::Log;
use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

/// Longer than from one report to the next, and than a look at a silent Redis, on a busy machine.
const SEVERAL_REPORTS: Duration = Duration::from_secs(5);

pub(crate) fn ask(postgres: &Postgres, what: &str) -> String {
    postgres.psql(what).unwrap().trim().to_owned()
}

/// How often the only node has reported that it goes on with its Redis.
fn beats(postgres: &Postgres) -> u64 {
    let beats = ask(postgres, "SELECT beats FROM lastro_behind.nodes");
    beats.parse().unwrap()
}

/// How far the nodes have answered, by their reports.
pub(crate) fn answered(postgres: &Postgres) -> u64 {
    let answered = ask(postgres, "SELECT max(position) FROM lastro_behind.nodes");
    answered.parse().unwrap()
}

async fn wait_for_reports(postgres: &Postgres, count: u64) {
    let before = beats(postgres);
    wait_for("the node's reports", || beats(postgres) >= before + count).await;
}

#[test]
fn a_node_reports_that_it_goes_on_with_its_redis_only_while_that_answers() {
    run(async {
        let (postgres, mut redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        wait_for_reports(&postgres, 2).await;
        // It refuses, and so it lives.
        let replicas = |count| redis.command(&["CONFIG", "SET", "min-replicas-to-write", count]);
        replicas("1").unwrap();
        let is_refusing = || matches!(engine.condition(), Condition::Refuses { .. });
        wait_for("Redis to refuse", is_refusing).await;
        wait_for_reports(&postgres, 3).await;
        assert!(is_refusing());
        replicas("0").unwrap();
        wait_for("Redis to take writes", || engine.is_answering()).await;
        redis.kill();
        wait_for("Redis to be silent", || !engine.is_answering()).await;
        // A report may have been on its way.
        tokio::time::sleep(SEVERAL_REPORTS).await;
        let silent = beats(&postgres);
        tokio::time::sleep(SEVERAL_REPORTS).await;
        assert_eq!(beats(&postgres), silent, "its Redis may be dead");
        redis.restart().unwrap();
        wait_for_reports(&postgres, 2).await;
    });
}

#[test]
fn a_node_reports_how_far_it_has_answered_also_once_its_redis_is_silent() {
    run(async {
        let (postgres, mut redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        write(&engine, 0..5).await;
        wait_until_persisted(&engine).await;
        wait_for_reports(&postgres, 2).await;
        let before = answered(&postgres);
        // Right after a report: the next one comes when Redis is silent.
        wait_for_reports(&postgres, 1).await;
        write(&engine, 5..10).await;
        redis.kill();
        wait_for("the last answers to be reported", || {
            answered(&postgres) == before + 5
        })
        .await;
    });
}

#[test]
fn the_table_of_the_nodes_is_made_again_where_it_is_gone() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        ask(&postgres, "DROP TABLE lastro_behind.nodes");
        let is_there = "SELECT to_regclass('lastro_behind.nodes') IS NOT NULL";
        wait_for("the table", || ask(&postgres, is_there) == "t").await;
        // A database of a version before the reports of positions.
        ask(
            &postgres,
            "ALTER TABLE lastro_behind.nodes DROP COLUMN position, DROP COLUMN reported_at",
        );
        let has_column = "SELECT count(*) FROM pg_attribute WHERE attname = 'position'
            AND attrelid = 'lastro_behind.nodes'::regclass";
        wait_for("the column", || ask(&postgres, has_column) == "1").await;
        let rows = "SELECT count(*) FROM lastro_behind.nodes";
        wait_for("the node's row", || ask(&postgres, rows) == "1").await;
        wait_for_reports(&postgres, 2).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
    });
}

/// While PostgreSQL is away nothing is reported: a start that cannot tell is warned, unless it joins a Redis
/// in use.
#[test]
fn a_start_over_an_old_report_warns_with_its_age() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        drop(node(redis.port(), &postgres.url()).await);
        let log = Log::keep();
        let warning = "the newest report of how far nodes have answered is";
        redis.command(&["FUNCTION", "FLUSH"]).unwrap();
        drop(node(redis.port(), &postgres.url()).await);
        assert!(!log.has(warning), "the report is a moment old");
        let age = "UPDATE lastro_behind.nodes SET reported_at = reported_at - interval '100 s'";
        ask(&postgres, age);
        drop(node(redis.port(), &postgres.url()).await);
        assert!(!log.has(warning), "it joined a Redis in use");
        ask(&postgres, age);
        redis.command(&["FUNCTION", "FLUSH"]).unwrap();
        drop(node(redis.port(), &postgres.url()).await);
        assert!(log.has(&format!("{warning} 10")), "no warning");
    });
}

#[test]
fn rows_of_nodes_that_ended_long_ago_are_deleted_by_the_next_start() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        drop(node(redis.port(), &postgres.url()).await);
        // One ended a moment ago, one two hours ago, and one likewise with answers that are not persisted
        // under an epoch that is not known any more.
        ask(
            &postgres,
            "INSERT INTO lastro_behind.nodes
                (node_id, run_id, address, epoch, beats, seen_at, position)
            VALUES
                (gen_random_uuid(), 'x', 'long ago', 'gone', 1, now() - interval '2 hours', 0),
                (gen_random_uuid(), 'x', 'unpersisted', 'gone', 1, now() - interval '2 hours', 9)",
        );
        drop(node(redis.port(), &postgres.url()).await);
        let rows = |address: &str| {
            let count =
                format!("SELECT count(*) FROM lastro_behind.nodes WHERE address = '{address}'");
            ask(&postgres, &count)
        };
        assert_eq!(rows("long ago"), "0");
        assert_eq!(rows("unpersisted"), "1");
        assert_eq!(
            ask(&postgres, "SELECT count(*) FROM lastro_behind.nodes"),
            "3"
        );
    });
}

/// The log says that reads go on only where they do.
#[test]
fn the_log_tells_whether_reads_go_on_while_writes_are_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (postgres, mut redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let log = Log::keep();
        let (go_on, refused) = ("reads go on", "WRITES ARE REFUSED, and reads too");
        redis
            .command(&["CONFIG", "SET", "min-replicas-to-write", "1"])
            .unwrap();
        wait_for("Redis to refuse", || log.has(go_on)).await;
        assert!(!log.has(refused));
        redis
            .command(&["CONFIG", "SET", "min-replicas-to-write", "0"])
            .unwrap();
        wait_for("Redis to take writes", || engine.is_answering()).await;
        redis.kill();
        wait_for("Redis to be silent", || log.has(refused)).await;
        assert_eq!(log.count(go_on), 1);
    });
}

/// What a start without more ado is refused with.
async fn refused(redis: &Redis, postgres: &Postgres) -> String {
    let (redis_url, database_url) = (redis.url(), postgres.url());
    let options = WriteBehindOptions::default();
    match WriteBehindEngine::open(&redis_url, &database_url, options).await {
        Ok((_, opened)) => panic!("it opened: {opened:?}"),
        Err(error) => {
            assert!(
                matches!(error, WriteBehindOpenError::Disagree(_)),
                "{error}"
            );
            error.to_string()
        }
    }
}

/// From then on nothing more is persisted, and the nodes still report.
pub(crate) fn stop_persisting(postgres: &Postgres) {
    ask(
        postgres,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'not today'; END$$;
        CREATE TRIGGER fail BEFORE INSERT ON lastro_behind.log
            FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    );
}

pub(crate) fn go_on_persisting(postgres: &Postgres) {
    ask(postgres, "DROP TRIGGER fail ON lastro_behind.log");
}

/// The right Redis is started again, which takes longer than its nodes are watched.
#[test]
fn a_start_takes_no_other_redis_while_the_one_with_answered_writes_is_away() {
    run(async {
        let (postgres, mut first, second) = (Postgres::start().unwrap(), redis(), redis());
        let living = node(first.port(), &postgres.url()).await;
        open_accounts(&living).await;
        let mut kept = write(&living, 0..5).await;
        wait_until_persisted(&living).await;
        stop_persisting(&postgres);
        kept.extend(write(&living, 5..10).await);
        let position = persisted(&postgres) + 5;
        first.kill();
        wait_for("the last answers to be reported", || {
            answered(&postgres) == position
        })
        .await;
        let says = refused(&second, &postgres).await;
        for part in [
            "DATA LOSS",
            &format!("answered writes up to position {position} "),
            &format!("after position {}", position - 5),
            &format!(":{}", first.port()),
        ] {
            assert!(says.contains(part), "{says} lacks {part}");
        }
        let there = second.command(&["EXISTS", "lastro:meta"]).unwrap();
        assert_eq!(there, "0", "it was rebuilt all the same");
        first.restart().unwrap();
        go_on_persisting(&postgres);
        wait_for("the node to go on", || living.is_answering()).await;
        kept.extend(write(&living, 10..12).await);
        wait_until_persisted(&living).await;
        check_kept(&living, &kept).await;
    });
}

pub(crate) fn persisted(postgres: &Postgres) -> u64 {
    let position = ask(postgres, "SELECT position FROM lastro_behind.ledger");
    position.parse().unwrap()
}

/// The Redis with the newest answers is lost for good: the operator who starts a node has to accept that, once.
#[test]
fn a_start_that_accepts_the_loss_names_it_and_later_ones_need_not() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (postgres, first, second) = (Postgres::start().unwrap(), redis(), redis());
        let node = node(first.port(), &postgres.url()).await;
        open_accounts(&node).await;
        let kept = write(&node, 0..5).await;
        wait_until_persisted(&node).await;
        stop_persisting(&postgres);
        let persisted = persisted(&postgres);
        let lost = write(&node, 5..10).await;
        wait_for("the last answers to be reported", || {
            answered(&postgres) == persisted + 5
        })
        .await;
        drop((node, first));
        go_on_persisting(&postgres);
        let says = refused(&second, &postgres).await;
        assert!(says.contains("--accept-data-loss"), "{says}");
        let log = Log::keep();
        let accepting = WriteBehindOptions {
            accepts_data_loss: true,
            ..WriteBehindOptions::default()
        };
        let (next, opened) = open_with(&second.url(), &postgres.url(), accepting).await;
        assert_eq!(
            (opened.origin, opened.position),
            (Origin::Rebuilt, persisted)
        );
        let up_to = format!(
            "DATA LOSS: answered writes up to position {} ",
            persisted + 5
        );
        assert!(log.has(&up_to), "the loss is not named");
        check_kept(&next, &kept).await;
        for id in lost {
            let found = next.transfer(id, in_seconds(20)).await.unwrap();
            assert_eq!(found, None, "what is lost is not shown");
        }
        drop(next);
        second.command(&["FUNCTION", "FLUSH"]).unwrap();
        let usual = WriteBehindOptions::default();
        let (_, opened) = open_with(&second.url(), &postgres.url(), usual).await;
        assert_eq!((opened.origin, opened.position), (Origin::Kept, persisted));
    });
}

/// Redis went back in a way that its library does not notice, and no node lives that would.
#[test]
fn a_start_does_not_join_a_redis_that_is_behind_what_a_node_has_answered() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let first = node(redis.port(), &postgres.url()).await;
        open_accounts(&first).await;
        let kept = write(&first, 0..5).await;
        wait_until_persisted(&first).await;
        wait_for_reports(&postgres, 2).await;
        drop(first);
        drop(node(redis.port(), &postgres.url()).await);
        let reported = answered(&postgres);
        ask(
            &postgres,
            "UPDATE lastro_behind.nodes SET position = position + 1",
        );
        let says = refused(&redis, &postgres).await;
        assert!(says.contains("DATA LOSS"), "{says}");
        assert!(
            says.contains(&format!("after position {reported}")),
            "{says}"
        );
        ask(
            &postgres,
            "UPDATE lastro_behind.nodes SET position = position - 1",
        );
        let next = node(redis.port(), &postgres.url()).await;
        check_kept(&next, &kept).await;
        assert_eq!(try_one(&next, 100).await, Ok(()));
        check_kept(&next, &[TransferId::from_u128(100)]).await;
    });
}
