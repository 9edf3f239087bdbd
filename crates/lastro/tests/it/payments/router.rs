//! A router that drops packets silently, between Lastro and a processor: what a kernel still keeps of
//! a request that was given up must not arrive later, when another processor has paid.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;
use testkit::network::Network;
use uuid::Uuid;

use super::lab::{NAMES, ms};
use crate::support::{assert_clean, binary, folder, signal};

const PAYMENTS_COUNT: usize = 5;
/// How long packets are dropped where the process goes on. By then the payments are provably not
/// recorded, and the kernel of a connection that was only closed sends its bytes again a few seconds
/// later: 12.6 s and 25.4 s after the first time, and a little more where the answers were slow.
const CUT: Duration = Duration::from_millis(8_800);
/// From then on nothing that a kernel kept arrives any more.
const NOTHING_IS_KEPT_AFTER: Duration = Duration::from_secs(32);
/// Where Lastro runs, and where it is started again after it was killed: from there no packet is dropped.
const HOSTS: [&str; 2] = ["lastro", "again"];

/// What happens to Lastro while its packets are dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It goes on.
    Alive,
    /// It is killed, and started again on another host with the other processor as its first choice.
    Killed,
    /// It is stopped, and goes on long after they pass again.
    Frozen,
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_request_that_was_given_up_never_arrive() {
    behind_a_router_that_drops(Then::Alive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_process_that_was_killed_never_arrive() {
    behind_a_router_that_drops(Then::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_process_that_was_frozen_never_arrive() {
    behind_a_router_that_drops(Then::Frozen).await;
}

async fn behind_a_router_that_drops(then: Then) {
    if let Err(why) = Network::permitted() {
        println!("not run: {why}");
        return;
    }
    let network = Network::start(&[HOSTS[0], HOSTS[1], NAMES[0], NAMES[1]]).unwrap();
    let processors = NAMES.map(|name| processor(&network, name));
    let folder = folder();
    let config = folder.path().join("lastro.toml");
    std::fs::write(&config, configuration(&processors, [0, 1])).unwrap();
    let data = folder.path().join("data");
    LastroProcess::init(&binary(), &data).unwrap();
    let serve_on = |host| {
        let listen = format!("{}:0", network.address(host));
        let mut command = on_host(&network, host);
        command
            .arg("serve")
            .args(["--listen-public", "--plaintext", "--listen", &listen]);
        command.arg("--config").arg(&config);
        command.arg("--data-dir").arg(&data);
        LastroProcess::start(command).unwrap()
    };
    let mut lastro = serve_on(HOSTS[0]);
    let client = Client::new();
    // A connection is there and kept.
    pay(&client, &lastro, Uuid::new_v4()).await;
    settled_at(&client, &lastro, &processors, 1).await;

    network.cut(HOSTS[0], NAMES[0]).unwrap();
    let cut_at = Instant::now();
    let ids: Vec<Uuid> = (0..PAYMENTS_COUNT).map(|_| Uuid::new_v4()).collect();
    for id in &ids {
        pay(&client, &lastro, *id).await;
    }
    tokio::time::sleep(ms(400)).await;
    if then == Then::Killed {
        lastro.kill();
        // What is sent there again is not recorded either.
        set_failing(&client, &processors[0], true).await;
        std::fs::write(&config, configuration(&processors, [1, 0])).unwrap();
        lastro = serve_on(HOSTS[1]);
    }
    if then == Then::Frozen {
        signal(&lastro, "-STOP");
    }
    let nothing_is_kept_at = cut_at + NOTHING_IS_KEPT_AFTER;
    if then != Then::Killed {
        tokio::time::sleep_until((cut_at + CUT).into()).await;
    }
    match then {
        Then::Alive => {
            set_failing(&client, &processors[0], true).await;
            network.heal(HOSTS[0], NAMES[0]).unwrap();
            tokio::time::sleep(ms(3_000)).await;
            set_failing(&client, &processors[0], false).await;
        }
        Then::Killed => {
            // What the kernel of the killed process kept would be a second recording now.
            settled_at(&client, &lastro, &processors, PAYMENTS_COUNT + 1).await;
            set_failing(&client, &processors[0], false).await;
            network.heal(HOSTS[0], NAMES[0]).unwrap();
        }
        Then::Frozen => {
            network.heal(HOSTS[0], NAMES[0]).unwrap();
            tokio::time::sleep_until(nothing_is_kept_at.into()).await;
            for id in &ids {
                let url = format!("{}/payments/{id}", processors[0].url());
                let status = client.get(url).send().await.unwrap().status();
                assert_eq!(status, 404, "{id} arrived from a process that does nothing");
            }
            signal(&lastro, "-CONT");
        }
    }
    settled_at(&client, &lastro, &processors, PAYMENTS_COUNT + 1).await;
    tokio::time::sleep_until(nothing_is_kept_at.into()).await;
    for id in &ids {
        let mut kept = Vec::new();
        for (name, processor) in NAMES.iter().zip(&processors) {
            let url = format!("{}/payments/{id}", processor.url());
            if client.get(url).send().await.unwrap().status() == 200 {
                kept.push(*name);
            }
        }
        let told = told(&client, &lastro, *id).await;
        assert_eq!(kept, [told["processor"].as_str().unwrap()], "{told}");
        assert_eq!(told["state"], "settled", "{told}");
        if then == Then::Killed {
            assert_eq!(kept, [NAMES[1]], "{told}");
        }
    }
    assert!(lastro.stop().unwrap().success());
    assert_clean(&data);
}

/// Both processors, in this order of preference.
fn configuration(processors: &[LastroProcess; 2], order: [usize; 2]) -> String {
    let mut text = "[payments]\npreferred_wait_ms = 300\n".to_owned();
    for place in order {
        text += &format!(
            "[[processors]]\nname = '{}'\nurl = '{}'\ntimeout_ms = 1000\n\
             recorded_within_ms = 500\nhealth_path = 'none'\n\
             definite_5xx = [{{ status = 500, empty_body = true }}]\n",
            NAMES[place],
            processors[place].url()
        );
    }
    text
}

fn on_host(network: &Network, host: &str) -> Command {
    let words = network.launcher(host);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(binary());
    command
}

fn processor(network: &Network, name: &str) -> LastroProcess {
    let listen = format!("{}:0", network.address(name));
    let mut command = on_host(network, name);
    command.args([
        "processor",
        "--insecure",
        "--listen",
        &listen,
        "--name",
        name,
    ]);
    LastroProcess::start_listening(command).unwrap()
}

async fn pay(client: &Client, lastro: &LastroProcess, id: Uuid) {
    let body = json!({"correlationId": id, "amount": 19.90});
    let url = format!("{}/payments", lastro.url());
    let answer = client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

async fn told(client: &Client, lastro: &LastroProcess, id: Uuid) -> Value {
    let url = format!("{}/v1/payments/{id}", lastro.url());
    client.get(url).send().await.unwrap().json().await.unwrap()
}

async fn set_failing(client: &Client, processor: &LastroProcess, is_failing: bool) {
    let url = format!("{}/admin/configurations/failure", processor.url());
    let request = client.put(url).header("X-Rinha-Token", "123");
    let answer = request.json(&json!({"failure": is_failing})).send().await;
    assert_eq!(answer.unwrap().status(), 200);
}

/// Waits until the processors have so many payments together, as Lastro sees it.
async fn settled_at(
    client: &Client,
    lastro: &LastroProcess,
    processors: &[LastroProcess],
    count: usize,
) {
    assert_eq!(processors.len(), NAMES.len());
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let url = format!("{}/payments-summary", lastro.url());
        let summary: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let counts = NAMES.map(|name| summary[name]["totalRequests"].as_u64().unwrap());
        if usize::try_from(counts.iter().sum::<u64>()).unwrap() == count {
            return;
        }
        assert!(Instant::now() < patience, "{summary}");
        tokio::time::sleep(ms(50)).await;
    }
}
