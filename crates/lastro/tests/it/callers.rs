//! What callers of a ledger node's socket may give, with the real binary in split roles: what they may
//! not is refused, logged and counted, and what people do to payments is logged and counted once.

use std::time::{Duration, Instant};

use engine_remote::{RemoteEngine, RemoteOptions};
use ledger::{
    Batch, Command, Engine, Millis, PaymentExpected, PaymentId, PaymentState, PaymentStateName,
    ProcessorName, RefusedCode, TransferId, Unavailable, UsedPayment,
};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::LastroProcess;

use crate::support::{Nodes, metrics};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const NUMBER: u128 = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057;
/// Nothing listens there: what is accepted stays accepted.
const NOBODY: &str = "default=http://127.0.0.1:9";
/// How long a line may take from a process's log to here.
const LOG_PATIENCE: Duration = Duration::from_secs(60);
const METRICS: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

fn patience() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A client of the ledger's socket that is no node of ours: it gives whatever it likes.
fn stranger(nodes: &Nodes) -> RemoteEngine {
    let options = RemoteOptions {
        patience: Duration::from_secs(60),
        ..RemoteOptions::default()
    };
    RemoteEngine::new(nodes.address().parse().unwrap(), options)
}

fn expected(state: PaymentStateName, attempt: u32) -> PaymentExpected {
    PaymentExpected { state, attempt }
}

/// Every command that is not for callers where purges are not enabled.
fn not_for_callers() -> [Command; 6] {
    let id = PaymentId::from_u128(NUMBER);
    let requested_at = Millis(1_752_582_896_007);
    [
        Command::SendPayment {
            id,
            expected: expected(PaymentStateName::Accepted, 0),
            processor: ProcessorName::new("nowhere").unwrap(),
            requested_at,
        },
        Command::SettlePayment {
            id,
            expected: expected(PaymentStateName::Sent, 1),
            requested_at,
        },
        Command::ReleasePayment {
            id,
            expected: expected(PaymentStateName::Sent, 1),
        },
        Command::RefusePayment {
            id,
            expected: expected(PaymentStateName::Accepted, 0),
            code: RefusedCode::ProcessorRefused,
        },
        Command::PurgePayments {
            expected_accepted_at: None,
        },
        Command::Expire {
            pending_id: TransferId::from_u128(1),
        },
    ]
}

async fn pay(api: &LastroProcess) {
    pay_as(api, ID).await;
}

async fn pay_as(api: &LastroProcess, id: &str) {
    let body = json!({"correlationId": id, "amount": 19.90});
    let request = Client::new().post(format!("{}/payments", api.url()));
    assert_eq!(request.json(&body).send().await.unwrap().status(), 202);
}

