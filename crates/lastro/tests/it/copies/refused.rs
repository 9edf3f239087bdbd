//! What is not copied, and says why.

use engine_postgres::{PostgresEngine, PostgresOptions};
use ledger::{AccountId, Batch, Command, Currency, Engine, OpenAccount};
use testkit::LastroProcess;
use testkit::bank::in_seconds;
use testkit::servers::Postgres;

use super::interrupted::make_ledger;
use super::{assert_equal, assert_refused, lastro, said, text, to_database};
use crate::support::{binary, folder, serve};

#[test]
fn both_ends_have_to_be_named() {
    let why = "the following required arguments were not provided";
    assert_refused(&lastro(&["copy"]), why);
    assert_refused(&lastro(&["copy", "--from-data-dir", "x"]), why);
    assert_refused(&lastro(&["copy", "--to-database-url", "x"]), why);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_or_not_empty_is_refused() {
    let postgres = Postgres::start().unwrap();
    let [url, behind] = ["one", "behind"].map(|name| postgres.create_database(name).unwrap());
    let place = folder();
    let path = |name: &str| place.path().join(name);
    make_ledger(&path("ledger"), 5).await;
    assert_refused(
        &to_database(&path("nothing"), &url),
        "there is no ledger in",
    );
    // A folder that is served.
    let process = serve(&path("ledger"));
    assert_refused(&to_database(&path("ledger"), &url), "is in use by process");
    assert!(process.stop().unwrap().success());
    // A database that a node serves which was just started and has not been called yet.
    let arguments = ["--engine", "postgres", "--database-url", &url];
    let process = LastroProcess::serve(&binary(), &path("unused"), &arguments).unwrap();
    let is_served = to_database(&path("ledger"), &url);
    assert_refused(&is_served, "is in use by lastro on 127.0.0.1 (process ");
    assert_refused(&is_served, "stop every node that serves it");
    assert!(process.stop().unwrap().success());
    // It had the id of an empty ledger until then.
    assert_equal(&to_database(&path("ledger"), &url));
    // A database with a ledger.
    make_ledger(&path("second"), 5).await;
    assert_refused(
        &to_database(&path("second"), &url),
        "a ledger is in the database already",
    );
    // One that a Redis stands in front of.
    let schema =
        "CREATE SCHEMA lastro_behind; CREATE TABLE lastro_behind.ledger AS SELECT 1 AS one";
    postgres.psql_in("behind", schema).unwrap();
    assert_refused(
        &to_database(&path("ledger"), &behind),
        "a Redis stands in front",
    );
}

/// A node whose connections all ended gets none while a copy is written, nor while one is not finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_connections_gets_none_of_an_unfinished_copy() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("one").unwrap();
    let engine = PostgresEngine::open(&url, &PostgresOptions::default()).await;
    let engine = engine.unwrap();
    let psql = |statements: &str| postgres.psql_in("one", statements).unwrap();
    psql("INSERT INTO lastro.copy (ledger_id, events_count) VALUES (gen_random_uuid(), 0)");
    psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = 'one' AND application_name = 'lastro'",
    );
    let command = || {
        let open = OpenAccount {
            id: AccountId::new("a").unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 0,
        };
        vec![Batch::one(Command::OpenAccount(open))]
    };
    let refused = engine.submit(command(), in_seconds(5)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(psql("SELECT count(*) FROM lastro.accounts"), "0");
    psql("DELETE FROM lastro.copy");
    engine.submit(command(), in_seconds(60)).await.unwrap();
}

/// A store that loses something is found by the comparison, and the copy is not served.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_differs_fails_and_names_the_event() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("lossy").unwrap();
    let place = folder();
    let from = place.path().join("from");
    make_ledger(&from, 5).await;
    assert!(lastro(&["init", "--database-url", &url]).status.success());
    postgres
        .psql_in(
            "lossy",
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RETURN NULL; END $$;
            CREATE TRIGGER lose BEFORE INSERT ON lastro.transfers FOR EACH ROW
                WHEN (NEW.transfer_id = '00000000-0000-0000-0000-000000000003')
                EXECUTE FUNCTION lose()",
        )
        .unwrap();
    let json = place.path().join("result.json");
    let output = lastro(&[
        "copy",
        "--from-data-dir",
        text(&from),
        "--to-database-url",
        &url,
        "--json",
        text(&json),
    ]);
    let (succeeded, said) = said(&output);
    assert!(!succeeded, "{said}");
    let difference = "event 5: the folder has the transfer of transfer \
        00000000-0000-0000-0000-000000000003 at ";
    assert!(
        said.contains(difference) && said.contains("NOT EQUAL: "),
        "{said}"
    );
    let result = std::fs::read_to_string(json).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["is_equal"], false);
    assert!(
        result["differences"][0]
            .as_str()
            .unwrap()
            .contains(difference)
    );
    let arguments = ["--engine", "postgres", "--database-url", &url];
    let refused = LastroProcess::serve(&binary(), place.path(), &arguments).unwrap_err();
    assert!(refused.contains("unfinished copy"), "{refused}");
}
