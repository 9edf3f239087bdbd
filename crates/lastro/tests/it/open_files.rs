//! The limit of open files: a flood of connections leaves the ledger what it needs.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::LastroProcess;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::{Bank, assert_clean, binary, folder};

const FILES_MAX: usize = 256;
const FLOOD: usize = 2 * FILES_MAX;
const SENDERS: usize = 8;
/// Several of the smallest outbox's segments of 512 KiB, 600 bytes each.
const OPERATIONS: usize = 4_000;
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_stops_no_write() {
    let folder = folder();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {FILES_MAX} && exec \"$0\" \"$@\""))
        .arg(binary())
        .args(["serve", "--demo", "--outbox-bytes-max", "2097152"])
        .arg("--data-dir")
        .arg(folder.path());
    let mut process = LastroProcess::start(command).unwrap();
    let banks: Vec<_> = (0..SENDERS).map(|_| Bank::of(&process)).collect();
    for bank in &banks {
        assert_eq!(bank.get("/readyz").await.0, 200);
    }
    let address = process.url().strip_prefix("http://").unwrap().to_owned();
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        // A caller that comes too late is refused and closed, or waits to be accepted.
        if let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(&address)).await
        {
            flood.push(stream);
        }
    }
    assert!(flood.len() > FILES_MAX);

    let deadline = Instant::now() + TIMEOUT;
    let senders = banks.iter().cloned().map(|bank| {
        tokio::spawn(async move {
            for _ in 0..OPERATIONS / SENDERS {
                accept(&bank, deadline).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let (status, readiness) = banks[0].get("/readyz").await;
    assert_eq!(status, 200, "{readiness}");
    drop(flood);
    let (code, answer) = banks[0].transact("1", "c", 1).await;
    assert_eq!(code, 200, "{answer}");
    let line = "may open 256 files and use ";
    process.wait_for_log(line, Duration::from_secs(60)).unwrap();
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// Sends one operation until it is accepted: the smallest outbox may be full for a moment.
async fn accept(bank: &Bank, deadline: Instant) {
    let body = json!({
        "id": Uuid::new_v4(),
        "debit_account_id": "world:BRL",
        "credit_account_id": "1",
        "amount": 1,
        // Four bytes each.
        "description": "\u{1d11e}".repeat(140),
    });
    loop {
        let url = format!("{}/v1/operations", bank.url);
        let response = bank.http.post(url).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let answer: serde_json::Value = response.json().await.unwrap();
        if status == 202 || status == 200 {
            return;
        }
        assert_eq!((status, &answer["code"]), (503, &json!("overloaded")));
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
