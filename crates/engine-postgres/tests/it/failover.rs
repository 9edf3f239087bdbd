//! Two servers that both take writes, and a standby that stays away.

use std::time::{Duration, Instant};

use engine_postgres::{CallerKeys, PostgresEngine, PostgresOptions};
use ledger::{Account, Command, Engine, MoveMoney, OpenAccount, TransferId, Unavailable};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::{Postgres, ServerOptions};

use crate::subject::open;

/// How long anything may take that should happen by itself: machines are busy.
const BOUND_S: u64 = 60;
const PAUSE: Duration = Duration::from_millis(50);

fn deposit(number: u128) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: ledger::AccountId::world(currency()),
        credit_account_id: id("user:1"),
        amount: 1,
        description: "failover".into(),
        notes: ledger::Notes::NONE,
    })
}

async fn user(engine: &PostgresEngine) -> Account {
    let read = engine.account(id("user:1"), in_seconds(BOUND_S)).await;
    read.unwrap().unwrap()
}

/// The old primary goes on as before: nobody tells it, and it answers every read.
#[test]
fn a_primary_that_was_superseded_is_left_though_it_answers() {
    let old = Postgres::start().unwrap();
    let new = old.start_standby().unwrap();
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
        old.port(),
        new.port()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&both).await;
        open_accounts(&engine).await;
        assert_eq!(user(&engine).await.credits_posted, 0);
        new.promote().unwrap();
        let other = open(&new.url()).await;
        let told = submit_one(&other, deposit(1), in_seconds(BOUND_S)).await;
        assert_eq!(told.unwrap().code(), "created");
        let until = in_seconds(BOUND_S);
        while user(&engine).await.credits_posted == 0 {
            assert!(
                Instant::now() < until,
                "it still reads from the old primary"
            );
            tokio::time::sleep(PAUSE).await;
        }
        // And it stays there, whichever host is tried first.
        for number in 2..20 {
            let told = submit_one(&engine, deposit(number), in_seconds(BOUND_S)).await;
            assert_eq!(told.unwrap().code(), "created");
            assert_eq!(u128::from(user(&engine).await.credits_posted), number);
        }
    });
    let seen_there = "SELECT count(*) FROM lastro.transfers";
    assert_eq!(old.psql(seen_there).unwrap(), "0");
    assert_eq!(new.psql(seen_there).unwrap(), "19");
}

/// A key that was revoked is not believed again because the old primary still knows it as it was.
#[test]
fn keys_are_not_read_from_a_primary_that_was_superseded() {
    let old = Postgres::start().unwrap();
    let new = old.start_standby().unwrap();
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
        old.port(),
        new.port()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = PostgresOptions::default();
        let engine = PostgresEngine::open(&both, &options).await.unwrap();
        open_accounts(&engine).await;
        let mut keys = CallerKeys::new(&both, &options);
        assert!(keys.insert("shop", "valid").await.unwrap());
        let until = in_seconds(BOUND_S);
        while new.psql("SELECT count(*) FROM lastro.caller_keys") != Ok("1".to_owned()) {
            assert!(Instant::now() < until, "the standby does not follow");
            tokio::time::sleep(PAUSE).await;
        }
        new.promote().unwrap();
        new.psql("UPDATE lastro.caller_keys SET record = 'revoked'")
            .unwrap();
        let until = in_seconds(20);
        let revoked = [("shop".to_owned(), "revoked".to_owned())];
        while keys.read().await.unwrap() != revoked {
            assert!(
                Instant::now() < until,
                "they are still read from the old primary"
            );
            tokio::time::sleep(PAUSE).await;
        }
    });
}

/// Between two accounts that no other call touches: no call waits for the locks of another.
fn between(pair: u128) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(pair),
        debit_account_id: id(&format!("debit:{pair}")),
        credit_account_id: id(&format!("credit:{pair}")),
        amount: 1,
        description: "failover".into(),
        notes: ledger::Notes::NONE,
    })
}

#[test]
fn a_standby_that_stays_away_uses_up_no_sessions_and_reads_go_on() {
    const SESSIONS_MAX: &str = "25";
    const CALLS_COUNT: u128 = 60;
    let options = ServerOptions::with_settings(&[("max_connections", SESSIONS_MAX)]);
    let postgres = Postgres::start_with(&options).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        for side in ["debit", "credit"] {
            for pair in 1..=CALLS_COUNT {
                let command = Command::OpenAccount(OpenAccount {
                    id: id(&format!("{side}:{pair}")),
                    currency: currency(),
                    credit_limit: 10,
                });
                let opened = submit_one(&engine, command, in_seconds(BOUND_S)).await;
                assert!(opened.unwrap().result.is_ok());
            }
        }
        postgres.wait_for_standby(true).unwrap();
        let (mut waited, mut refused) = (0, 0);
        for pair in 1..=CALLS_COUNT {
            // Shorter than it takes to notice: without that, each would leave one more session.
            let deadline = Instant::now() + Duration::from_millis(400);
            match submit_one(&engine, between(pair), deadline).await {
                Err(Unavailable::StandbyAway) => {
                    refused += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                told => {
                    waited += 1;
                    assert!(told.is_err(), "{told:?}");
                }
            }
        }
        println!("{refused} calls were refused, {waited} waited");
        assert!(refused > 0 && waited > 0);
        assert!(engine.is_standby_away());
        let account = engine.account(id("debit:1"), in_seconds(BOUND_S)).await;
        assert_eq!(account.unwrap().unwrap().debits_posted, 0);
        // Refused is refused: nothing was begun.
        let last = TransferId::from_u128(CALLS_COUNT);
        let found = engine.transfer(last, in_seconds(BOUND_S)).await.unwrap();
        assert_eq!(found, None);
        postgres.wait_for_standby(false).unwrap();
        let until = in_seconds(BOUND_S);
        for pair in 1..=CALLS_COUNT {
            loop {
                let told = submit_one(&engine, between(pair), in_seconds(BOUND_S)).await;
                match told {
                    // Those that waited were committed by then.
                    Ok(told) => break assert!(told.result.is_ok(), "{told:?}"),
                    Err(unavailable) => assert_eq!(unavailable, Unavailable::StandbyAway),
                }
                assert!(Instant::now() < until, "writes are never taken again");
            }
            let account = engine.account(id(&format!("debit:{pair}")), in_seconds(BOUND_S));
            assert_eq!(account.await.unwrap().unwrap().debits_posted, 1);
        }
    });
}
