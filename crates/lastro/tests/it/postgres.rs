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

#[test]
fn bench_takes_a_database_without_a_ledger() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let bench = || {
        Command::new(binary())
            .args(["bench", "--database-url", &url, "--transfers", "300"])
            .args(["--batch", "1", "--concurrency", "64", "--accounts", "5"])
            .args(["--hot", "--json", "-"])
            .output()
            .unwrap()
    };
    let output = bench();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json = &said[said.find("\n{").unwrap()..];
    let figures: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(figures["engine"], "postgres");
    assert!(figures["durability"].as_str().unwrap().starts_with("disk"));
    let decided = figures["created_count"].as_u64().unwrap();
    assert_eq!(decided + figures["refused_count"].as_u64().unwrap(), 300);
    let again = bench();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        !again.status.success() && said.contains("there is a ledger"),
        "{said}"
    );
}
