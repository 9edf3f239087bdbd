//! A ledger node and API nodes as real processes, and what they do when one of them fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::LastroProcess;
use testkit::servers::{Proxy, ProxyKind};
use uuid::Uuid;

use crate::support::{Bank, Nodes, is_long, signal};

/// How long anything may take that should happen by itself: machines are busy.
const BOUND: Duration = Duration::from_secs(60);

/// Opens accounts; waits for a ledger that is not reached yet.
async fn open(bank: &Bank, ids: &[&str]) {
    let deadline = Instant::now() + BOUND;
    for id in ids {
        let body = json!({"id": id, "currency": "BRL", "credit_limit": 1_000_000_000_u64});
        loop {
            let url = format!("{}/v1/accounts", bank.url);
            let response = bank.http.post(url).json(&body).send().await.unwrap();
            match response.status().as_u16() {
                200 | 201 => break,
                status => assert_eq!(status, 503),
            }
            assert!(Instant::now() < deadline, "the ledger is not reached");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn transfer(debit: &str, credit: &str) -> Value {
    json!({
        "id": Uuid::new_v4(), "debit_account_id": debit, "credit_account_id": credit,
        "amount": 1, "description": "nodes",
    })
}

/// What a load has come to.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// Gives transfers until it is told to stop, each until it is answered for good; answers with the
/// ids of those that were. `repeats` under the same id what was not answered.
async fn work(bank: Bank, load: Arc<Load>, repeats: bool) -> Vec<String> {
    let mut answered = Vec::new();
    while !load.stop.load(Ordering::Relaxed) {
        let body = transfer("a", "b");
        let deadline = Instant::now() + BOUND;
        loop {
            match bank.transfer(&body).await {
                Ok((200 | 201, _, _)) => {
                    load.answered.fetch_add(1, Ordering::Relaxed);
                    answered.push(body["id"].as_str().unwrap().to_owned());
                    break;
                }
                Ok((500..=504, _, _)) | Err(_) => {
                    load.failed.fetch_add(1, Ordering::Relaxed);
                }
                Ok((status, _, body)) => panic!("{status}: {body}"),
            }
            if !repeats {
                break;
            }
            assert!(Instant::now() < deadline, "it is never answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    answered
}

async fn wait_for(load: &Load, more: u64) {
    let deadline = Instant::now() + BOUND;
    let before = load.answered.load(Ordering::Relaxed);
    while load.answered.load(Ordering::Relaxed) < before + more {
        assert!(Instant::now() < deadline, "nothing is answered any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every answered transfer is there, and the balances are those of what was applied.
async fn check(bank: &Bank, answered: &[String], exact: bool) {
    for id in answered.iter().step_by(1 + answered.len() / 500) {
        assert_eq!(
            bank.get(&format!("/v1/transfers/{id}")).await.0,
            200,
            "{id}"
        );
    }
    let credit = bank.get("/v1/accounts/b").await.1["balance"]
        .as_i64()
        .unwrap();
    let debit = bank.get("/v1/accounts/a").await.1["balance"]
        .as_i64()
        .unwrap();
    assert_eq!(credit + debit, 0);
    let answered_count = i64::try_from(answered.len()).unwrap();
    if exact {
        assert_eq!(credit, answered_count);
    } else {
        assert!(credit >= answered_count, "{credit} of {answered_count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_is_killed_behind_a_proxy() {
    for _ in 0..if is_long() { 5 } else { 1 } {
        kill_an_api_node_behind_a_proxy().await;
    }
}

async fn kill_an_api_node_behind_a_proxy() {
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&[]);
    let (victim, other) = (nodes.api("victim"), nodes.api("other"));
    let address = |node: &LastroProcess| node.url()["http://".len()..].parse().unwrap();
    let backends = [address(&victim), address(&other)];
    let proxy = Proxy::start(ProxyKind::Nginx, &backends).unwrap();
    let bank = Bank {
        http: reqwest::Client::new(),
        url: proxy.url(),
    };
    open(&bank, &["a", "b"]).await;
    let load = Arc::new(Load::default());
    let workers = (0..8).map(|_| tokio::spawn(work(bank.clone(), Arc::clone(&load), false)));
    let workers: Vec<_> = workers.collect();
    wait_for(&load, 200).await;
    victim.kill();
    wait_for(&load, if is_long() { 5_000 } else { 500 }).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for worker in workers {
        answered.extend(worker.await.unwrap());
    }
    let failed = load.failed.load(Ordering::Relaxed);
    println!("{failed} failed, {} answered", answered.len());
    // Those that were on the node, and those that met it before the proxy left it out.
    assert!(
        failed <= answered.len() as u64 / 4,
        "{failed} of {}",
        answered.len()
    );
    // What was not answered may have been applied all the same.
    check(&Bank::of(&other), &answered, false).await;
    drop(proxy);
    assert!(other.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_node_is_killed_and_started_again() {
    let nodes = Nodes::new();
    let mut ledger = nodes.ledger(&[]);
    let apis = ["one", "two"].map(|name| nodes.api(name));
    let banks = apis.each_ref().map(Bank::of);
    open(&banks[0], &["a", "b"]).await;
    let load = Arc::new(Load::default());
    let work = |worker: usize| work(banks[worker % 2].clone(), Arc::clone(&load), true);
    let workers: Vec<_> = (0..8).map(|worker| tokio::spawn(work(worker))).collect();
    for _ in 0..if is_long() { 20 } else { 3 } {
        wait_for(&load, 100).await;
        ledger.kill();
        ledger = nodes.ledger(&[]);
    }
    wait_for(&load, 100).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for worker in workers {
        answered.extend(worker.await.unwrap());
    }
    for bank in &banks {
        assert_eq!(bank.get("/readyz").await.0, 200);
        check(bank, &answered, true).await;
    }
    for api in apis {
        assert!(api.stop().unwrap().success());
    }
    nodes.assert_clean(ledger);
}

/// Gives transfers while the ledger node is paused, and again when it is not; how many.
async fn pause(ledger: &LastroProcess, bank: &Bank) -> usize {
    signal(ledger, "-STOP");
    let asked = Instant::now();
    let paused: Vec<_> = (0..20)
        .map(|_| {
            let bank = bank.clone();
            tokio::spawn(async move {
                let body = transfer("a", "b");
                let written = bank.transfer(&body).await.unwrap();
                (body, written.0, bank.get("/v1/accounts/a").await.0)
            })
        })
        .collect();
    let mut bodies = Vec::new();
    for asked in paused {
        let (body, written, read) = asked.await.unwrap();
        assert!([503, 504].contains(&written), "{written}");
        assert!([503, 504].contains(&read), "{read}");
        bodies.push(body);
    }
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "{:?}",
        asked.elapsed()
    );
    // It serves, and says what its ledger does once that is noticed.
    let deadline = Instant::now() + BOUND;
    loop {
        let (status, body) = bank.get("/readyz").await;
        assert_eq!(status, 200);
        if body["ledger"] == "unavailable" {
            break;
        }
        assert!(Instant::now() < deadline, "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    let (status, _, body) = bank.transfer(&transfer("a", "b")).await.unwrap();
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("ledger_unavailable"))
    );
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "known to be down: at once"
    );
    signal(ledger, "-CONT");
    // The same ids again: each is applied once, whether it was before or not.
    for body in &bodies {
        let deadline = Instant::now() + BOUND;
        while !matches!(bank.transfer(body).await.unwrap().0, 200 | 201) {
            assert!(Instant::now() < deadline, "it does not recover");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    bodies.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_ledger_node_means_deadlines_and_no_hang() {
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&[]);
    let node = nodes.api("api");
    let bank = Bank::of(&node);
    open(&bank, &["a", "b"]).await;
    let mut transfers_count = 0;
    for _ in 0..if is_long() { 5 } else { 1 } {
        transfers_count += pause(&ledger, &bank).await;
        // Those that met the known outage were never sent.
        let balance = &bank.get("/v1/accounts/b").await.1["balance"];
        assert_eq!(balance, transfers_count);
    }
    assert!(node.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_both_ways_from_several_nodes_at_once() {
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&[]);
    let apis = ["one", "two", "three"].map(|name| nodes.api(name));
    let banks = apis.each_ref().map(Bank::of);
    open(&banks[0], &["a", "b"]).await;
    let rounds = if is_long() { 2_000 } else { 60 };
    let workers: Vec<_> = (0..12)
        .map(|worker| {
            let bank = banks[worker % banks.len()].clone();
            tokio::spawn(async move {
                for round in 0..rounds {
                    let (debit, credit) = [("a", "b"), ("b", "a")][(worker + round) % 2];
                    let (status, _, body) = bank.transfer(&transfer(debit, credit)).await.unwrap();
                    assert_eq!(status, 201, "{body}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let count = 12 * rounds as u64;
    for bank in &banks {
        for id in ["a", "b"] {
            let (_, account) = bank.get(&format!("/v1/accounts/{id}")).await;
            assert_eq!(account["balance"], 0, "{account}");
            assert_eq!(account["entry_count"], count, "{account}");
        }
    }
    drop(apis);
    nodes.assert_clean(ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_node_serves_probes_only() {
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&[]);
    let bank = Bank::of(&ledger);
    assert_eq!(bank.get("/healthz").await.0, 200);
    assert_eq!(bank.get("/readyz").await.0, 200);
    assert_eq!(bank.get("/v1/accounts/a").await.0, 404);
    assert_eq!(bank.get("/clientes/1/extrato").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_waits_for_a_ledger_that_is_not_up_yet() {
    let nodes = Nodes::new();
    let mut command = nodes.api_command("api");
    command.arg("--demo");
    let node = std::thread::spawn(|| LastroProcess::start(command).unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!node.is_finished());
    let _ledger = nodes.ledger(&[]);
    let node = tokio::task::spawn_blocking(|| node.join().unwrap())
        .await
        .unwrap();
    let bank = Bank::of(&node);
    assert_eq!(bank.transact("1", "c", 5).await.0, 200);
    assert_eq!(bank.statement("1").await["saldo"]["total"], 5);
    let (_, ready) = bank.get("/readyz").await;
    assert_eq!(ready["ledger"], "answering");
}
