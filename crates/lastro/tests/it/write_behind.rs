//! Nodes over one Redis with one PostgreSQL behind.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::LastroProcess;
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::support::{Bank, binary, folder};

/// How long persisting may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn verify(redis: &Redis, postgres: &Postgres) -> Output {
    let mut command = Command::new(binary());
    command.args(["verify", "--redis-url", &redis.url()]);
    command.args(["--database-url", &postgres.url()]);
    command.output().unwrap()
}

/// Whether the database by itself is found clean, and what was said.
fn verify_database(postgres: &Postgres) -> (bool, String) {
    let mut command = Command::new(binary());
    command.args(["verify", "--database-url", &postgres.url()]);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.success(), said)
}

fn redis() -> Redis {
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap()
}

fn node(redis: &Redis, postgres: &Postgres) -> LastroProcess {
    let unused = folder();
    let (redis_url, database_url) = (redis.url(), postgres.url());
    let arguments = ["--demo", "--engine", "write-behind"];
    let stores = ["--redis-url", &redis_url, "--database-url", &database_url];
    let arguments = [&arguments[..], &stores].concat();
    LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap()
}

async fn wait_until_persisted(bank: &Bank) {
    let bound = Instant::now() + PATIENCE;
    loop {
        let (status, ready) = bank.get("/readyz").await;
        assert_eq!(status, 200, "{ready}");
        assert_eq!(ready["appendfsync"], "always");
        if ready["lag_entries"] == 0 {
            return;
        }
        assert!(Instant::now() < bound, "{ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The accounts in the database follow the entries at a distance, and nothing says how far.
fn wait_for_account(postgres: &Postgres, id: &str) {
    let bound = Instant::now() + PATIENCE;
    let count = format!("SELECT count(*) FROM lastro.accounts WHERE account_id = '{id}'");
    while postgres.psql(&count).unwrap() != "1" {
        assert!(
            Instant::now() < bound,
            "the balances in the database stay behind"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_killed_node_answered_the_other_persists() {
    let redis = redis();
    let mut postgres = Postgres::start().unwrap();
    // The first one persists.
    let (one, other) = (node(&redis, &postgres), node(&redis, &postgres));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bank = Bank::of(&one);
        assert_eq!(bank.transact("1", "d", 100).await.0, 200);
        wait_until_persisted(&bank).await;
        postgres.kill();
        for round in 1..=30 {
            let (status, answer) = bank.transact("1", "d", 100).await;
            assert_eq!(
                (status, &answer["saldo"]),
                (200, &(-100 - 100 * round).into())
            );
        }
        one.kill();
        let bank = Bank::of(&other);
        let statement = bank.statement("1").await;
        assert_eq!(statement["saldo"]["total"], -3_100);
        assert_eq!(
            statement["ultimas_transacoes"].as_array().unwrap().len(),
            10
        );
        postgres.restart().unwrap();
        assert_eq!(bank.transact("1", "c", 3_100).await.0, 200);
        wait_until_persisted(&bank).await;
    });
    let entries = "SELECT count(*) FROM lastro.entries WHERE account_id = '1'";
    assert_eq!(postgres.psql(entries).unwrap(), "32");
    let verified = verify(&redis, &postgres);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && said.contains("clean"),
        "{said}"
    );
    wait_for_account(&postgres, "2");
    assert!(other.stop().unwrap().success());
    // Money that only one of the stores has is found.
    let forged = "SET lastro_behind.writer = 'yes'; UPDATE lastro.accounts SET credits_posted = credits_posted + 1 \
        WHERE account_id = '2' RETURNING account_id";
    assert!(postgres.psql(forged).unwrap().starts_with('2'));
    let verified = verify(&redis, &postgres);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        !verified.status.success() && said.contains("account 2"),
        "{said}"
    );
}

/// What the binary says with these arguments, and whether it succeeded.
fn said(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary()).args(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

fn postgres_node(postgres: &Postgres) -> LastroProcess {
    let unused = folder();
    let database_url = postgres.url();
    let arguments = ["--demo", "--engine", "postgres", "--database-url"];
    let arguments = [&arguments[..], &[&*database_url]].concat();
    LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap()
}

/// A database with a Redis in front is served through that alone, until it is detached; nothing that
/// was answered is missing then.
#[test]
fn a_database_behind_a_redis_is_served_alone_once_it_is_detached() {
    let redis = redis();
    let mut postgres = Postgres::start().unwrap();
    let (redis_url, database_url) = (redis.url(), postgres.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // It has begun as a ledger by itself, and still runs.
    let earlier = postgres_node(&postgres);
    let process = node(&redis, &postgres);
    runtime.block_on(async {
        let bank = Bank::of(&process);
        // The limit of account 1 is 100,000.
        assert_eq!(bank.transact("1", "d", 100_000).await.0, 200);
        // The entries are there before the accounts show them: nobody else may spend it.
        assert_eq!(Bank::of(&earlier).transact("1", "d", 100_000).await.0, 503);
        wait_until_persisted(&bank).await;
    });
    drop(earlier);
    let serve = [
        "serve",
        "--engine",
        "postgres",
        "--database-url",
        &database_url,
    ];
    let (is_served, why) = said(&serve);
    assert!(!is_served && why.contains("migrate --detach"), "{why}");

    let detach = ["migrate", "--detach", "--database-url", &database_url];
    let (is_done, why) = said(&detach);
    assert!(!is_done && why.contains("--redis-url"), "{why}");
    let detach = [&detach[..], &["--redis-url", &redis_url]].concat();
    let (is_done, why) = said(&detach);
    assert!(!is_done && why.contains("still serves"), "{why}");

    // With a tail that only Redis has.
    postgres.kill();
    runtime.block_on(async {
        let bank = Bank::of(&process);
        for _ in 0..20 {
            assert_eq!(bank.transact("1", "c", 10).await.0, 200);
        }
    });
    drop(process);
    postgres.restart().unwrap();
    let (is_done, what) = said(&detach);
    assert!(is_done && what.contains("all that was answered"), "{what}");
    let (is_done, why) = said(&detach);
    assert!(
        !is_done && why.contains("no Redis stands in front"),
        "{why}"
    );

    let process = postgres_node(&postgres);
    runtime.block_on(async {
        let bank = Bank::of(&process);
        let statement = bank.statement("1").await;
        assert_eq!(statement["saldo"]["total"], 200 - 100_000);
        assert_eq!(bank.transact("1", "d", 200).await.0, 200);
        assert_eq!(bank.transact("1", "d", 1).await.0, 422);
    });
    assert!(process.stop().unwrap().success());
    let (clean, why) = verify_database(&postgres);
    assert!(clean, "{why}");
}

#[test]
fn a_database_whose_redis_is_lost_can_be_detached_by_saying_so() {
    let redis = redis();
    let postgres = Postgres::start().unwrap();
    let process = node(&redis, &postgres);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bank = Bank::of(&process);
        assert_eq!(bank.transact("1", "d", 100).await.0, 200);
        wait_until_persisted(&bank).await;
        // What comes next is answered and reported, and not persisted.
        let stop = "
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN RAISE EXCEPTION 'not today'; END$$;
            CREATE TRIGGER fail BEFORE INSERT ON lastro_behind.log
                FOR EACH STATEMENT EXECUTE FUNCTION fail()";
        postgres.psql(stop).unwrap();
        assert_eq!(bank.transact("1", "d", 100).await.0, 200);
    });
    let is_reported = "SELECT nodes.position > ledger.position
        FROM lastro_behind.nodes, lastro_behind.ledger";
    let bound = Instant::now() + PATIENCE;
    while postgres.psql(is_reported).unwrap().trim() != "t" {
        assert!(Instant::now() < bound, "the last answer is not reported");
        std::thread::sleep(Duration::from_millis(50));
    }
    let persisted = postgres.psql("SELECT position FROM lastro_behind.ledger");
    let persisted: u64 = persisted.unwrap().trim().parse().unwrap();
    drop((process, redis));
    let database_url = postgres.url();
    let detach = ["migrate", "--detach", "--database-url", &database_url];
    let detach = [&detach[..], &["--redis-lost"]].concat();
    let (is_done, what) = said(&detach);
    assert!(is_done && what.contains("is lost"), "{what}");
    let lost = persisted + 1;
    let named = format!("DATA LOSS: answered writes at positions {lost} to {lost} ");
    assert!(what.contains(&named), "{what}");
    let process = postgres_node(&postgres);
    runtime.block_on(async {
        let statement = Bank::of(&process).statement("1").await;
        assert_eq!(statement["saldo"]["total"], -100);
    });
}

/// The lock of those who bring the accounts forward, as in `engine-write-behind`.
const BALANCES_LOCK: i64 = 0x6c61_7374_726f_1002;

/// What is persisted can be checked by itself, but not while its accounts stay behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stays_behind_is_not_called_unclean() {
    let redis = redis();
    let postgres = Arc::new(Postgres::start().unwrap());
    // While somebody else holds the lock, nobody brings the accounts forward.
    let holder = {
        let postgres = Arc::clone(&postgres);
        let hold = format!("SELECT pg_advisory_lock({BALANCES_LOCK}), pg_sleep(600)");
        std::thread::spawn(move || postgres.psql(&hold))
    };
    let of_holder = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let bound = Instant::now() + PATIENCE;
    while postgres
        .psql(&format!("SELECT count(*) {of_holder}"))
        .unwrap()
        != "1"
    {
        assert!(Instant::now() < bound, "nobody holds the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let process = node(&redis, &postgres);
    let bank = Bank::of(&process);
    assert_eq!(bank.transact("1", "d", 100).await.0, 200);
    wait_until_persisted(&bank).await;
    let (clean, said) = verify_database(&postgres);
    assert!(
        !clean && said.contains("compare the two with --redis-url"),
        "{said}"
    );
    assert!(!said.contains("NOT CLEAN"), "{said}");

    let ended = postgres.psql(&format!("SELECT pg_terminate_backend(pid) {of_holder}"));
    assert_eq!(ended.unwrap(), "t");
    assert!(holder.join().unwrap().is_err());
    let shown = "SELECT balances.position = ledger.position
        FROM lastro_behind.balances, lastro_behind.ledger";
    let bound = Instant::now() + PATIENCE;
    while postgres.psql(shown).unwrap() != "t" {
        assert!(Instant::now() < bound, "the accounts stay behind");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (clean, said) = verify_database(&postgres);
    assert!(
        clean && said.contains("of the ledger in a Redis in front of it"),
        "{said}"
    );
    assert!(process.stop().unwrap().success());
}
