//! The gRPC face as a generated client sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{Engine, Unavailable};
use proto::v1;
use proto::v1::ledger_client::LedgerClient;
use server::{AlwaysReady, App, GrpcLimits, Health, Hosts, Limits, Readiness, bind, serve_grpc};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Double, Manner, SystemClock};

pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) channel: Channel,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) serving: JoinHandle<server::Stopped>,
}

pub(crate) async fn node_with(
    engine: Arc<dyn Engine>,
    health: Arc<dyn Health>,
    limits: GrpcLimits,
) -> Node {
    keyed_node(engine, health, limits, server::Keys::none()).await
}

/// A node whose callers need these keys.
pub(crate) async fn keyed_node(
    engine: Arc<dyn Engine>,
    health: Arc<dyn Health>,
    limits: GrpcLimits,
    keys: server::Keys,
) -> Node {
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string();
    let app = App {
        ledger_id: None,
        keys,
        operations: None,
        dispatching: None,
        callbacks: None,
        webhooks: None,
        engine,
        clock: Arc::new(SystemClock),
        health,
        limits: Limits::default(),
        hosts: Hosts::any(),
        is_purge_enabled: false,
    };
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let timeout = Duration::from_secs(10);
    let serving = serve_grpc(listener, app, limits, shutdown, timeout);
    let serving = tokio::spawn(serving);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    Node {
        address,
        channel: channel.connect().await.unwrap(),
        stop,
        serving,
    }
}

async fn node(engine: Arc<dyn Engine>) -> Node {
    node_with(engine, Arc::new(AlwaysReady), GrpcLimits::default()).await
}

pub(crate) fn reference() -> Arc<ReferenceEngine> {
    Arc::new(ReferenceEngine::new(Arc::new(SystemClock)))
}

fn command(kind: v1::command::Command) -> v1::Command {
    v1::Command {
        command: Some(kind),
    }
}

pub(crate) fn open(id: &str) -> v1::Command {
    command(v1::command::Command::OpenAccount(v1::OpenAccount {
        id: id.to_owned(),
        currency: "BRL".to_owned(),
        credit_limit: 1_000,
    }))
}

pub(crate) fn transfer(id: u8, amount: u64) -> v1::Command {
    command(v1::command::Command::Transfer(v1::MoveMoney {
        id: vec![id; 16],
        debit_account_id: "a".to_owned(),
        credit_account_id: "b".to_owned(),
        amount,
        description: "x".to_owned(),
        ..v1::MoveMoney::default()
    }))
}

pub(crate) fn submit(commands: Vec<v1::Command>) -> v1::SubmitRequest {
    let atomic_id = Vec::new();
    v1::SubmitRequest {
        batches: vec![v1::Batch {
            commands,
            atomic_id,
        }],
    }
}

