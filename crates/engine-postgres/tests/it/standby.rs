//! What an answer says while the standby is away: nothing is answered that it does not have.

use std::sync::atomic::{AtomicBool, Ordering};

use engine_postgres::{CallerKeys, Failure, PostgresOpenError, PostgresOptions, begin};
use ledger::{Command, Engine, MoveMoney, TransferId, Unavailable};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

fn transfer(number: u128, debit: &str) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: id(debit),
        credit_account_id: ledger::AccountId::world(currency()),
        amount: 1,
        description: "standby".into(),
        notes: ledger::Notes::NONE,
    })
}

#[test]
fn a_commit_whose_wait_was_cancelled_is_not_answered_and_neither_is_its_repetition() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    postgres.wait_for_standby(true).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| postgres.cancel_waits(&stop).unwrap());
        let told = [10, 2].map(|deadline_s| {
            let told = submit_one(&engine, transfer(1, "user:1"), in_seconds(deadline_s));
            runtime.block_on(told)
        });
        stop.store(true, Ordering::Relaxed);
        assert!(cancelling.join().unwrap() > 0, "nothing waited");
        for told in &told {
            assert!(told.is_err(), "answered without the standby: {told:?}");
        }
        assert!(!told[0].clone().unwrap_err().nothing_done(), "{told:?}");
    });
    postgres.wait_for_standby(false).unwrap();
    let told = submit_one(&engine, transfer(1, "user:1"), in_seconds(20));
    assert_eq!(runtime.block_on(told).unwrap().code(), "exists");
}

/// A failover may take such a change back: who was told that a key is revoked would not look again.
#[test]
fn a_change_of_keys_whose_wait_was_cancelled_is_not_said_to_be_made() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    let mut keys = CallerKeys::new(&postgres.url(), &PostgresOptions::default());
    assert!(runtime.block_on(keys.insert("shop", "valid")).unwrap());
    postgres.wait_for_standby(true).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| postgres.cancel_waits(&stop).unwrap());
        let added = runtime.block_on(keys.insert("other", "valid"));
        let revoked = runtime.block_on(keys.replace("shop", "valid", "revoked"));
        stop.store(true, Ordering::Relaxed);
        assert!(cancelling.join().unwrap() > 0, "nothing waited");
        assert!(added.is_err(), "{added:?}");
        assert!(revoked.is_err(), "{revoked:?}");
    });
    postgres.wait_for_standby(false).unwrap();
    drop(engine);
}

#[test]
fn a_beginning_whose_wait_was_cancelled_is_not_said_to_be_made() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (url, options) = (postgres.url(), PostgresOptions::default());
    postgres.wait_for_standby(true).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| postgres.cancel_waits(&stop).unwrap());
        let begun = runtime.block_on(begin(&url, &options));
        stop.store(true, Ordering::Relaxed);
        assert!(cancelling.join().unwrap() > 0, "nothing waited");
        assert!(
            matches!(begun, Err(PostgresOpenError::Asked(Failure::CommitUnknown))),
            "{begun:?}"
        );
    });
    postgres.wait_for_standby(false).unwrap();
    // It is there all the same, and is told.
    let again = runtime.block_on(begin(&url, &options));
    assert!(
        matches!(
            again,
            Err(PostgresOpenError::HasLedger { ledger_id: Some(_) })
        ),
        "{again:?}"
    );
}

#[test]
fn what_is_remembered_and_locks_nothing_waits_for_the_standby_when_it_is_repeated() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    let repeat = |deadline_s| {
        let told = submit_one(&engine, transfer(2, "nobody"), in_seconds(deadline_s));
        runtime.block_on(told)
    };
    assert_eq!(repeat(20).unwrap().code(), "account_not_found");
    postgres.wait_for_standby(true).unwrap();
    assert_eq!(repeat(1), Err(Unavailable::Timeout));
    postgres.wait_for_standby(false).unwrap();
    let told = repeat(20).unwrap();
    assert_eq!((told.code(), told.replayed), ("account_not_found", true));
}

/// What a node notes of the clock waits for nobody: while the standby is away starts succeed, and
/// nodes that run stay ready to be read.
#[test]
fn starts_and_reads_go_on_while_the_standby_is_away() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    postgres.wait_for_standby(true).unwrap();
    // So that the next look notes what it believes.
    postgres
        .psql("UPDATE lastro.clock SET believed_at = 1 WHERE set_config('synchronous_commit', 'off', true) = 'off'")
        .unwrap();
    let started = runtime.block_on(async {
        let bound = std::time::Duration::from_secs(60);
        tokio::time::timeout(bound, open(&postgres.url())).await
    });
    let started = started.expect("the start waits for the standby");
    let noted = postgres.psql("SELECT believed_at > 1 FROM lastro.clock");
    assert_eq!(noted.unwrap().trim(), "t");
    let account = started.account(id("user:1"), in_seconds(20));
    assert!(runtime.block_on(account).unwrap().is_some());
    postgres.wait_for_standby(false).unwrap();
}
