//! Payments that an operator ends: who did, and why, is kept as money is.

use std::time::{Duration, Instant};

use processor::Faults;
use serde_json::{Value, json};
use testkit::LastroProcess;
use uuid::Uuid;

use super::lab::{Lab, ms};
use crate::support::{Nodes, assert_clean};

#[tokio::test(flavor = "multi_thread")]
async fn who_resolved_a_payment_and_why_outlives_kill_9() {
    let mut lab = Lab::new();
    for processor in lab.processors() {
        processor.set_faults(Faults::record_late(Duration::from_secs(600)));
    }
    let nodes = Nodes::new();
    let ledger = nodes.ledger(&["--config", &lab.config()]);
    let (one, other) = (nodes.api("one"), nodes.api("other"));
    lab.pay(&one, ms(5_000), 16).await;
    let id = one_unknown(&mut lab, &one).await;
    resolve(&one, id).await;
    ledger.kill();
    let ledger = nodes.ledger(&["--config", &lab.config()]);
    let patience = Instant::now() + Duration::from_secs(60);
    let told = loop {
        // The node has to find the ledger again.
        let told = lab.get(&other, &format!("/v1/payments/{id}")).await;
        if told["state"].is_string() {
            break told;
        }
        assert!(Instant::now() < patience, "{told}");
        tokio::time::sleep(ms(20)).await;
    };
    assert_refused(&told);
    nodes.assert_clean(ledger);
}

/// One of what was accepted that is on its way, and nobody knows.
pub(super) async fn one_unknown(lab: &mut Lab, node: &LastroProcess) -> Uuid {
    let accepted: Vec<Uuid> = lab.accepted.drain().map(|(id, _)| id).collect();
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        for id in &accepted {
            let told = lab.get(node, &format!("/v1/payments/{id}")).await;
            if told["state"] == "sent" {
                return *id;
            }
        }
        assert!(Instant::now() < patience, "none was sent");
        tokio::time::sleep(ms(10)).await;
    }
}

