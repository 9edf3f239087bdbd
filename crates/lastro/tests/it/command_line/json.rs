//! What programs get: one JSON object a line, amounts in minor units.

use serde_json::{Value, json};
use testkit::servers::program;

use super::{in_terminal, printed, run, said};
use crate::support::{binary, folder, serve};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const ID: &str = "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a01";

fn transfer<'a>(amount: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "transfer",
        "--debit",
        "world:BRL",
        "--credit",
        "1",
        "--description",
        "d",
        "--amount",
    ];
    [&fixed[..], &[amount], more].concat()
}

#[test]
fn records_are_the_apis_own_and_ids_make_them_happen_once() {
    let folder = folder();
    let server = serve(folder.path());
    let url = server.url();
    let preview = run(url, &transfer("5000", &["--id", ID, "--dry-run"]));
    assert_eq!(lines(&printed(&preview))[0]["dry_run"], true);
    let first = run(url, &transfer("5000", &["--id", ID]));
    assert_eq!(said(&first), "");
    let made = &lines(&printed(&first))[0];
    assert_eq!((&made["id"], &made["amount"]), (&json!(ID), &json!(5000)));
    assert_eq!(
        made["credit"],
        json!({"entry_number": 1, "balance_after": 5000})
    );
    assert_eq!(made.get("replayed"), None);
    let again = run(url, &transfer("5000", &["--id", ID]));
    assert_eq!(lines(&printed(&again))[0]["replayed"], true);
    // A new id is printed before anything is sent, for a second try.
    let minted = run(url, &transfer("7", &[]));
    let made = &lines(&printed(&minted))[0];
    assert_eq!(
        said(&minted),
        format!("id: {}\n", made["id"].as_str().unwrap())
    );
    let statement = lines(&printed(&run(url, &["statement", "1"])));
    let balances: Vec<_> = statement
        .iter()
        .map(|entry| entry["balance_after"].clone())
        .collect();
    assert_eq!(balances, [json!(5007), json!(5000)]);
    let accounts = lines(&printed(&run(
        url,
        &["account", "list", "--currency", "BRL"],
    )));
    let ids: Vec<_> = accounts
        .iter()
        .map(|account| account["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "world:BRL"]);
    let at = made["timestamp"].as_str().unwrap();
    let balance = lines(&printed(&run(url, &["balance", "1", "--at", at])));
    assert_eq!(
        balance,
        [json!({"account_id": "1", "at": at, "balance": 5007, "entry_number": 2})]
    );
    let events = lines(&printed(&run(
        url,
        &["events", "--account", "1", "--limit", "2"],
    )));
    let types: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["account.opened", "transfer.posted"]);
    let after = events[1]["position"].as_str().unwrap();
    let rest = lines(&printed(&run(
        url,
        &["events", "--after", after, "--follow", "--limit", "1"],
    )));
    assert_eq!(rest[0]["transfer"]["id"], made["id"]);
}

#[test]
fn json_is_printed_into_pipes_and_where_it_is_asked_for() {
    let folder = folder();
    let server = serve(folder.path());
    let lastro = binary().display().to_string();
    for (line, is_json) in [
        ("account show 1", false),
        ("account show 1 --json", true),
        ("account show 1 | cat", true),
    ] {
        let line = format!("'{lastro}' {line}");
        let output = in_terminal(&line, folder.path(), server.url());
        let text = printed(&output);
        assert_eq!(text.starts_with('{'), is_json, "{line}: {text}");
    }
    // A reader that has seen enough is no error.
    let bash = program("bash").unwrap();
    let line = format!("set -o pipefail; '{lastro}' account list | head -n 1 | wc -l");
    let mut command = std::process::Command::new(bash);
    let output = command
        .args(["-c", &line])
        .env("LASTRO_URL", server.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(printed(&output).trim(), "1");
}

/// A data folder is read beside its server, and after it: what has no table yet is read from the journal.
#[test]
fn transfers_of_a_folder_are_those_of_its_server() {
    let folder = folder();
    let server = serve(folder.path());
    let url = server.url().to_owned();
    let reference = ["--reference", "order 7"];
    printed(&run(&url, &transfer("5000", &reference)));
    printed(&run(&url, &transfer("7", &["--pend", "600"])));
    printed(&run(&url, &transfer("8", &[])));
    let data_dir = folder.path().display().to_string();
    let asked: [&[&str]; 6] = [
        &["--account", "1"],
        &["--account", "world:BRL", "--oldest-first", "--limit", "2"],
        &["--account", "1", "--kind", "pend"],
        &["--account", "1", "--state", "pending"],
        &["--reference", "order 7"],
        &["--reference", "order 7", "--account", "2"],
    ];
    let of = |more: &[&str], asked: &[&str]| {
        let arguments: Vec<&str> = [&["transfers"], asked, more].concat();
        lines(&printed(&run(&url, &arguments)))
    };
    let expected = asked.map(|asked| of(&[], asked));
    let counts = expected.each_ref().map(Vec::len);
    assert_eq!(counts, [3, 2, 1, 1, 1, 0]);
    let offline = ["--data-dir", &data_dir];
    assert_eq!(asked.map(|asked| of(&offline, asked)), expected);
    assert!(server.stop().unwrap().success());
    assert_eq!(asked.map(|asked| of(&offline, asked)), expected);
    let nothing = folder.path().join("nowhere").display().to_string();
    let output = run(
        &url,
        &["transfers", "--account", "1", "--data-dir", &nothing],
    );
    assert!(
        said(&output).contains("there is no ledger in"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}
