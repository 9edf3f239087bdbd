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

fn balances(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(binary())
        .arg("balances")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A trial balance of a folder is that of its server, now and at every moment, beside the server and after it.
#[tokio::test]
async fn a_trial_balance_of_a_folder_is_that_of_its_server() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    let data_dir = folder.path().to_str().unwrap();
    let mut moments = Vec::new();
    for amount in [700, 80, 9] {
        assert_eq!(bank.transact("2", "d", amount).await.0, 200);
        assert_eq!(bank.transact("3", "c", 2 * amount).await.0, 200);
        let now = balances(&["--url", &bank.url]);
        moments.push(now.last().unwrap()["at"].as_str().unwrap().to_owned());
        assert_eq!(balances(&["--data-dir", data_dir]), now);
        assert_eq!(now.last().unwrap()["totals"][0]["balance"], 0);
    }
    let served = |at: &str| balances(&["--url", &bank.url, "--at", at]);
    let mut then: Vec<_> = moments.iter().map(|at| served(at)).collect();
    then.push(served("1999-12-31"));
    let of_2 = |then: &[Value]| then.iter().find(|line| line["account_id"] == "2").cloned();
    let amounts: Vec<_> = then.iter().filter_map(|then| of_2(then)).collect();
    let amounts: Vec<_> = amounts
        .iter()
        .map(|line| line["balance"].as_i64())
        .collect();
    assert_eq!(amounts, [Some(-700), Some(-780), Some(-789)]);
    assert!(process.stop().unwrap().success());
    moments.push("1999-12-31".to_owned());
    for (at, then) in moments.iter().zip(then) {
        let of_folder = balances(&["--data-dir", data_dir, "--at", at]);
        // What was decided by then is the same, whatever newest moment each has seen.
        let without_at = |lines: &[Value]| {
            let mut lines = lines.to_vec();
            lines.last_mut().unwrap()["at"] = Value::Null;
            lines
        };
        assert_eq!(without_at(&of_folder), without_at(&then), "{at}");
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
