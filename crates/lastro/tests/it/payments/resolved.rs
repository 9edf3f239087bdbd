//! Payments that an operator ends: who did, and why, is kept as money is.

use std::time::{Duration, Instant};

use processor::Faults;
use serde_json::{Value, json};
use testkit::LastroProcess;
use uuid::Uuid;

use super::lab::{Lab, ms};
use crate::support::Nodes;

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
    for _ in 0..100 {
        let told: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        let body = json!({
            "resolution": "refuse", "attempt": told["attempt"],
            "who": "ana", "why": "they never said",
        });
        let resolved = client.post(format!("{url}/resolve")).json(&body).send();
        match resolved.await.unwrap().status().as_u16() {
            200 => return,
            status => assert_eq!(status, 422, "{told}"),
        }
    }
    panic!("{id} was never resolved");
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
