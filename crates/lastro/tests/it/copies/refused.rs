//! What is not copied, and says why.

use testkit::LastroProcess;
use testkit::servers::Postgres;

use super::interrupted::make_ledger;
use super::{assert_equal, assert_refused, lastro, said, text, to_database, to_folder};
use crate::support::{binary, folder, serve};

#[test]
fn both_ends_have_to_be_named() {
    let why = "name what to copy and where to";
    assert_refused(&lastro(&["copy"]), why);
    assert_refused(
        &lastro(&["copy", "--from-data-dir", "x", "--to-data-dir", "y"]),
        why,
    );
    let both = ["copy", "--from-data-dir", "x", "--from-database-url", "y"];
    assert_refused(&lastro(&both), "cannot be used with");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_or_not_empty_is_refused() {
    let postgres = Postgres::start().unwrap();
    let [url, empty] = ["one", "empty"].map(|name| postgres.create_database(name).unwrap());
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
    assert_equal(&to_database(&path("ledger"), &url));
    // A database with a ledger.
    make_ledger(&path("second"), 5).await;
    assert_refused(
        &to_database(&path("second"), &url),
        "a ledger is in the database already",
    );
    // Folders that are not empty.
    assert_refused(&to_folder(&url, &path("second")), "is not empty (");
    std::fs::create_dir(path("full")).unwrap();
    std::fs::write(path("full").join("notes.txt"), "x").unwrap();
    assert_refused(
        &to_folder(&url, &path("full")),
        "is not empty (notes.txt is in it)",
    );
    // A database without the tables.
    assert_refused(&to_folder(&empty, &path("to")), "lastro migrate");
    // One that a Redis stands in front of.
    let behind =
        "CREATE SCHEMA lastro_behind; CREATE TABLE lastro_behind.ledger AS SELECT 1 AS one";
    postgres.psql_in("one", behind).unwrap();
    assert_refused(&to_folder(&url, &path("to")), "a Redis stands in front");
    postgres.psql_in("empty", behind).unwrap();
    assert_refused(
        &to_database(&path("ledger"), &empty),
        "a Redis stands in front",
    );
}

/// A store that loses something is found by the comparison, and the copy is not served.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_differs_fails_and_names_the_event() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("lossy").unwrap();
    let place = folder();
    let from = place.path().join("from");
    make_ledger(&from, 5).await;
    assert!(
        lastro(&["migrate", "--database-url", &url])
            .status
            .success()
    );
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
