//! What an answer says while the standby is away: nothing is answered that it does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{Command, MoveMoney, TransferId, Unavailable};
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
        reference: None,
    })
}

/// Whether commits wait for a standby that is not there, from now on.
fn wait_for_standby(postgres: &Postgres, waits: bool) {
    let name = if waits { "absent" } else { "" };
    let statement = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    postgres.psql(&statement).unwrap();
    postgres.psql("SELECT pg_reload_conf()").unwrap();
    if !waits {
        return;
    }
    // A commit waits once all processes have seen it; the one that shows it does not wait on.
    let bound = in_seconds(60);
    let mut has_waited = false;
    while !has_waited {
        assert!(std::time::Instant::now() < bound, "no commit waits");
        std::thread::scope(|scope| {
            let probe = "CREATE TABLE probe (); DROP TABLE probe";
            let probe = scope.spawn(|| postgres.psql(probe));
            while !probe.is_finished() {
                has_waited |= cancel_waits_once(postgres) > 0;
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    }
}

/// Ends the waits of all commits; how many there were.
fn cancel_waits_once(postgres: &Postgres) -> u32 {
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
        WHERE wait_event = 'SyncRep'";
    postgres.psql(cancel).unwrap().parse().unwrap()
}

/// Likewise, over and over, until it is told to stop.
fn cancel_waits(postgres: &Postgres, stop: &AtomicBool) -> u32 {
    let mut cancelled = 0;
    while !stop.load(Ordering::Relaxed) {
        cancelled += cancel_waits_once(postgres);
        std::thread::sleep(Duration::from_millis(20));
    }
    cancelled
}

#[test]
fn a_commit_whose_wait_was_cancelled_is_not_answered_and_neither_is_its_repetition() {
    let postgres = Arc::new(Postgres::start().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&postgres.url()));
    runtime.block_on(open_accounts(&engine));
    wait_for_standby(&postgres, true);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cancelling = scope.spawn(|| cancel_waits(&postgres, &stop));
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
    wait_for_standby(&postgres, false);
    let told = submit_one(&engine, transfer(1, "user:1"), in_seconds(20));
    assert_eq!(runtime.block_on(told).unwrap().code(), "exists");
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
    wait_for_standby(&postgres, true);
    assert_eq!(repeat(1), Err(Unavailable::Timeout));
    wait_for_standby(&postgres, false);
    let told = repeat(20).unwrap();
    assert_eq!((told.code(), told.replayed), ("account_not_found", true));
}