/// Gives a payment up, whatever attempt it is at.
pub(super) async fn resolve(node: &LastroProcess, id: Uuid) {
    let (client, url) = (
        reqwest::Client::new(),
        format!("{}/v1/payments/{id}", node.url()),
    );
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let told: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        let body = json!({
            "resolution": "refuse", "attempt": told["attempt"],
            "who": "ana", "why": "they never said",
        });
        let resolved = client.post(format!("{url}/resolve")).json(&body).send();
        let resolved = resolved.await.unwrap();
        match resolved.status().as_u16() {
            200 => return,
            status => assert_eq!(status, 422, "{told}"),
        }
        // It is sent again once in a while: between two requests it can be ended.
        let problem: Value = resolved.json().await.unwrap();
        let code = problem["code"].as_str().unwrap();
        assert!(
            ["payment_under_way", "payment_in_other_state"].contains(&code),
            "{problem}"
        );
        assert!(
            Instant::now() < patience,
            "{id} was never resolved: {problem}"
        );
        tokio::time::sleep(ms(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_node_shows_what_a_processor_said_last_of_an_unknown_payment() {
    let mut lab = Lab::new();
    // It takes payments, and neither answers nor has them for a long time.
    lab.processors()[0].set_faults(Faults::record_late(Duration::from_secs(600)));
    let nodes = Nodes::new();
    let mut ledger = nodes.ledger(&["--config", &lab.config()]);
    let api = nodes.api("one");
    lab.pay(&api, ms(5_000), 16).await;
    let id = one_unknown(&mut lab, &api).await;
    let patience = Instant::now() + Duration::from_secs(60);
    let dispatch = loop {
        let told = lab.get(&api, &format!("/v1/payments/{id}")).await;
        let dispatch = told["dispatch"].clone();
        // It was asked for, and is not there.
        if dispatch["state"] == "unknown" && dispatch["last_answer"]["status"] == 404 {
            break dispatch;
        }
        assert!(Instant::now() < patience, "{told}");
        tokio::time::sleep(ms(20)).await;
    };
    assert_eq!(dispatch["processor"], "default", "{dispatch}");
    assert_eq!(dispatch["last_answer"]["to"], "question", "{dispatch}");
    assert!(dispatch["unknown_since"].is_string(), "{dispatch}");
    let list = lab.get(&api, "/v1/payments?state=unknown&limit=100").await;
    let payments = list["payments"].as_array().unwrap();
    let is_it = |payment: &&Value| payment["id"] == id.to_string();
    let listed = payments.iter().find(is_it).expect("it is listed");
    assert_eq!(listed["state"], "unknown", "{listed}");
    let conflicts = lab.get(&api, "/v1/payments?state=conflict").await;
    assert_eq!(conflicts, json!({"payments": [], "next_cursor": null}));
    // The log says it too, once it has lasted for a while.
    let outcome = "payments at processor default is unknown";
    ledger
        .wait_for_log(outcome, Duration::from_secs(60))
        .unwrap();
    let mut lines = ledger.logged().iter();
    let line = lines.find(|line| line.contains(outcome)).unwrap();
    assert!(
        line.contains("it answered last: ") && !line.contains("nothing that"),
        "{line}"
    );
    assert!(api.stop().unwrap().success());
    ledger.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_waits_for_the_request_that_is_under_way() {
    let mut lab = Lab::new();
    for processor in lab.processors() {
        processor.set_delay(ms(700));
    }
    let process = lab.serve();
    let client = reqwest::Client::new();
    let mut refused_count = 0;
    let patience = Instant::now() + Duration::from_secs(60);
    // On a busy machine all may have been paid before anybody looks.
    while refused_count == 0 {
        assert!(
            Instant::now() < patience,
            "no payment was met while it was under way"
        );
        lab.pay(&process, ms(5_000), 1).await;
        let accepted: Vec<Uuid> = lab.accepted.keys().copied().collect();
        for id in &accepted {
            let url = format!("{}/v1/payments/{id}", process.url());
            let told: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
            if told["state"] != "sent" {
                // What waits may be refused by an operator at any time, and then nobody pays it.
                continue;
            }
            for resolution in ["release", "refuse"] {
                let body = json!({
                    "resolution": resolution, "attempt": told["attempt"], "who": "ana", "why": "too soon",
                });
                let resolved = client.post(format!("{url}/resolve")).json(&body).send();
                let resolved = resolved.await.unwrap();
                if resolved.status() != 422 {
                    continue;
                }
                let problem: Value = resolved.json().await.unwrap();
                if problem["code"] == "payment_under_way" {
                    refused_count += 1;
                    let until: jiff::Timestamp =
                        problem["until"].as_str().unwrap().parse().unwrap();
                    let sent: jiff::Timestamp =
                        told["timestamp"].as_str().unwrap().parse().unwrap();
                    // The request's timeout of 1 s, and 5 s.
                    assert_eq!(
                        until.duration_since(sent),
                        jiff::SignedDuration::from_secs(6)
                    );
                }
            }
        }
    }
    lab.audit(&process).await;
    assert!(process.stop().unwrap().success());
    assert_clean(&lab.data());
}

/// The payment is refused, and says who decided that and why.
pub(super) fn assert_refused(told: &Value) {
    assert_eq!(told["code"], "operator_refused", "{told}");
    let [resolution] = told["resolutions"].as_array().unwrap().as_slice() else {
        panic!("{told}");
    };
    let (who, why) = (&resolution["who"], &resolution["why"]);
    assert_eq!(resolution["resolution"], "refuse", "{told}");
    assert_eq!(
        (who, why),
        (&json!("ana"), &json!("they never said")),
        "{told}"
    );
    assert_eq!(resolution["attempt"], told["attempt"], "{told}");
    assert_eq!(resolution["timestamp"], told["timestamp"], "{told}");
}
