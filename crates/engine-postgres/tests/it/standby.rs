//! What an answer says while the standby is away: nothing is answered that it does not have.

use std::sync::atomic::{AtomicBool, Ordering};

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
