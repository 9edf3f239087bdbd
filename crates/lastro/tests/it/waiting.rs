//! A start waits for what it needs of others, for a while.

use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use testkit::LastroProcess;
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::support::{Bank, binary, folder};

/// Nothing in a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for some tries.
const MOMENT: Duration = Duration::from_secs(2);

fn init(database_url: &str) {
    let mut command = Command::new(binary());
    command.args(["init", "--database-url", database_url]);
    assert!(command.output().unwrap().status.success());
}

fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("serve").args(arguments);
    command
}

/// Starts it, and does something while it waits. What it waits for is in its log.
fn start_meanwhile(command: Command, meanwhile: impl FnOnce()) -> LastroProcess {
    let starting = thread::spawn(|| LastroProcess::start(command));
    thread::sleep(MOMENT);
    assert!(!starting.is_finished(), "it did not wait");
    meanwhile();
    starting.join().unwrap().unwrap()
}

#[tokio::test]
async fn a_start_waits_for_its_database() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.url();
    init(&url);
    postgres.stop().unwrap();
    let command = serve(&["--engine", "postgres", "--database-url", &url]);
    let mut process = start_meanwhile(command, || postgres.restart().unwrap());
    assert_eq!(Bank::of(&process).get("/readyz").await.0, 200);
    for line in [
        "waiting for the database, 0 of 60 s (--wait-s): cannot open the ledger in the database",
        "no longer waiting for the database",
    ] {
        process.wait_for_log(line, PATIENCE).unwrap();
    }
    assert!(process.stop().unwrap().success());
}

#[tokio::test]
async fn a_start_waits_for_redis_and_for_its_files() {
    let keeps = [("appendonly", "yes"), ("appendfsync", "everysec")];
    let postgres = Postgres::start().unwrap();
    let mut redis = Redis::start_with(&ServerOptions::with_settings(&keeps)).unwrap();
    let (database_url, redis_url) = (postgres.url(), redis.url());
    init(&database_url);
    redis.stop().unwrap();
    let folder = folder();
    let keys = folder.path().join("keys.json");
    let mut command = serve(&["--engine", "write-behind", "--durability", "os"]);
    command.args(["--database-url", &database_url, "--redis-url", &redis_url]);
    command.arg("--keys").arg(&keys);
    let mut process = start_meanwhile(command, || {
        let mut create = Command::new(binary());
        create.args(["key", "create", "one", "--scopes", "read", "--keys"]);
        assert!(create.arg(&keys).output().unwrap().status.success());
        thread::sleep(MOMENT);
        redis.restart().unwrap();
    });
    for line in [
        "waiting for the files of the configuration, 0 of 60 s (--wait-s)",
        "keys.json is not there",
        "waiting for Redis and the database, 0 of 60 s (--wait-s)",
    ] {
        process.wait_for_log(line, PATIENCE).unwrap();
    }
    assert!(process.stop().unwrap().success());
}

#[test]
fn what_does_not_come_or_does_not_mend_itself_ends_the_start() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.url();
    init(&url);
    let ends = |arguments: &[&str]| {
        let mut command = serve(&["--listen", "127.0.0.1:0", "--metrics-listen", "none"]);
        let Output { status, stderr, .. } = command.args(arguments).output().unwrap();
        assert_eq!(status.code(), Some(1));
        String::from_utf8(stderr).unwrap()
    };
    let of_database = |url: &str, wait: &[&str]| {
        ends(&[&["--engine", "postgres", "--database-url", url], wait].concat())
    };
    let nobody = "postgres://127.0.0.1:9/none";
    let said = of_database(nobody, &["--wait-s", "1"]);
    let gave_up = "error: gave up after 1 s (--wait-s): cannot open the ledger in the database";
    assert!(
        said.contains("waiting for the database, 0 of 1 s"),
        "{said}"
    );
    assert!(said.contains(gave_up), "{said}");
    let said = of_database(nobody, &["--wait-s", "0"]);
    assert!(!said.contains("waiting for"), "{said}");
    // There is no such role, no such database, no ledger, and another ledger.
    let other = ["--expect-ledger", "00000000000000000000000000000000"];
    let empty = postgres.create_database("empty").unwrap();
    let place = url.strip_prefix("postgres://").unwrap();
    let place = place.split_once('@').map_or(place, |(_, place)| place);
    let at_stranger = format!("postgres://stranger@{place}");
    for (url, arguments) in [
        (&at_stranger, &[][..]),
        (&postgres.url_of("nowhere"), &[]),
        (&empty, &[]),
        (&url, &other),
    ] {
        let said = of_database(url, arguments);
        assert!(!said.contains("waiting for"), "{said}");
    }
    let missing = ["--keys", "missing.json", "--wait-s", "1"];
    let said = ends(&missing);
    assert!(said.contains("missing.json is not there"), "{said}");
    assert!(
        said.contains("error: cannot open the file of keys"),
        "{said}"
    );
}

#[test]
fn a_stop_ends_the_wait() {
    let url = "postgres://127.0.0.1:9/none";
    let mut command = serve(&["--engine", "postgres", "--database-url", url]);
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "none"]);
    let mut child = command.spawn().unwrap();
    thread::sleep(MOMENT);
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}
