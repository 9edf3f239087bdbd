//! What is wrong with one request is for that one alone.

use std::time::{Duration, Instant};

use engine_postgres::{ConnectError, PostgresEngine, PostgresOpenError, PostgresOptions};
use futures_util::future::join_all;
use ledger::{AccountId, Batch, Command, Engine, MoveMoney, OpenAccount, TransferId, Unavailable};
use testkit::bank::{currency, id, in_seconds, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

const INNOCENTS_COUNT: u128 = 20;

fn account(name: &str) -> Command {
    Command::OpenAccount(OpenAccount {
        id: id(name),
        currency: currency(),
        credit_limit: 1_000_000,
    })
}

fn transfer(number: u128, debit: &str) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: id(debit),
        credit_account_id: AccountId::world(currency()),
        amount: 1,
        description: "content".into(),
        notes: ledger::Notes::NONE,
    }
}

async fn pend<'a>(
    engine: &PostgresEngine,
    timeout_s: u32,
    pends: impl Iterator<Item = (u128, &'a str)>,
) {
    let command = |(number, debit): (u128, &str)| Command::Pend {
        transfer: transfer(number, debit),
        timeout_s,
    };
    let batch = Batch::independent(pends.map(command).collect()).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(60)).await.unwrap();
    assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
}

#[test]
fn a_database_that_is_not_utf8_is_refused_by_name() {
    let postgres = Postgres::start().unwrap();
    let latin = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0";
    postgres.psql(latin).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (url, options) = (postgres.url_of("latin"), PostgresOptions::default());
    let opened = PostgresEngine::open(&url, &options);
    let refused = runtime.block_on(opened).map(drop).unwrap_err();
    let PostgresOpenError::Connection(ConnectError::Encoding(found)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found, "LATIN1");
}

/// On one thread all requests are queued before the first call is made: they go together.
#[test]
fn a_damaged_record_fails_the_request_that_needs_it_and_no_other() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        for command in [
            account("a"),
            account("b"),
            Command::Transfer(transfer(7, "a")),
        ] {
            let told = submit_one(&engine, command, in_seconds(20)).await.unwrap();
            assert_eq!(told.code(), "created");
        }
        let damage = "UPDATE lastro.transfers SET record = '\\xffff'";
        postgres.psql(damage).unwrap();
        let told = (100..100 + INNOCENTS_COUNT).map(|number| {
            // The guilty one in the middle of them.
            let number = if number == 110 { 7 } else { number };
            let command = Command::Transfer(transfer(number, "b"));
            submit_one(&engine, command, in_seconds(30))
        });
        for (index, told) in join_all(told).await.into_iter().enumerate() {
            match index {
                10 => assert_eq!(told, Err(Unavailable::StorageDamaged)),
                _ => assert_eq!(told.unwrap().code(), "created", "{index}"),
            }
        }
    });
}

/// A backlog that does not shrink: rows that are due of holds that are not.
#[test]
fn what_one_account_has_to_expire_first_keeps_no_other_waiting() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        for name in ["payer", "other"] {
            let told = submit_one(&engine, account(name), in_seconds(20)).await;
            assert_eq!(told.unwrap().code(), "created");
        }
        let pends = (1_000..2_500).map(|number| (number, "payer"));
        pend(&engine, 3_600, pends).await;
        let due = "UPDATE lastro.pendings SET expires_at = 1";
        postgres.psql(due).unwrap();
        let told = (100..100 + INNOCENTS_COUNT).map(|number| {
            let debit = if number == 110 { "payer" } else { "other" };
            let deadline = in_seconds(if number == 110 { 5 } else { 30 });
            submit_one(
                &engine,
                Command::Transfer(transfer(number, debit)),
                deadline,
            )
        });
        for (index, told) in join_all(told).await.into_iter().enumerate() {
            match index {
                10 => assert!(told.is_err(), "{told:?}"),
                _ => assert_eq!(told.unwrap().code(), "created", "{index}"),
            }
        }
    });
}

#[test]
fn a_damaged_hold_keeps_no_other_from_expiring() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            let told = submit_one(&engine, account(name), in_seconds(20)).await;
            assert_eq!(told.unwrap().code(), "created");
        }
        // The timer ends with its engine, before they are due.
        pend(&engine, 10, (1_u128..).zip(names)).await;
        drop(engine);
        let damage = "UPDATE lastro.transfers SET record = '\\xffff'
            WHERE transfer_id = '00000000-0000-0000-0000-000000000003'";
        postgres.psql(damage).unwrap();
        let _engine = open(&postgres.url()).await;
        let bound = Instant::now() + Duration::from_secs(60);
        let left = "SELECT string_agg(account_id, '' ORDER BY account_id) FROM lastro.pendings";
        while postgres.psql(left).unwrap() != "c" {
            assert!(Instant::now() < bound, "{}", postgres.psql(left).unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
