//! What changes under a node that runs: the database's settings, tables, rights and age.

use std::time::{Duration, Instant};

use engine_postgres::{Durability, PostgresEngine, PostgresOpenError, PostgresOptions};
use ledger::{AccountId, Command, Engine, MoveMoney, OpenAccount, TransferId};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

fn transfer(number: u128) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: AccountId::world(currency()),
        credit_account_id: id("user:1"),
        amount: 1,
        description: "sessions".into(),
        notes: ledger::Notes::NONE,
    })
}

fn count(postgres: &Postgres, what: &str) -> u64 {
    let asked = postgres.psql(&format!("SELECT count(*) FROM {what}"));
    asked.unwrap().parse().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let bound = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < bound, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn durability_is_what_it_is_now() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    assert_eq!(engine.durability(), Durability::Disk);
    for (setting, without) in [
        ("synchronous_commit", Durability::Delayed),
        ("fsync", Durability::Unsafe),
        ("full_page_writes", Durability::Unsafe),
    ] {
        for (value, expected) in [("off", without), ("on", Durability::Disk)] {
            let set = format!("ALTER SYSTEM SET {setting} = {value}");
            postgres.psql(&set).unwrap();
            postgres.psql("SELECT pg_reload_conf()").unwrap();
            wait_until(&set, || engine.durability() == expected);
        }
    }
}

/// What a node has seen is not there any more once the database is one from before.
#[test]
fn a_node_believes_nothing_of_a_database_that_was_replaced() {
    let mut postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    assert_eq!(count(&postgres, "lastro.stripes"), 16);
    postgres.kill();
    postgres.restart().unwrap();
    let before = "TRUNCATE lastro.accounts, lastro.stripes, lastro.transfers";
    postgres.psql(before).unwrap();
    let command = Command::OpenAccount(OpenAccount {
        id: id("user:1"),
        currency: currency(),
        credit_limit: 0,
    });
    let told = runtime.block_on(submit_one(&engine, command, in_seconds(20)));
    assert_eq!(told.unwrap().code(), "created");
    assert_eq!(count(&postgres, "lastro.stripes"), 16);
}

/// All wait for the same row, which somebody holds, far longer than their callers do.
#[test]
fn requests_given_up_do_not_live_on_in_the_server() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = PostgresOptions {
        statement_timeout: Duration::from_secs(600),
        ..PostgresOptions::default()
    };
    let engine = runtime.block_on(PostgresEngine::open(&postgres.url(), &options));
    let engine = engine.unwrap();
    runtime.block_on(open_accounts(&engine));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            postgres.psql(
                "BEGIN; SELECT FROM lastro.accounts WHERE account_id = 'user:1' FOR UPDATE;
                 SELECT pg_sleep(600)",
            )
        });
        let holding =
            "pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND wait_event = 'PgSleep'";
        wait_until("nobody holds it", || count(&postgres, holding) == 1);
        for number in 1..30 {
            let deadline = Instant::now() + Duration::from_millis(100);
            let told = runtime.block_on(submit_one(&engine, transfer(number), deadline));
            assert!(told.is_err(), "{told:?}");
        }
        let waiting = "pg_stat_activity WHERE application_name = 'lastro'
            AND wait_event_type = 'Lock'";
        wait_until("they live on", || count(&postgres, waiting) == 0);
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event = 'PgSleep'";
        postgres.psql(end).unwrap();
        assert!(holder.join().unwrap().is_err());
    });
}

#[test]
fn tables_that_a_newer_node_changes_are_read_on() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    let changes = [
        "ALTER TABLE lastro.accounts ADD COLUMN newer integer",
        "ALTER TABLE lastro.stripes ADD COLUMN newer integer",
        // What is asked for comes back as another type: what was prepared has to be made anew.
        "ALTER TABLE lastro.accounts ALTER COLUMN currency TYPE varchar(3)",
    ];
    for (number, change) in (1..).zip(changes) {
        runtime.block_on(async {
            // Every connection has everything planned.
            let reads = (0..30).map(|_| engine.account(id("user:1"), in_seconds(20)));
            for read in futures_util::future::join_all(reads).await {
                assert!(read.unwrap().is_some());
            }
        });
        postgres.psql(change).unwrap();
        runtime.block_on(async {
            for read in [id("user:1"), AccountId::world(currency())] {
                let read = engine.account(read, in_seconds(20)).await;
                assert!(read.unwrap().is_some(), "{change}");
            }
            let told = submit_one(&engine, transfer(number), in_seconds(20)).await;
            assert_eq!(told.unwrap().code(), "created", "{change}");
        });
    }
}

