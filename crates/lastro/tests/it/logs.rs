//! The log as an operator reads it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::LastroProcess;

use crate::support::{Bank, binary, folder};

/// A line is read some time after it is written.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a start says that ends before it has begun.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn serve(folder: &std::path::Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["serve", "--data-dir"]).arg(folder);
    command
}

#[test]
fn a_log_that_cannot_be_read_is_refused_before_anything_starts() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    for (flag, variable, expected) in [
        (
            ["--log-level", "debgu"],
            ("A", ""),
            "error: --log-level: `debgu` is not a level",
        ),
        (
            ["--log-format", "xml"],
            ("A", ""),
            "error: --log-format: unknown format xml: use text or json",
        ),
        (
            ["--access-log", "some"],
            ("A", ""),
            "error: --access-log: unknown access log some: use off, errors or all",
        ),
        (
            ["--log-format", "text"],
            ("RUST_LOG", "payments=loud"),
            "error: RUST_LOG: `payments=loud` is not a filter of the log",
        ),
    ] {
        let mut command = serve(&data_dir);
        command.args(flag).env(variable.0, variable.1);
        let said = refusal(&mut command);
        assert!(said.starts_with(expected), "{said}");
    }
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn each_line_is_json_and_the_access_log_names_the_request() {
    let folder = folder();
    let mut command = serve(folder.path());
    command.args(["--demo", "--log-format", "json", "--access-log", "all"]);
    let mut process = LastroProcess::start(command).unwrap();
    let bank = Bank::of(&process);
    let asked = bank
        .http
        .get(format!("{}/v1/accounts/1?key=secret", bank.url));
    asked
        .header("X-Request-Id", "found-me")
        .send()
        .await
        .unwrap();
    let asked = bank.http.get(format!("{}/v1/accounts/nobody", bank.url));
    asked
        .header("X-Request-Id", "lost-me")
        .send()
        .await
        .unwrap();
    process.wait_for_log("lost-me", PATIENCE).unwrap();

    let lines = process.logged().iter();
    let events: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let starts = |event: &&Value| {
        let message = event["fields"]["message"].as_str();
        message.is_some_and(|message| message.contains(" starts: role all; listen 127.0.0.1:0; "))
    };
    assert_eq!(
        events.iter().filter(starts).count(),
        1,
        "the configuration is one event"
    );
    let of = |id: &str| {
        let mut named = events
            .iter()
            .filter(|event| event["fields"]["request_id"] == id);
        let event = named.next().unwrap();
        assert!(named.next().is_none(), "{id} has two lines");
        assert_eq!(event["target"], "access");
        event["fields"].clone()
    };
    let found = of("found-me");
    assert_eq!(
        (
            &found["method"],
            &found["route"],
            &found["status"],
            found.get("code")
        ),
        (
            &"GET".into(),
            &"/v1/accounts/{id}".into(),
            &200.into(),
            None
        )
    );
    assert!(found["answer_bytes"].as_u64().unwrap() > 100, "{found}");
    assert!(found["elapsed_us"].is_u64(), "{found}");
    let lost = of("lost-me");
    assert_eq!(
        (&lost["status"], &lost["code"]),
        (&404.into(), &"account_not_found".into())
    );
    assert!(!process.logged().iter().any(|line| line.contains("secret")));
}

#[tokio::test]
async fn the_access_log_has_errors_alone_where_that_is_asked_for_whatever_the_level() {
    let folder = folder();
    let mut command = serve(folder.path());
    command.args([
        "--demo",
        "--access-log",
        "errors",
        "--log-level",
        "info,payments=warn",
    ]);
    // What the flag gives goes before the variable.
    command.env("RUST_LOG", "off");
    let mut process = LastroProcess::start(command).unwrap();
    let bank = Bank::of(&process);
    assert_eq!(bank.get("/v1/accounts/1").await.0, 200);
    assert_eq!(bank.get("/v1/accounts/nobody").await.0, 404);
    process.wait_for_log("answered 404", PATIENCE).unwrap();
    let lines = process.logged().iter();
    let access: Vec<_> = lines.filter(|line| line.contains(" access: ")).collect();
    assert_eq!(access.len(), 1, "{access:?}");
}

/// A key that is turned away at the door is named all the same, if it is known.
#[tokio::test]
async fn the_access_log_names_the_key_of_who_is_denied() {
    let folder = folder();
    let keys = folder.path().join("keys.json");
    let key = |act: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("key").args(act).arg("--keys").arg(&keys);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let reader = key(&["create", "reader", "--scopes", "read"]);
    let gone = key(&["create", "gone", "--scopes", "read"]);
    key(&["revoke", "gone"]);
    let mut command = serve(&folder.path().join("data"));
    command.args(["--demo", "--log-format", "json", "--access-log", "errors"]);
    command.arg("--keys").arg(&keys);
    let mut process = LastroProcess::start(command).unwrap();
    let http = reqwest::Client::new();
    let unknown = format!("lastro_{}", "0".repeat(64));
    for (id, secret, path, status) in [
        ("no-scope", &reader, "/v1/transfers", 403),
        ("revoked", &gone, "/v1/transfers", 401),
        ("unknown", &unknown, "/v1/transfers", 401),
    ] {
        let asked = http.post(format!("{}{path}", process.url()));
        let asked = asked.bearer_auth(secret).header("X-Request-Id", id);
        assert_eq!(asked.send().await.unwrap().status(), status);
        process
            .wait_for_log(&format!("\"{id}\""), PATIENCE)
            .unwrap();
    }
    let logged = process.logged().to_vec();
    let named = |id: &str| {
        let lines = logged.iter();
        let mut events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let event = events.find(|event| event["fields"]["request_id"] == id);
        event.unwrap()["fields"]["key"].clone()
    };
    assert_eq!(named("no-scope"), "reader");
    assert_eq!(named("revoked"), "gone");
    assert_eq!(named("unknown"), Value::Null);
}