async fn post(api: &LastroProcess, path: &str, body: Value) -> (u16, Value) {
    let request = Client::new().post(format!("{}{path}", api.url()));
    let answer = request.json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_callers_is_refused_logged_and_counted() {
    let nodes = Nodes::new();
    let paying = ["--processor", NOBODY];
    let arguments = [&METRICS[..], &paying].concat();
    let mut ledger = nodes.ledger(&arguments);
    let api = nodes.api("api");
    pay(&api).await;
    let stranger = stranger(&nodes);
    let before = stranger
        .payment(PaymentId::from_u128(NUMBER), patience())
        .await
        .unwrap();
    assert!(matches!(before, Some(UsedPayment::Accepted(_))));
    for command in not_for_callers() {
        let name = command.name();
        let answer = stranger.submit(vec![Batch::one(command)], patience());
        assert_eq!(answer.await, Err(Unavailable::NotSupported), "{name}");
    }
    let measured = metrics(&mut ledger).await;
    for command in not_for_callers() {
        let name = command.name();
        let line = format!("lastro_grpc_denied_total{{command=\"{name}\"}} 1");
        assert!(measured.contains(&line), "{line} is not in\n{measured}");
        let line = format!("denied a gRPC call because of its command {name}");
        ledger.wait_for_log(&line, LOG_PATIENCE).unwrap();
    }
    let after = stranger
        .payment(PaymentId::from_u128(NUMBER), patience())
        .await
        .unwrap();
    let Some(UsedPayment::Accepted(payment)) = after else {
        panic!("{after:?}")
    };
    // Its own dispatcher tries in vain to send it; nothing else became of it.
    assert!(
        matches!(
            payment.state,
            PaymentState::Accepted | PaymentState::Sent { .. }
        ),
        "{payment:?}"
    );
    drop(stranger);
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}

/// How many payments the only purge gave up, by the line of the log.
fn purged_count(log: &[String]) -> u64 {
    let said = log.iter().find_map(|line| {
        let (_, said) = line.split_once("the payments were purged: ")?;
        said.split(' ').next()
    });
    said.unwrap().parse().unwrap()
}

/// An API node hands a purge and a resolution on: the ledger node alone reports them.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_to_payments_is_reported_once_where_it_is_applied() {
    let nodes = Nodes::new();
    let purging = ["--processor", NOBODY, "--enable-purge"];
    let arguments = [&METRICS[..], &purging].concat();
    let mut ledger = nodes.ledger(&arguments);
    let mut command = nodes.api_command("api");
    command.args(METRICS).arg("--enable-purge");
    let mut api = LastroProcess::start(command).unwrap();
    pay(&api).await;
    let resolution = |attempt: &Value| {
        let (who, why) = ("ana", "test");
        json!({"resolution": "refuse", "attempt": attempt, "who": who, "why": why})
    };
    // The dispatcher may be trying it just now: then an operator has to look again.
    let path = format!("/v1/payments/{ID}");
    let resolve = format!("{path}/resolve");
    let deadline = patience();
    loop {
        let looked = reqwest::get(format!("{}{path}", api.url())).await.unwrap();
        let payment: Value = looked.json().await.unwrap();
        let body = resolution(&payment["attempt"]);
        let (status, answer) = post(&api, &resolve, body).await;
        if status == 200 {
            // Its answer may get lost: a caller that asks again gets the same, counted apart.
            let (status, again) = post(&api, &resolve, resolution(&payment["attempt"])).await;
            assert_eq!((status, again), (200, answer));
            break;
        }
        assert_eq!(status, 422, "{answer}");
        assert!(Instant::now() < deadline, "it cannot be resolved: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let waiting: Vec<String> = (1..=8)
        .map(|number| format!("01890a5d-ac96-774b-bcce-00000000000{number}"))
        .collect();
    for id in &waiting {
        pay_as(&api, id).await;
    }
    // Each was tried in vain, and now waits: all but the one that is being tried again are given up.
    for id in &waiting {
        loop {
            let looked = reqwest::get(format!("{}/v1/payments/{id}", api.url()));
            let payment: Value = looked.await.unwrap().json().await.unwrap();
            if payment["state"] == "accepted" {
                break;
            }
            assert!(Instant::now() < deadline, "it does not wait: {payment}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let (status, answer) = post(&api, "/purge-payments", json!({})).await;
    assert_eq!(status, 200, "{answer}");
    ledger
        .wait_for_log("waiting payments were given up", LOG_PATIENCE)
        .unwrap();
    let purged_count = purged_count(ledger.logged());
    assert!(purged_count > 0, "none was waiting");
    let purged = format!("lastro_payments_purged_total {purged_count}");
    let lines = [
        "lastro_payments_purges_total 1",
        "lastro_payments_resolved_total{resolution=\"refuse\"} 1",
        "lastro_payments_resolutions_repeated_total{resolution=\"refuse\"} 1",
        &purged,
    ];
    let measured = metrics(&mut ledger).await;
    for line in lines {
        let is_there = measured.lines().any(|measured| measured == line);
        assert!(is_there, "{line} is not in\n{measured}");
    }
    let handed_on = metrics(&mut api).await;
    for name in [
        "lastro_payments_purges_total",
        "lastro_payments_purged_total",
        "lastro_payments_resolved_total",
        "lastro_payments_resolutions_repeated_total",
    ] {
        let counted = handed_on.lines().find(|line| line.starts_with(name));
        assert_eq!(counted, None, "the API node counts what it hands on");
    }
    for line in ["the payments were purged", "was resolved by ana"] {
        ledger.wait_for_log(line, LOG_PATIENCE).unwrap();
    }
    let of_people = |process: &mut LastroProcess| {
        let is_of_people = |line: &&String| {
            line.contains("the payments were purged") || line.contains("was resolved by ana")
        };
        process.logged().iter().filter(is_of_people).count()
    };
    assert_eq!(of_people(&mut ledger), 2);
    assert_eq!(of_people(&mut api), 0);
    assert!(api.stop().unwrap().success());
    nodes.assert_clean(ledger);
}
