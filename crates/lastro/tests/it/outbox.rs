//! Operations accepted by real processes that are killed: everything accepted is applied, once.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::{
    Bank, Nodes, assert_clean, binary, folder, is_long, metrics, rounds, serve, verify,
};

/// Nothing in these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deposit of 1 into one of the demo's accounts.
fn deposit(account: u64) -> (Uuid, Value) {
    let id = Uuid::new_v4();
    let body = json!({
        "id": id, "debit_account_id": "world:BRL",
        "credit_account_id": format!("{account}"), "amount": 1, "description": "later",
    });
    (id, body)
}

/// Leaves operations until the connection breaks, the outbox is full, or so many are accepted;
/// those that were.
async fn leave(url: String, worker: u64, count_max: usize) -> Vec<Uuid> {
    let http = Client::new();
    let mut accepted = Vec::new();
    while accepted.len() < count_max {
        let (id, body) = deposit(1 + worker % 5);
        let request = http.post(format!("{url}/v1/operations")).json(&body);
        match request.send().await {
            Ok(response) if response.status() == 202 => accepted.push(id),
            Ok(response) => {
                let body: Value = response.json().await.unwrap();
                assert_eq!(body["code"], "overloaded", "{body}");
                break;
            }
            Err(_) => break,
        }
    }
    accepted
}

async fn leave_many(url: &str, workers: u64, count_max: usize) -> Vec<Uuid> {
    let workers = (0..workers).map(|worker| tokio::spawn(leave(url.to_owned(), worker, count_max)));
    let left = join_all(workers.collect::<Vec<_>>()).await;
    left.into_iter().flat_map(Result::unwrap).collect()
}