#[tokio::test]
async fn a_generated_client_submits_and_reads() {
    let node = node(reference()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let commands = vec![
        open("a"),
        open("b"),
        transfer(1, 300),
        transfer(2, 900),
        transfer(1, 300),
    ];
    let answer = client.submit(submit(commands)).await.unwrap().into_inner();
    let outcomes = &answer.batches[0].outcomes;
    assert_eq!(outcomes.len(), 5);
    let Some(v1::outcome::Result::Moved(moved)) = &outcomes[2].result else {
        panic!("{outcomes:?}");
    };
    assert_eq!(moved.debit.unwrap().balance, -300);
    assert_eq!(moved.credit.unwrap().entry_number, 1);
    let Some(v1::outcome::Result::Refusal(refusal)) = &outcomes[3].result else {
        panic!("{outcomes:?}");
    };
    assert_eq!(refusal.code(), v1::RefusalCode::InsufficientFunds);
    assert_eq!((refusal.available, refusal.required), (700, 900));
    assert!(outcomes[4].replayed && !outcomes[2].replayed);

    let id = "b".to_owned();
    let account = client.get_account(v1::GetAccountRequest { id }).await;
    let account = account.unwrap().into_inner().account.unwrap();
    assert_eq!((account.credits_posted, account.entry_count), (300, 1));
    let query = v1::GetStatementRequest {
        account_id: "b".to_owned(),
        before: None,
        limit: 10,
    };
    let statement = client.get_statement(query).await.unwrap().into_inner();
    assert_eq!(statement.entries[0].transfer_id, vec![1; 16]);
    let id = vec![9; 16];
    let unknown = client.get_transfer(v1::GetTransferRequest { id }).await;
    assert!(unknown.unwrap().into_inner().used.is_none());

    node.stop.send(()).unwrap();
    assert_eq!(node.serving.await.unwrap().requests_cut, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_invalid_argument_and_changes_nothing() {
    let engine = reference();
    let node = node(engine.clone()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let mut short = transfer(1, 1);
    if let Some(v1::command::Command::Transfer(transfer)) = &mut short.command {
        transfer.id.pop();
    }
    for commands in [vec![open("a"), short], vec![], vec![v1::Command::default()]] {
        let refused = client.submit(submit(commands)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let id = "no such id!".to_owned();
    let refused = client.get_account(v1::GetAccountRequest { id }).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    assert!(engine.read(|books| books.events().is_empty()));
}

#[tokio::test]
async fn the_ledgers_reasons_are_told_apart() {
    let double = Double::new(reference(), Manner::Well);
    let node = node(double.clone()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    for (reason, code) in [
        (Unavailable::Overloaded, Code::ResourceExhausted),
        (Unavailable::StorageFull, Code::ResourceExhausted),
        (Unavailable::Timeout, Code::DeadlineExceeded),
        (Unavailable::StorageFailed, Code::Internal),
        (Unavailable::LedgerUnavailable, Code::Unavailable),
        (Unavailable::Opening, Code::Unavailable),
        (Unavailable::StorageDamaged, Code::DataLoss),
        (Unavailable::NotSupported, Code::Unimplemented),
    ] {
        double.behave(Manner::Unavailable(reason));
        let status = client.submit(submit(vec![open("a")])).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(status.metadata().get("lastro-code").unwrap(), reason.code());
    }
    double.behave(Manner::Panic);
    let status = client.submit(submit(vec![open("a")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.metadata().get("lastro-code").is_none());
    double.behave(Manner::Well);
    assert!(client.submit(submit(vec![open("a")])).await.is_ok());
}

#[tokio::test]
async fn no_call_outlives_its_deadline() {
    let double = Double::new(reference(), Manner::Never);
    let limits = GrpcLimits {
        deadline_default: Duration::from_millis(300),
        deadline_max: Duration::from_millis(600),
        ..GrpcLimits::default()
    };
    let node = node_with(double, Arc::new(AlwaysReady), limits).await;
    let mut client = LedgerClient::new(node.channel.clone());
    for (asked, at_least_ms) in [(None, 300), (Some("100m"), 100), (Some("1H"), 600)] {
        let mut request = Request::new(submit(vec![open("a")]));
        if let Some(asked) = asked {
            let value = asked.parse().unwrap();
            request.metadata_mut().insert("grpc-timeout", value);
        }
        let started = Instant::now();
        let status = client.submit(request).await.unwrap_err();
        let elapsed = started.elapsed();
        // The client watches the deadline that it asks for by itself, too.
        if asked != Some("100m") {
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert_eq!(status.metadata().get("lastro-code").unwrap(), "timeout");
        }
        assert!(elapsed >= Duration::from_millis(at_least_ms), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    }
    let mut request = Request::new(submit(vec![open("a")]));
    let value = "soon".parse().unwrap();
    request.metadata_mut().insert("grpc-timeout", value);
    let status = client.submit(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn messages_and_calls_are_bounded() {
    let double = Double::new(reference(), Manner::Never);
    let limits = GrpcLimits {
        messages_bytes_max: 100 * 1024,
        calls_max: 1,
        deadline_default: Duration::from_secs(2),
        ..GrpcLimits::default()
    };
    let node = node_with(double, Arc::new(AlwaysReady), limits).await;
    let mut client = LedgerClient::new(node.channel.clone());
    // Too large for the room that all messages share, and for any message.
    for (bytes, reason) in [(150_000, Some("overloaded")), (17 << 20, None)] {
        let mut large = transfer(1, 1);
        if let Some(v1::command::Command::Transfer(transfer)) = &mut large.command {
            transfer.description = "x".repeat(bytes);
        }
        let status = client.submit(submit(vec![large])).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        let code = status.metadata().get("lastro-code");
        assert_eq!(code.map(|code| code.to_str().unwrap()), reason);
    }
    let id = "x".repeat(5_000);
    let status = client.get_account(v1::GetAccountRequest { id }).await;
    assert_eq!(status.unwrap_err().code(), Code::ResourceExhausted);
    // One call at once.
    let mut other = client.clone();
    let (one, another) = tokio::join!(
        client.submit(submit(vec![open("a")])),
        other.submit(submit(vec![open("a")])),
    );
    let mut codes = [one, another].map(|answer| answer.unwrap_err().code() as i32);
    codes.sort_unstable();
    let expected = [Code::DeadlineExceeded, Code::ResourceExhausted];
    assert_eq!(codes, expected.map(|code| code as i32));
}

/// Not ready.
struct Down;

impl Health for Down {
    fn readiness(&self) -> Readiness {
        Readiness::not_ready("storage_failed")
    }
}

#[tokio::test]
async fn health_says_what_readiness_says() {
    let ready: Arc<dyn Health> = Arc::new(AlwaysReady);
    for (health, expected) in [
        (ready, ServingStatus::Serving),
        (Arc::new(Down) as _, ServingStatus::NotServing),
    ] {
        let node = node_with(reference(), health, GrpcLimits::default()).await;
        let mut client = HealthClient::new(node.channel.clone());
        let deadline = Instant::now() + Duration::from_secs(10);
        for service in ["", "lastro.v1.Ledger"] {
            let service = service.to_owned();
            let question = HealthCheckRequest { service };
            // It is looked at right after the start.
            loop {
                let answer = client.check(question.clone()).await;
                let status = answer.map(|answer| answer.into_inner().status());
                if status.as_ref().is_ok_and(|status| *status == expected) {
                    break;
                }
                assert!(Instant::now() < deadline, "{status:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test]
async fn other_methods_are_not_implemented() {
    let node = node(reference()).await;
    let mut client = HealthClient::new(node.channel.clone());
    let service = "lastro.v2.Ledger".to_owned();
    let unknown = client.check(HealthCheckRequest { service }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}
