//! Two nodes over one PostgreSQL.

use std::process::Command;

use serde_json::json;
use testkit::LastroProcess;
use testkit::servers::Postgres;

use crate::support::{Bank, binary, folder};

#[test]
fn what_one_node_answered_the_other_shows() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let unused = folder();
    let start = |migrate: &str| {
        let arguments = ["--demo", "--engine", "postgres", "--database-url", &url];
        let arguments = [&arguments[..], &[migrate]].concat();
        let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
        LastroProcess::serve(&binary(), unused.path(), &arguments)
    };
    assert!(
        start("--no-migrate")
            .unwrap_err()
            .contains("lastro migrate")
    );
    let migrated = Command::new(binary())
        .args(["migrate", "--database-url", &url])
        .status();
    assert!(migrated.unwrap().success());
    let (one, other) = (start("--no-migrate").unwrap(), start("").unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (one, other) = (Bank::of(&one), Bank::of(&other));
        assert_eq!(
            one.transact("1", "d", 100).await,
            (200, json!({"limite": 100_000, "saldo": -100}))
        );
        let statement = other.statement("1").await;
        assert_eq!(statement["saldo"]["total"], -100);
        assert_eq!(statement["ultimas_transacoes"][0]["valor"], 100);
        assert_eq!(other.transact("1", "d", 100_000).await.0, 422);
        assert_eq!(other.get("/readyz").await.0, 200);
    });
    assert!(one.stop().unwrap().success());
    assert!(other.stop().unwrap().success());
    assert_eq!(std::fs::read_dir(unused.path()).unwrap().count(), 0);
}