/// Until the node says that the operation is applied.
async fn applied(bank: &Bank, id: Uuid) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = bank.get(&format!("/v1/operations/{id}")).await;
        match body["state"].as_str() {
            Some("applied") => return,
            Some("queued") => {}
            // A node that has just started may not have reached its ledger.
            None if status == 503 => {}
            _ => panic!("{id}: {status} {body}"),
        }
        assert!(Instant::now() < deadline, "{id} is not applied: {body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The ids in the statements of the demo's accounts; fails where one is there twice.
async fn recorded(bank: &Bank) -> HashSet<Uuid> {
    let mut ids = HashSet::new();
    for account in 1..=5 {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/accounts/{account}/statement?limit=1000{cursor}");
            let (status, page) = bank.get(&path).await;
            assert_eq!(status, 200, "{page}");
            for entry in page["entries"].as_array().unwrap() {
                let id: Uuid = entry["transfer_id"].as_str().unwrap().parse().unwrap();
                assert!(ids.insert(id), "{id} was applied twice");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    ids
}

/// Every one of them is applied, once; the newest by the word of the node too.
async fn assert_applied_once(bank: &Bank, accepted: &[Uuid]) {
    for id in accepted.iter().rev().take(50) {
        applied(bank, *id).await;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let recorded = recorded(bank).await;
        let lost_count = accepted.iter().filter(|id| !recorded.contains(id)).count();
        if lost_count == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{lost_count} are lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_operation_is_applied_once_after_kill_9() {
    let folder = folder();
    let mut accepted = Vec::new();
    for _ in 0..rounds() / 2 {
        let process = serve(folder.path());
        let url = process.url().to_owned();
        let left = tokio::spawn(async move { leave_many(&url, 8, usize::MAX).await });
        let a_while = 50 + u64::from(Uuid::new_v4().as_bytes()[0]);
        tokio::time::sleep(Duration::from_millis(a_while)).await;
        process.kill();
        accepted.extend(left.await.unwrap());
    }
    assert!(accepted.len() > 20, "only {} were accepted", accepted.len());
    let process = serve(folder.path());
    assert_applied_once(&Bank::of(&process), &accepted).await;
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// How often the ledger node dies.
fn outages() -> u32 {
    if is_long() { 5 } else { 1 }
}

/// The ledger node, with the demo's accounts.
fn demo_ledger(nodes: &Nodes) -> LastroProcess {
    nodes.ledger(&["--demo"])
}

/// An API node whose outbox is soon full.
fn small_api(nodes: &Nodes, name: &str) -> LastroProcess {
    let mut command = nodes.api_command(name);
    command.args(["--outbox-bytes-max", "2097152"]);
    command.args(["--metrics-listen", "127.0.0.1:0"]);
    LastroProcess::start(command).unwrap()
}

/// How long the oldest operation has waited, in seconds, by the metric.
async fn oldest_age(api: &mut LastroProcess) -> f64 {
    let measured = metrics(api).await;
    let age = measured
        .lines()
        .find_map(|line| line.strip_prefix("lastro_outbox_oldest_age_seconds "));
    age.unwrap().parse().unwrap()
}

async fn wait_for_oldest_age(api: &mut LastroProcess, is_expected: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let age = oldest_age(api).await;
        if is_expected(age) {
            return;
        }
        assert!(Instant::now() < deadline, "the oldest is {age} s old");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_accepted_while_the_ledger_is_dead_are_applied_once_after_its_return() {
    let nodes = Nodes::new();
    let mut ledger = demo_ledger(&nodes);
    let mut api = small_api(&nodes, "api");
    let bank = Bank::of(&api);
    let mut accepted = Vec::new();
    for _ in 0..outages() {
        let before = leave_many(api.url(), 4, 10).await;
        ledger.kill();
        let meanwhile = leave_many(api.url(), 4, 50).await;
        assert_eq!((before.len(), meanwhile.len()), (40, 200));
        let (status, ready) = bank.get("/readyz").await;
        assert_eq!((status, &ready["operations"]), (200, &json!("ready")));
        let newest = format!("/v1/operations/{}", meanwhile.last().unwrap());
        assert_eq!(bank.get(&newest).await.1["state"], "queued");
        // Nothing new is accepted: it grows by itself.
        let until_then = oldest_age(&mut api).await;
        wait_for_oldest_age(&mut api, |age| age > until_then + 0.5).await;
        ledger = demo_ledger(&nodes);
        accepted.extend([before, meanwhile].concat());
        assert_applied_once(&bank, &accepted).await;
        wait_for_oldest_age(&mut api, |age| age <= 0.0).await;
    }
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_that_is_killed_with_a_full_outbox_applies_all_of_it_once() {
    let nodes = Nodes::new();
    let mut ledger = demo_ledger(&nodes);
    let mut api = small_api(&nodes, "api");
    let mut accepted = Vec::new();
    for _ in 0..outages() {
        ledger.kill();
        // The space of what was applied before may still be coming back.
        let mut is_full = false;
        for _ in 0..10 {
            accepted.extend(leave_many(api.url(), 32, usize::MAX).await);
            let (status, ready) = Bank::of(&api).get("/readyz").await;
            is_full = (status, &ready["code"]) == (503, &json!("overloaded"));
            if is_full {
                break;
            }
        }
        assert!(is_full, "{} were accepted", accepted.len());
        api.kill();
        api = small_api(&nodes, "api");
        let bank = Bank::of(&api);
        let newest = format!("/v1/operations/{}", accepted.last().unwrap());
        assert_eq!(bank.get(&newest).await.1["state"], "queued");
        ledger = demo_ledger(&nodes);
        assert_applied_once(&bank, &accepted).await;
    }
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

#[test]
fn the_bank_is_clean_although_its_ledger_node_is_killed() {
    let nodes = Nodes::new();
    let mut ledger = demo_ledger(&nodes);
    let apis: Vec<_> = (0..3)
        .map(|number| small_api(&nodes, &format!("{number}")))
        .collect();
    let servers: Vec<&str> = apis.iter().map(LastroProcess::url).collect();
    let kills_count = if is_long() { 5 } else { 2 };
    let seconds = format!("{}", 1 + 2 * kills_count);
    let folder = folder();
    let report = folder.path().join("report.json");
    let mut load = Command::new(binary())
        .args([
            "load",
            "bank",
            "--async",
            "--accounts",
            "20",
            "--rate",
            "150",
        ])
        .args(["--seconds", &seconds, "--deadline-s", "60"])
        .args(["--servers", &servers.join(","), "--json"])
        .arg(&report)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..kills_count {
        std::thread::sleep(Duration::from_millis(1_200));
        assert!(
            load.try_wait().unwrap().is_none(),
            "the load is over already"
        );
        ledger.kill();
        std::thread::sleep(Duration::from_millis(500));
        ledger = demo_ledger(&nodes);
    }
    let output = load.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let report = std::fs::read_to_string(report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let moved = report["audit"]["movements_count"].as_u64().unwrap();
    assert!(moved > 300, "{said}");
    for api in apis {
        assert!(api.stop().unwrap().success());
    }
    nodes.assert_clean(ledger);
}

#[tokio::test]
async fn verify_tells_of_the_outbox_beside_the_ledger() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    let accepted = leave(process.url().to_owned(), 0, 3).await;
    for id in accepted {
        applied(&bank, id).await;
    }
    let (_, ready) = bank.get("/readyz").await;
    assert_eq!(ready["operations"], "ready", "{ready}");
    assert!(process.stop().unwrap().success());
    let whole = "outbox      whole; 0 operations may still have to be applied";
    let outbox = folder.path().join("outbox");
    for place in [folder.path(), &outbox] {
        let output = verify(place);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(whole), "{said}");
    }
    // A byte in the middle of what was accepted.
    let segment = outbox.join("0000000000.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[128 + 120 + 40] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let error = LastroProcess::serve(&binary(), folder.path(), &[]).err();
    for said in [
        error.unwrap(),
        String::from_utf8_lossy(&verify(folder.path()).stderr).into_owned(),
    ] {
        assert!(said.contains("is damaged at byte"), "{said}");
    }
}
