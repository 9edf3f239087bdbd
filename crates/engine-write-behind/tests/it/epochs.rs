//! The epochs in the database: how many are taken, how many are kept, and which are trusted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine_write_behind::{Condition, Origin, WriteBehindEngine, WriteBehindOptions};
use testkit::bank::open_accounts;
use testkit::servers::Postgres;

use crate::comparisons::{check_kept, node, run, write};
use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_for, wait_until_persisted};

fn ask(postgres: &Postgres, what: &str) -> String {
    postgres.psql(what).unwrap().trim().to_owned()
}

fn count(postgres: &Postgres) -> u64 {
    let count = ask(postgres, "SELECT count(*) FROM lastro_behind.epochs");
    count.parse().unwrap()
}

#[test]
fn a_database_from_before_the_epochs_stops_a_ledger_that_runs() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let mut kept = write(&engine, 0..5).await;
        wait_until_persisted(&engine).await;
        let meta = redis.command(&["GET", "lastro:meta"]).unwrap();
        // What a version had that did not know the table, as far as a node can see it.
        ask(
            &postgres,
            "CREATE TABLE epoch_now AS SELECT epoch FROM lastro_behind.ledger;
            BEGIN;
            ALTER TABLE lastro_behind.epochs RENAME TO epochs_of_then;
            UPDATE lastro_behind.ledger SET epoch = 'before';
            COMMIT",
        );
        let says = |condition: &Condition| match condition {
            Condition::Refuses { why, .. } => why.contains("restore a newer database"),
            Condition::Ready => false,
        };
        wait_for("the ledger to stop", || says(&engine.condition())).await;
        assert!(try_one(&engine, 100).await.is_err());
        assert_eq!(redis.command(&["GET", "lastro:meta"]).unwrap(), meta);
        // The newer database.
        ask(
            &postgres,
            "BEGIN;
            DROP TABLE lastro_behind.epochs;
            ALTER TABLE lastro_behind.epochs_of_then RENAME TO epochs;
            UPDATE lastro_behind.ledger SET epoch = (SELECT epoch FROM epoch_now);
            COMMIT",
        );
        wait_for("the ledger to go on", || engine.is_answering()).await;
        kept.extend(write(&engine, 5..10).await);
        wait_until_persisted(&engine).await;
        check_kept(&engine, &kept).await;
    });
}

#[test]
fn a_comparison_that_fails_after_it_took_an_epoch_is_tried_less_and_less_often() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        wait_until_persisted(&engine).await;
        ask(
            &postgres,
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN RAISE EXCEPTION 'not today'; END$$;
            CREATE TRIGGER fail BEFORE UPDATE ON lastro_behind.epochs
                FOR EACH ROW EXECUTE FUNCTION fail()",
        );
        let before = count(&postgres);
        redis.command(&["FUNCTION", "FLUSH"]).unwrap();
        wait_for("an epoch to be taken", || count(&postgres) > before).await;
        // On a busy machine they are fewer.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let taken = count(&postgres) - before;
        assert!(taken <= 8, "{taken} epochs in six seconds");
        assert!(try_one(&engine, 1).await.is_err());
        ask(&postgres, "DROP TRIGGER fail ON lastro_behind.epochs");
        wait_for("the ledger to go on", || engine.is_answering()).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
    });
}

#[test]
fn the_database_keeps_the_newest_epochs_and_forgets_the_others() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let kept = write(&engine, 0..5).await;
        wait_until_persisted(&engine).await;
        drop(engine);
        ask(
            &postgres,
            "UPDATE lastro_behind.epochs SET number = number + 10050;
            INSERT INTO lastro_behind.epochs SELECT n, 'old' || n, 0 FROM generate_series(1, 10050) n",
        );
        redis.command(&["FUNCTION", "FLUSH"]).unwrap();
        let (engine, opened) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        assert_eq!(opened.origin, Origin::Kept);
        assert_eq!(count(&postgres), 10_000);
        let newest = "SELECT max(number) - min(number) FROM lastro_behind.epochs";
        assert_eq!(ask(&postgres, newest), "9999");
        check_kept(&engine, &kept).await;
    });
}

/// Comparisons that take an epoch and fail, for days, do not make the database forget the one that Redis
/// carries.
#[test]
fn comparisons_that_fail_make_no_epoch_forgotten_that_was_confirmed() {
    run(async {
        let (postgres, redis) = (Postgres::start().unwrap(), redis());
        let engine = node(redis.port(), &postgres.url()).await;
        open_accounts(&engine).await;
        let kept = write(&engine, 0..5).await;
        wait_until_persisted(&engine).await;
        drop(engine);
        ask(
            &postgres,
            "INSERT INTO lastro_behind.epochs
            SELECT (SELECT max(number) FROM lastro_behind.epochs) + n, 'failed' || n, NULL
            FROM generate_series(1, 10050) n",
        );
        redis.command(&["FUNCTION", "FLUSH"]).unwrap();
        let (engine, opened) =
            open_with(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await;
        assert_eq!(opened.origin, Origin::Kept);
        check_kept(&engine, &kept).await;
    });
}

#[test]
fn an_epoch_whose_wait_for_the_standby_ended_early_is_not_trusted() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = || {
        let (redis_url, database_url) = (redis.url(), postgres.url());
        let opened = async {
            WriteBehindEngine::open(&redis_url, &database_url, WriteBehindOptions::default()).await
        };
        runtime.block_on(opened)
    };
    let (engine, _) = open().unwrap();
    runtime.block_on(open_accounts(&engine));
    runtime.block_on(wait_until_persisted(&engine));
    runtime.block_on(async { drop(engine) });
    redis.command(&["FUNCTION", "FLUSH"]).unwrap();
    postgres.wait_for_standby(true).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| postgres.cancel_waits(&stop).unwrap());
        let opened = open();
        stop.store(true, Ordering::Relaxed);
        assert!(cancelling.join().unwrap() > 0, "nothing waited");
        assert!(opened.is_err(), "it opened under an epoch that may be lost");
    });
    postgres.wait_for_standby(false).unwrap();
    let (engine, _) = open().unwrap();
    assert_eq!(runtime.block_on(try_one(&engine, 1)), Ok(()));
}
