//! The real binary in a control group with little memory, under a load that wants more.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine_remote::{RemoteEngine, RemoteOptions};
use ledger::{
    AccountId, Batch, Command as LedgerCommand, Currency, Engine, MoveMoney, OpenAccount,
    TransferId, Unavailable,
};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;
use testkit::control_group::{ControlGroup, Limits};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Bank, assert_clean, binary, folder, is_long};

/// The least with which a ledger on this machine starts without a warning.
const MEMORY_MB: u64 = 256;
/// As many as a batch may have.
const BATCH: usize = 8_190;
/// How many callers there are of each kind: what they ask for at once is far more than there is.
const CALLERS: usize = 24;
const ACCOUNTS: usize = 40_000;

/// What callers were answered.
#[derive(Default)]
struct Answers {
    done: AtomicUsize,
    overloaded: AtomicUsize,
    /// Too late, or the connection was refused.
    others: AtomicUsize,
}

impl Answers {
    fn count(&self, status: u16, body: &Value) {
        let counter = match (status, body["code"].as_str()) {
            (200 | 201, _) => &self.done,
            (503, Some("overloaded")) => &self.overloaded,
            (503 | 504 | 408, _) => &self.others,
            other => panic!("{other:?}: {body}"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn account(number: usize) -> String {
    format!("many:{}", number % ACCOUNTS)
}

fn transfers() -> Value {
    let first: usize = rand_from_id();
    let commands: Vec<_> = (first..first + BATCH)
        .map(|number| {
            json!({
                "kind": "transfer", "id": Uuid::new_v4(), "debit_account_id": "world:BRL",
                "credit_account_id": account(number), "amount": 1,
                "description": "a text that is as long as descriptions may be, so that the body of the batch is large, too",
            })
        })
        .collect();
    json!({"atomic": false, "commands": commands})
}

/// Any number.
fn rand_from_id() -> usize {
    usize::try_from(Uuid::new_v4().as_u128() % 1_000_000).unwrap()
}

/// Batches over HTTP, as large as they may be, each over a connection of its own.
async fn batches(url: String, stop: Arc<AtomicBool>, answers: Arc<Answers>) {
    let body = transfers().to_string();
    while !stop.load(Ordering::Relaxed) {
        let request = Client::new().post(format!("{url}/v1/batches"));
        let request = request.header("content-type", "application/json");
        match request.body(body.clone()).send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body = answer.json().await.unwrap_or(Value::Null);
                answers.count(status, &body);
            }
            Err(_) => _ = answers.others.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Bodies that begin and never end, and answers that nobody takes.
async fn stalled(address: String, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let mut open = Vec::new();
        for _ in 0..4 {
            let Ok(mut body) = TcpStream::connect(&address).await else {
                continue;
            };
            let head = "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 4000000\r\n\r\n";
            let _ = body.write_all(head.as_bytes()).await;
            let _ = body.write_all(&vec![b' '; 3 << 20]).await;
            let Ok(mut unread) = TcpStream::connect(&address).await else {
                continue;
            };
            let ask = "GET /v1/accounts/1/statement?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
            for _ in 0..64 {
                let _ = unread.write_all(ask.as_bytes()).await;
            }
            open.extend([body, unread]);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Batches over gRPC, as large as they may be, many at once.
async fn grpc_batches(engine: Arc<RemoteEngine>, stop: Arc<AtomicBool>, answers: Arc<Answers>) {
    let transfer = |number: usize| {
        LedgerCommand::Transfer(MoveMoney {
            id: TransferId::from_u128(Uuid::new_v4().as_u128()),
            debit_account_id: AccountId::world(Currency::new("BRL").unwrap()),
            credit_account_id: AccountId::new(&account(number)).unwrap(),
            amount: 1,
            description: "a text that is as long as descriptions may be, so that the message of the batch is large".into(),
            notes: ledger::Notes::NONE,
        })
    };
    while !stop.load(Ordering::Relaxed) {
        let first = rand_from_id();
        let batch = Batch::independent((first..first + BATCH).map(transfer).collect()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let counter = match engine.submit(vec![batch], deadline).await {
            Ok(_) => &answers.done,
            Err(Unavailable::Overloaded) => &answers.overloaded,
            Err(Unavailable::Timeout | Unavailable::LedgerUnavailable) => &answers.others,
            Err(other) => panic!("{other:?}"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // A refusal can be there at once: without a pause nobody else would run here.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn open_accounts(engine: &RemoteEngine) {
    let open = |number: usize| {
        LedgerCommand::OpenAccount(OpenAccount {
            id: AccountId::new(&account(number)).unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 0,
        })
    };
    for first in (0..ACCOUNTS).step_by(2_000) {
        let batch = Batch::independent((first..first + 2_000).map(open).collect()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        engine.submit(vec![batch], deadline).await.unwrap();
    }
}

/// Whatever callers want, they get `overloaded`, and the kernel kills nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_wants_more_memory_than_there_is_gets_overloaded() {
    let limits = Limits {
        memory_mb: Some(MEMORY_MB),
        ..Limits::default()
    };
    let name = format!("lastro-memory-{}", std::process::id());
    let group = ControlGroup::make(&name, limits);
    if !group.holds() {
        eprintln!(
            "NOT TESTED: no control group can be made here: {}",
            group.description()
        );
        return;
    }
    let (folder, sockets) = (folder(), tempfile::tempdir().unwrap());
    let data_dir = folder.path().join("data");
    LastroProcess::init(&binary(), &data_dir).unwrap();
    let grpc = format!("unix:{}", sockets.path().join("grpc").display());
    let mut launcher = group.launcher().into_iter();
    let mut command = Command::new(launcher.next().unwrap());
    command.args(launcher).arg(binary());
    command.args(["serve", "--demo", "--grpc-listen", &grpc, "--data-dir"]);
    command.arg(&data_dir);
    let mut process = LastroProcess::start(command).unwrap();
    process
        .wait_for_log(
            &format!("use {MEMORY_MB} MB of memory"),
            Duration::from_secs(60),
        )
        .unwrap();
    let options = || RemoteOptions {
        calls_max: 16,
        ..RemoteOptions::default()
    };
    let engine = Arc::new(RemoteEngine::new(grpc.parse().unwrap(), options()));
    let bank = Bank::of(&process);
    while bank.get("/readyz").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open_accounts(&engine).await;
    for _ in 0..1_000 {
        assert_eq!(bank.transact("1", "c", 1).await.0, 200);
    }

    let (stop, answers) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Answers::default()),
    );
    let mut callers = JoinSet::new();
    let address = process.url().strip_prefix("http://").unwrap().to_owned();
    for _ in 0..CALLERS {
        let url = process.url().to_owned();
        callers.spawn(batches(url, Arc::clone(&stop), Arc::clone(&answers)));
        callers.spawn(stalled(address.clone(), Arc::clone(&stop)));
        // Nodes of their own, each with its queue.
        let engine = Arc::new(RemoteEngine::new(grpc.parse().unwrap(), options()));
        callers.spawn(grpc_batches(
            engine,
            Arc::clone(&stop),
            Arc::clone(&answers),
        ));
    }
    let lasts = if is_long() { 120 } else { 10 };
    tokio::time::sleep(Duration::from_secs(lasts)).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let counts = [&answers.done, &answers.overloaded, &answers.others].map(count);
    eprintln!(
        "{counts:?} batches were done, overloaded, and neither; {}",
        group.usage().unwrap_or_default()
    );
    assert_eq!(group.kills_for_memory(), Some(0), "{counts:?}");
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");

    // It goes on as before, once that is over.
    let bound = Instant::now() + Duration::from_secs(60);
    while bank.transact("2", "c", 1).await.0 != 200 {
        assert!(Instant::now() < bound, "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(process.stop().unwrap().success());
    drop(group);
    assert_clean(&data_dir);
}
