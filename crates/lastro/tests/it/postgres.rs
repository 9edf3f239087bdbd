//! Nodes over a PostgreSQL, and the commands about one.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::LastroProcess;
use testkit::servers::Postgres;

use crate::support::{Bank, binary, folder, metrics};

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
    assert!(start("--no-migrate").unwrap_err().contains("lastro init"));
    let migrated = Command::new(binary())
        .args(["init", "--database-url", &url])
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

fn verify(url: &str) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary())
        .args(["verify", "--database-url", url])
        .output()
        .unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn verify_tells_a_clean_database_from_one_that_is_not() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let unused = folder();
    let (code, said) = verify(&url);
    assert!(code == Some(1) && said.contains("lastro init"), "{said}");
    let arguments = ["--demo", "--engine", "postgres", "--database-url", &url];
    let process = LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap();
    let bank = Bank::of(&process);
    for client in ["1", "2"] {
        assert_eq!(bank.transact(client, "c", 700).await.0, 200);
        assert_eq!(bank.transact(client, "d", 300).await.0, 200);
    }
    // Beside the node, and without it.
    let clean = |(code, said): (Option<i32>, String)| {
        assert!(code == Some(0) && said.contains("\nclean: "), "{said}");
        assert!(said.contains("entries     4\n"), "{said}");
        assert!(said.contains("sum of BRL  0\n"), "{said}");
    };
    clean(verify(&url));
    assert!(process.stop().unwrap().success());
    clean(verify(&url));
    let forged = "UPDATE lastro.accounts SET credits_posted = credits_posted + 1 \
        WHERE account_id = '2' RETURNING account_id";
    assert!(postgres.psql(forged).unwrap().starts_with('2'));
    let (code, said) = verify(&url);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("NOT CLEAN: ") && said.contains("\n  account 2: "),
        "{said}"
    );
    assert!(!said.contains("account 1"), "{said}");
}

/// What the database is set to is said at the start, by `/readyz` and by the metrics.
#[tokio::test]
async fn the_start_says_what_the_database_promises() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let unused = folder();
    let set = |statement: &str| postgres.psql(statement).unwrap();
    for (word, warns) in [("disk", false), ("delayed", true), ("unsafe", true)] {
        match word {
            "delayed" => _ = set("ALTER DATABASE postgres SET synchronous_commit = off"),
            "unsafe" => {
                set("ALTER SYSTEM SET fsync = off");
                set("SELECT pg_reload_conf()");
                let bound = Instant::now() + Duration::from_secs(60);
                while set("SHOW fsync") != "off" {
                    assert!(Instant::now() < bound, "the setting is not taken");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            _ => {}
        }
        let arguments = ["--engine", "postgres", "--database-url", &url];
        let scraped = ["--metrics-listen", "127.0.0.1:0"];
        let arguments = [&arguments[..], &scraped].concat();
        let mut process = LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap();
        let (status, ready) = Bank::of(&process).get("/readyz").await;
        assert_eq!((status, &ready["durability"]), (200, &word.into()));
        let metrics = metrics(&mut process).await;
        assert!(
            metrics.contains(&format!("durability=\"{word}\"")),
            "{metrics}"
        );
        let line = format!("durability={word} (");
        process
            .wait_for_log(&line, Duration::from_secs(60))
            .unwrap();
        let said = process.logged().join("\n");
        assert_eq!(said.contains("NOT durable"), warns, "{said}");
        assert!(process.stop().unwrap().success());
    }
}

#[test]
fn bench_takes_a_database_without_a_ledger() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    let bench_over = |url: &str| {
        Command::new(binary())
            .args(["bench", "--database-url", url, "--transfers", "300"])
            .args(["--batch", "1", "--concurrency", "64", "--accounts", "5"])
            .args(["--hot", "--json", "-"])
            .output()
            .unwrap()
    };
    let output = bench_over(&url);
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
    // Also one that nothing was done in yet.
    let begun = postgres.create_database("begun").unwrap();
    let init = Command::new(binary())
        .args(["init", "--database-url", &begun])
        .status();
    assert!(init.unwrap().success());
    for used in [&url, &begun] {
        let refused = bench_over(used);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        let expected = "a benchmark needs a database without a ledger: there is a ledger in this database already";
        assert!(
            !refused.status.success() && said.contains(expected),
            "{said}"
        );
    }
}