/// A call that waits for a row for longer than the role lets a transaction last.
#[test]
fn a_role_s_bounds_do_not_reach_the_ledger() {
    let postgres = Postgres::start().unwrap();
    let version = postgres.psql("SHOW server_version_num").unwrap();
    let mut bounds = vec!["statement_timeout", "idle_in_transaction_session_timeout"];
    if version.parse::<u32>().unwrap() >= 170_000 {
        bounds.push("transaction_timeout");
    } else {
        println!("transaction_timeout is not looked at: the server is of before version 17");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    drop(engine);
    std::thread::scope(|scope| {
        // Of a session that has no such bounds yet.
        let holder = scope.spawn(|| {
            postgres.psql(
                "BEGIN; SELECT FROM lastro.accounts WHERE account_id = 'user:1' FOR UPDATE;
                 SELECT pg_sleep(3); COMMIT",
            )
        });
        let holding =
            "pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND wait_event = 'PgSleep'";
        wait_until("nobody holds it", || count(&postgres, holding) == 1);
        let set =
            |bound| format!("ALTER ROLE postgres IN DATABASE postgres SET {bound} = '200ms';");
        let set: String = bounds.into_iter().map(set).collect();
        postgres.psql(&set).unwrap();
        runtime.block_on(async {
            let engine = open(&postgres.url()).await;
            let told = submit_one(&engine, transfer(1), in_seconds(20)).await;
            assert_eq!(told.unwrap().code(), "created");
            let (url, options) = (postgres.url(), PostgresOptions::default());
            let verified = engine_postgres::verify(&url, &options, &mut |_| {}).await;
            assert!(verified.unwrap().is_clean());
        });
        assert!(holder.join().unwrap().is_ok());
    });
}

#[test]
fn a_right_that_is_missing_is_found_at_the_start() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    drop(runtime.block_on(open(&postgres.url())));
    postgres.psql("CREATE ROLE clerk LOGIN").unwrap();
    let url = postgres.url().replace("postgres@", "clerk@");
    let opened = || runtime.block_on(PostgresEngine::open(&url, &PostgresOptions::default()));
    let refused = || match opened().map(drop) {
        Err(PostgresOpenError::Rights {
            user,
            missing,
            grant,
        }) => {
            assert_eq!(user, "clerk");
            // What the error says to do is what helps.
            postgres.psql(&grant).unwrap();
            missing
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(), "USAGE on schema lastro");
    let missing = refused();
    for table in ["SELECT on lastro.migrations", "INSERT on lastro.entries"] {
        assert!(missing.contains(table), "{missing}");
    }
    let revoke = "REVOKE INSERT ON lastro.resolutions FROM clerk";
    let engine = opened().unwrap();
    runtime.block_on(open_accounts(&engine));
    drop(engine);
    postgres.psql(revoke).unwrap();
    assert_eq!(refused(), "INSERT on lastro.resolutions");
    assert!(opened().is_ok());
}

/// What a node has promised is for the ledger that it serves, whatever stands in the database's place.
#[test]
fn another_ledger_in_the_databases_place_is_not_served() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    let own = postgres.psql("SELECT id FROM lastro.ledger").unwrap();
    let become_of = |id: &str| {
        let change = format!("UPDATE lastro.ledger SET id = {id}");
        postgres.psql(&change).unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lastro'";
        postgres.psql(end).unwrap();
    };
    become_of("gen_random_uuid()");
    let deadline = Instant::now() + Duration::from_secs(3);
    let told = runtime.block_on(submit_one(&engine, transfer(1), deadline));
    assert!(told.is_err(), "{told:?}");
    let transfers = "lastro.transfers";
    assert_eq!(count(&postgres, transfers), 0);
    become_of(&format!("'{own}'"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let told = runtime.block_on(submit_one(&engine, transfer(2), deadline));
    assert!(told.is_ok(), "{told:?}");
    assert_eq!(count(&postgres, transfers), 1);
}
