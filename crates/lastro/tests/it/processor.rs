//! `lastro processor`, as a process.

use std::process::Command;

use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;
use uuid::Uuid;

use crate::support::binary;

#[tokio::test]
async fn a_processor_takes_its_fee_and_stops() {
    let mut command = Command::new(binary());
    command.args(["processor", "--listen", "127.0.0.1:0"]);
    command.args(["--name", "cheap", "--fee", "0.07", "--token", "secret"]);
    let process = LastroProcess::start_listening(command).unwrap();
    let payment = json!({
        "correlationId": Uuid::new_v4(),
        "amount": 20.05,
        "requestedAt": "2025-07-15T12:34:56.000Z",
    });
    let client = Client::new();
    for status in [200, 422] {
        let url = format!("{}/payments", process.url());
        let answer = client.post(url).json(&payment).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let url = format!("{}/admin/payments-summary", process.url());
    let summary = client.get(url).header("X-Rinha-Token", "secret");
    let summary: Value = summary.send().await.unwrap().json().await.unwrap();
    let expected = json!({
        "totalRequests": 1, "totalAmount": 20.05, "totalFee": 1.4035, "feePerTransaction": 0.07
    });
    assert_eq!(summary, expected);
    assert!(process.stop().unwrap().success());
}
