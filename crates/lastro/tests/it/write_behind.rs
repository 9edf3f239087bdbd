//! Two nodes over one Redis with one PostgreSQL behind.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use testkit::LastroProcess;
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::support::{Bank, binary, folder};

/// How long persisting may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn verify(redis: &Redis, postgres: &Postgres) -> Output {
    let mut command = Command::new(binary());
    command.args(["verify", "--redis-url", &redis.url()]);
    command.args(["--database-url", &postgres.url()]);
    command.output().unwrap()
}

async fn wait_until_persisted(bank: &Bank) {
    let bound = Instant::now() + PATIENCE;
    loop {
        let (status, ready) = bank.get("/readyz").await;
        assert_eq!(status, 200, "{ready}");
        assert_eq!(ready["appendfsync"], "always");
        if ready["lag_entries"] == 0 {
            return;
        }
        assert!(Instant::now() < bound, "{ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The accounts in the database follow the entries at a distance, and nothing says how far.
fn wait_for_account(postgres: &Postgres, id: &str) {
    let bound = Instant::now() + PATIENCE;
    let count = format!("SELECT count(*) FROM lastro.accounts WHERE account_id = '{id}'");
    while postgres.psql(&count).unwrap() != "1" {
        assert!(
            Instant::now() < bound,
            "the balances in the database stay behind"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_killed_node_answered_the_other_persists() {
    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    let redis = Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap();
    let mut postgres = Postgres::start().unwrap();
    let unused = folder();
    let (redis_url, database_url) = (redis.url(), postgres.url());
    let start = || {
        let arguments = [
            "--demo",
            "--engine",
            "write-behind",
            "--redis-url",
            &redis_url,
            "--database-url",
            &database_url,
        ];
        LastroProcess::serve(&binary(), unused.path(), &arguments).unwrap()
    };
    // The first one persists.
    let (one, other) = (start(), start());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bank = Bank::of(&one);
        assert_eq!(bank.transact("1", "d", 100).await.0, 200);
        wait_until_persisted(&bank).await;
        postgres.kill();
        for round in 1..=30 {
            let (status, answer) = bank.transact("1", "d", 100).await;
            assert_eq!(
                (status, &answer["saldo"]),
                (200, &(-100 - 100 * round).into())
            );
        }
        one.kill();
        let bank = Bank::of(&other);
        let statement = bank.statement("1").await;
        assert_eq!(statement["saldo"]["total"], -3_100);
        assert_eq!(
            statement["ultimas_transacoes"].as_array().unwrap().len(),
            10
        );
        postgres.restart().unwrap();
        assert_eq!(bank.transact("1", "c", 3_100).await.0, 200);
        wait_until_persisted(&bank).await;
    });
    let entries = "SELECT count(*) FROM lastro.entries WHERE account_id = '1'";
    assert_eq!(postgres.psql(entries).unwrap(), "32");
    let verified = verify(&redis, &postgres);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && said.contains("clean"),
        "{said}"
    );
    wait_for_account(&postgres, "2");
    assert!(other.stop().unwrap().success());
    // Money that only one of the stores has is found.
    let forged = "UPDATE lastro.accounts SET credits_posted = credits_posted + 1 \
        WHERE account_id = '2' RETURNING account_id";
    assert!(postgres.psql(forged).unwrap().starts_with('2'));
    let verified = verify(&redis, &postgres);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        !verified.status.success() && said.contains("account 2"),
        "{said}"
    );
}
