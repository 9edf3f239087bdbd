//! Hosts that accept a connection and stay silent, as a frozen machine does: each costs a bound.

use std::net::TcpListener;
use std::process::Command as Shell;
use std::time::Duration;

use engine_postgres::{ConnectError, PostgresEngine, PostgresOpenError, PostgresOptions, verify};
use ledger::{AccountId, Command, MoveMoney, TransferId};
use testkit::bank::{currency, id, in_seconds, open_accounts, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

/// Connections are accepted by the kernel, and nobody answers.
fn silent_host() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn transfer(number: u128) -> Command {
    Command::Transfer(MoveMoney {
        id: TransferId::from_u128(number),
        debit_account_id: AccountId::world(currency()),
        credit_account_id: id("user:1"),
        amount: 1,
        description: "hosts".into(),
        notes: ledger::Notes::NONE,
    })
}

/// Within a bound that a call without one of its own does not keep.
async fn bounded<T>(asked: impl Future<Output = T>) -> T {
    let asked = tokio::time::timeout(Duration::from_secs(60), asked);
    asked.await.expect("it waits for ever")
}

#[test]
fn a_silent_host_is_passed_by_at_the_start_by_calls_and_by_verify() {
    let postgres = Postgres::start().unwrap();
    let (_listener, silent) = silent_host();
    let port = postgres.port();
    let url = format!("postgres://postgres@127.0.0.1:{silent},127.0.0.1:{port}/postgres");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = bounded(open(&url)).await;
        bounded(open_accounts(&engine)).await;
        let told = bounded(submit_one(&engine, transfer(1), in_seconds(20))).await;
        assert_eq!(told.unwrap().code(), "created");
        let verified = bounded(verify(&url, &PostgresOptions::default(), &mut |_| {})).await;
        assert!(verified.unwrap().is_clean());
    });
}

#[test]
fn silent_hosts_alone_are_an_error_that_names_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_listener, one) = silent_host();
    let (_other_listener, other) = silent_host();
    let url = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{other}/x?connect_timeout=1");
    let options = PostgresOptions::default();
    let opened = PostgresEngine::open(&url, &options);
    let refused = runtime.block_on(bounded(opened)).map(drop).unwrap_err();
    let PostgresOpenError::Connection(ConnectError::Hosts(failures)) = refused else {
        panic!("{refused:?}");
    };
    for ((place, failure), port) in failures.iter().zip([one, other]) {
        assert_eq!(*place, format!("127.0.0.1:{port}"));
        assert!(matches!(failure, ConnectError::Silent(_)), "{failure:?}");
    }
    assert_eq!(failures.len(), 2);
}

/// Stops all processes of a server where they are, or lets them go on.
fn signal(postgres: &Postgres, signal: &str) {
    let id = postgres.id().unwrap();
    let all = format!("kill -{signal} {id} $(cat /proc/{id}/task/{id}/children)");
    let status = Shell::new("sh").args(["-c", &all]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_primary_that_freezes_is_left_for_the_one_that_is_promoted() {
    let primary = Postgres::start().unwrap();
    let standby = primary.start_standby().unwrap();
    let (one, other) = (primary.port(), standby.port());
    let url = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{other}/postgres");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = runtime.block_on(open(&url));
    runtime.block_on(async {
        open_accounts(&engine).await;
        // Many connections are kept, all of them to the one that freezes.
        let reads = (0..15).map(|_| ledger::Engine::account(&engine, id("user:1"), in_seconds(20)));
        for read in futures_util::future::join_all(reads).await {
            assert!(read.unwrap().is_some());
        }
    });
    signal(&primary, "STOP");
    standby.promote().unwrap();
    let bound = in_seconds(30);
    let mut number = 0;
    loop {
        number += 1;
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        let told = runtime.block_on(submit_one(&engine, transfer(number), deadline));
        if told.is_ok_and(|told| told.code() == "created") {
            break;
        }
        assert!(
            std::time::Instant::now() < bound,
            "it stays with the frozen one"
        );
    }
    signal(&primary, "CONT");
}
