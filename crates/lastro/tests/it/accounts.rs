//! `lastro accounts`: what a data folder has, beside its server and without one.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Bank, binary, folder, serve};

fn accounts(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["accounts", "--data-dir"]).arg(data_dir);
    command.args(arguments).output().unwrap()
}

fn printed(data_dir: &Path, arguments: &[&str]) -> String {
    let output = accounts(data_dir, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    assert_eq!(said, "");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_accounts_of_a_folder_are_those_that_its_server_lists() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    assert_eq!(bank.transact("2", "d", 79_000).await.0, 200);
    for (id, currency) in [("users:42", "BRL"), ("users:a-rather-long-name", "JPY")] {
        let body = json!({"id": id, "currency": currency, "credit_limit": 0});
        let url = format!("{}/v1/accounts", bank.url);
        let opened = bank.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(opened.status(), 201);
    }
    let (status, page) = bank.get("/v1/accounts").await;
    assert_eq!(status, 200);
    let served = page["accounts"].as_array().unwrap().clone();
    assert_eq!(served.len(), 9);
    let expected = "\
account                   currency  balance  available  credit limit  debits pending  credits pending  entries  closed  frozen
1                         BRL             0     100000        100000               0                0        0
2                         BRL        -79000       1000         80000               0                0        1
3                         BRL             0    1000000       1000000               0                0        0
4                         BRL             0   10000000      10000000               0                0        0
5                         BRL             0     500000        500000               0                0        0
users:42                  BRL             0          0             0               0                0        0
users:a-rather-long-name  JPY             0          0             0               0                0        0
world:BRL                 BRL         79000          -             -               0                0        0
world:JPY                 JPY             0          -             -               0                0        0
";
    // Beside the server, and after it.
    let mut process = Some(process);
    for _ in 0..2 {
        assert_eq!(printed(folder.path(), &[]), expected);
        let lines = printed(folder.path(), &["--json"]);
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines, served);
        for (arguments, ids) in [
            (vec!["--prefix", "users:"], vec![5, 6]),
            (vec!["--currency", "JPY"], vec![6, 8]),
            (vec!["--closed", "true"], vec![]),
            (vec!["--closed", "false", "--prefix", "world:B"], vec![7]),
        ] {
            let arguments = [arguments, vec!["--json"]].concat();
            let lines = printed(folder.path(), &arguments);
            let ids: Vec<String> = ids
                .iter()
                .map(|place: &usize| served[*place].to_string())
                .collect();
            let values = lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            let values: Vec<String> = values.map(|value| value.to_string()).collect();
            assert_eq!(values, ids, "{arguments:?}");
        }
        if let Some(process) = process.take() {
            assert!(process.stop().unwrap().success());
        }
    }
}

#[test]
fn what_has_no_accounts_is_said() {
    let folder = folder();
    for (arguments, expected) in [
        (vec![], "error: there is no ledger in "),
        (
            vec!["--prefix", "a b"],
            "error: invalid value 'a b' for '--prefix <TEXT>': use 1 to 64",
        ),
        (
            vec!["--currency", "XXL"],
            "error: invalid value 'XXL' for '--currency <CODE>': use a code",
        ),
        (
            vec!["--closed", "no"],
            "error: invalid value 'no' for '--closed <true|false>'",
        ),
    ] {
        let output = accounts(folder.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.starts_with(expected),
            "{said}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
