//! The database's clock jumps: what is decided by it, and what a start makes of it.

use std::time::{Duration, Instant};

use engine_postgres::{PostgresEngine, PostgresOptions, newest_record};
use ledger::{
    AccountId, ClockBounds, Command, Engine, MoveMoney, OpenAccount, Outcome, TransferId,
    Unavailable, UsedTransfer,
};
use testkit::bank::{currency, id, in_seconds, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Sets the database's clock ahead of the real one.
pub(crate) fn set_ahead(postgres: &Postgres, database: &str, seconds: u64) {
    let set = format!(
        "CREATE OR REPLACE FUNCTION lastro.now_ns() RETURNS bigint LANGUAGE sql VOLATILE AS $$
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
                + {seconds} * 1000000000::bigint $$"
    );
    postgres.psql_in(database, &set).unwrap();
}

fn open_account(name: &str) -> Command {
    Command::OpenAccount(OpenAccount {
        id: id(name),
        currency: currency(),
        credit_limit: 100,
    })
}

fn transfer(number: u128, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: id("a"),
        credit_account_id: AccountId::world(currency()),
        amount,
        description: "clock".into(),
        notes: ledger::Notes::NONE,
    }
}

async fn submit(engine: &PostgresEngine, command: Command) -> Result<Outcome, Unavailable> {
    submit_one(engine, command, in_seconds(30)).await
}

async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let bound = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < bound, "never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn started(url: &str, clock: ClockBounds) -> PostgresEngine {
    let options = PostgresOptions {
        clock,
        ..PostgresOptions::default()
    };
    PostgresEngine::open(url, &options).await.unwrap()
}

/// A hold of an hour outlives a jump of two; nothing is written by such a clock, reads go on, and once
/// the clock is right again writes do.
#[test]
fn a_jump_under_a_running_node_ends_no_hold_and_writes_nothing() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("clock").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        submit(&engine, open_account("a")).await.unwrap();
        let hold = Command::Pend {
            transfer: transfer(1, 60),
            timeout_s: 3_600,
        };
        assert!(submit(&engine, hold).await.unwrap().result.is_ok());
        assert_eq!(engine.clock_ahead_s(), None);

        set_ahead(&postgres, "clock", 2 * HOUR);
        // Without the hold this would be available.
        let more = || Command::Transfer(transfer(2, 60));
        assert_eq!(submit(&engine, more()).await, Err(Unavailable::ClockJumped));
        assert_eq!(
            submit(&engine, open_account("b")).await,
            Err(Unavailable::ClockJumped)
        );
        wait_until("ahead", || engine.clock_ahead_s().is_some_and(|s| s > HOUR)).await;
        // The timer has looked by such a clock, and more than once.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let held = engine
            .account(id("a"), in_seconds(30))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(held.debits_pending, 60);
        assert_eq!(engine.account(id("b"), in_seconds(30)).await.unwrap(), None);

        // Another node does not take for rest what this one refuses, and an operator may accept it.
        let other = started(&url, ClockBounds::default()).await;
        assert!(other.clock_ahead_s().is_some());
        assert_eq!(submit(&other, more()).await, Err(Unavailable::ClockJumped));
        drop(other);

        set_ahead(&postgres, "clock", 0);
        let refused = submit(&engine, more()).await.unwrap();
        assert_eq!(refused.code(), "insufficient_funds");
        assert_eq!(engine.clock_ahead_s(), None);
        let used = engine
            .transfer(TransferId::from_u128(2), in_seconds(30))
            .await;
        assert!(matches!(used, Ok(Some(UsedTransfer::Refused(..)))));
    });
}

/// A start compares the clock with the newest time that was believed, and an operator may accept it.
#[test]
fn a_start_long_after_the_newest_record_waits_for_an_operator() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("clock").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        submit(&engine, open_account("a")).await.unwrap();
        let is_marked = "SELECT believed_at > 0 FROM lastro.clock";
        wait_until("marked", || {
            postgres.psql_in("clock", is_marked).unwrap() == "t"
        })
        .await;
        drop(engine);

        set_ahead(&postgres, "clock", 29 * DAY);
        let rested = open(&url).await;
        assert_eq!(rested.clock_ahead_s(), None);
        drop(rested);
        set_ahead(&postgres, "clock", 0);
        let back = open(&url).await;
        assert_eq!(
            back.clock_ahead_s(),
            None,
            "a clock that was set back is held, not refused"
        );
        drop(back);

        set_ahead(&postgres, "clock", 70 * DAY);
        let doubting = open(&url).await;
        assert!(
            doubting
                .clock_ahead_s()
                .is_some_and(|ahead_s| ahead_s > 30 * DAY)
        );
        assert_eq!(
            submit(&doubting, open_account("b")).await,
            Err(Unavailable::ClockJumped)
        );
        drop(doubting);
        let accepted = ClockBounds {
            is_accepted: true,
            ..ClockBounds::default()
        };
        let accepting = started(&url, accepted).await;
        assert_eq!(accepting.clock_ahead_s(), None);
        assert!(
            submit(&accepting, open_account("b"))
                .await
                .unwrap()
                .result
                .is_ok()
        );
        drop(accepting);
        // What was accepted once is known.
        let after = open(&url).await;
        assert!(
            submit(&after, open_account("c"))
                .await
                .unwrap()
                .result
                .is_ok()
        );
        let newest = newest_record(&url, &PostgresOptions::default())
            .await
            .unwrap();
        let account = after
            .account(id("c"), in_seconds(30))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(newest, account.timestamp);
    });
}

/// Nodes of an earlier version, or of another engine, note nothing of the clock: their newest record counts.
#[test]
fn a_start_long_after_the_newest_note_believes_as_far_as_the_records() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("clock").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        submit(&engine, open_account("a")).await.unwrap();
        drop(engine);
        let days_ago = |table: &str, column: &str| {
            let aged = format!(
                "UPDATE lastro.{table} SET {column} = {column} - 40::bigint * 86400000000000"
            );
            postgres.psql_in("clock", &aged).unwrap();
        };
        let noted = "UPDATE lastro.clock SET believed_at = lastro.now_ns(), doubted_at = NULL";
        postgres.psql_in("clock", noted).unwrap();
        days_ago("clock", "believed_at");
        let started = started(&url, ClockBounds::default()).await;
        assert_eq!(started.clock_ahead_s(), None);
    });
}
