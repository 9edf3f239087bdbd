//! What callers of the gRPC face may take: nobody takes all of it from the others.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::Message as _;
use proto::v1;
use proto::v1::ledger_client::LedgerClient;
use server::{AlwaysReady, GrpcLimits};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::grpc::{Node, node_with, open, reference, submit, transfer};

type Body = BoxBody<Bytes, Infallible>;

/// A connection without a client's manners: it takes nothing unless it is told to.
struct Rude {
    sender: SendRequest<Body>,
}

impl Rude {
    async fn connect(node: &Node) -> Self {
        let stream = TcpStream::connect(&*node.address).await.unwrap();
        let mut client = http2::Builder::new(TokioExecutor::new());
        client
            .initial_stream_window_size(1 << 10)
            .initial_connection_window_size(1 << 30);
        let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    fn request(method: &str, body: Body) -> hyper::Request<Body> {
        hyper::Request::post(format!("http://x/lastro.v1.Ledger/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap()
    }

    /// A call whose answer may never be taken.
    async fn call(&mut self, method: &str, message: Vec<u8>) -> hyper::Response<Incoming> {
        let body = Full::new(framed(&message)).boxed();
        let request = Self::request(method, body);
        self.sender.send_request(request).await.unwrap()
    }

    /// A call whose message never ends; `None` while it is not answered.
    fn unfinished(
        &mut self,
        bytes: usize,
    ) -> impl Future<Output = Option<hyper::Response<Incoming>>> + use<> {
        let mut first = vec![0, 0, 0, 0x10, 0];
        first.resize(bytes, 0);
        let first = stream::iter([Ok(Frame::data(Bytes::from(first)))]);
        let body = StreamBody::new(first.chain(stream::pending()));
        let request = Self::request("Submit", BodyExt::boxed(body));
        let answer = self.sender.send_request(request);
        async move { answer.await.ok() }
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

/// Status and reason of a call that has no message.
fn refusal(answer: &hyper::Response<Incoming>) -> (&str, &str) {
    let text = |name| {
        let value = answer.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    };
    (text("grpc-status"), text("lastro-code"))
}

fn statement_of_a() -> v1::GetStatementRequest {
    v1::GetStatementRequest {
        account_id: "a".to_owned(),
        before: None,
        limit: 1_000,
    }
}

/// Opens two accounts whose statements are long.
async fn fill(client: &mut LedgerClient<Channel>) {
    let mut commands = vec![open("a"), open("b")];
    for n in 0..1_000_u32 {
        let mut command = transfer(1, 1);
        if let Some(v1::command::Command::Transfer(transfer)) = &mut command.command {
            transfer.id[..4].copy_from_slice(&n.to_be_bytes());
            transfer.description = "\u{1f600}".repeat(140);
        }
        commands.push(command);
    }
    client.submit(submit(commands)).await.unwrap();
}

fn accepted() -> v1::PaymentExpected {
    v1::PaymentExpected {
        state: v1::PaymentStateName::Accepted.into(),
        attempt: 0,
    }
}

/// Until it is so, within a bound.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_share_a_bounded_room_and_have_an_end() {
    let limits = GrpcLimits {
        // A page takes 2.81 MB before it is read, since each entry may have metadata, and more than half
        // a MiB afterwards.
        answers_bytes_max: (2 << 20) + 2_810_000,
        answer_timeout: Duration::from_secs(2),
        ..GrpcLimits::default()
    };
    let node = node_with(reference(), Arc::new(AlwaysReady), limits).await;
    let mut client = LedgerClient::new(node.channel.clone());
    fill(&mut client).await;
    client.get_statement(statement_of_a()).await.unwrap();

    let mut rude = Rude::connect(&node).await;
    let message = statement_of_a().encode_to_vec();
    let mut untaken = Vec::new();
    let refused = loop {
        let answer = rude.call("GetStatement", message.clone()).await;
        if answer.headers().contains_key("grpc-status") {
            break answer;
        }
        untaken.push(answer);
        assert!(untaken.len() <= 6, "no more than the room has");
    };
    assert_eq!(refusal(&refused), ("8", "overloaded"));
    assert!(untaken.len() >= 3, "{}", untaken.len());
    let status = client.get_statement(statement_of_a()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    // What is small goes on.
    let id = "a".to_owned();
    client
        .get_account(v1::GetAccountRequest { id })
        .await
        .unwrap();
    // A write is refused before it is done.
    let commands = (0..8_000).map(|_| open("c")).collect();
    let status = client.submit(submit(commands)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let id = "c".to_owned();
    let account = client.get_account(v1::GetAccountRequest { id }).await;
    assert!(account.unwrap().into_inner().account.is_none());

    until(async || client.get_statement(statement_of_a()).await.is_ok()).await;
    assert!(
        rude.sender.ready().await.is_err(),
        "its connection was closed"
    );
}

#[tokio::test]
async fn unfinished_messages_share_a_bounded_room() {
    let limits = GrpcLimits {
        messages_bytes_max: 256 << 10,
        message_timeout: Duration::from_secs(2),
        ..GrpcLimits::default()
    };
    let node = node_with(reference(), Arc::new(AlwaysReady), limits).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let mut rude = Rude::connect(&node).await;
    let mut other = Rude::connect(&node).await;
    // Each has 1 kB of 1 MB.
    let mut calls: Vec<_> = (0..200).map(|_| Box::pin(rude.unfinished(1_000))).collect();
    calls.extend((0..200).map(|_| Box::pin(other.unfinished(1_000))));
    let answers = stream::iter(calls)
        .buffer_unordered(400)
        .collect::<Vec<_>>();
    let answers = tokio::spawn(answers);
    until(async || {
        let id = "a".to_owned();
        let asked = client.get_account(v1::GetAccountRequest { id }).await;
        asked.is_err_and(|status| status.code() == Code::ResourceExhausted)
    })
    .await;
    let mut counts = [0; 2];
    for answer in answers.await.unwrap() {
        match refusal(&answer.unwrap()) {
            ("8", "overloaded") => counts[0] += 1,
            ("4", "") => counts[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counts[0] + counts[1], 400);
    assert!((150..=256).contains(&counts[1]), "{counts:?}");
    assert!(client.submit(submit(vec![open("a")])).await.is_ok());
}

#[tokio::test]
async fn calls_are_bounded_over_all_connections_from_their_heads_on() {
    let limits = GrpcLimits {
        calls_max: 8,
        message_timeout: Duration::from_secs(2),
        ..GrpcLimits::default()
    };
    let node = node_with(reference(), Arc::new(AlwaysReady), limits).await;
    let mut rude = Rude::connect(&node).await;
    let calls: Vec<_> = (0..12).map(|_| Box::pin(rude.unfinished(0))).collect();
    let answers = stream::iter(calls)
        .buffer_unordered(12)
        .collect::<Vec<_>>()
        .await;
    let mut codes: Vec<_> = answers
        .iter()
        .map(|answer| refusal(answer.as_ref().unwrap()).0.to_owned())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [vec!["4"; 8], vec!["8"; 4]].concat());
    let mut client = LedgerClient::new(node.channel.clone());
    assert!(client.submit(submit(vec![open("a")])).await.is_ok());
}

#[tokio::test]
async fn giving_up_calls_ends_no_others() {
    let node = node_with(reference(), Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut rude = Rude::connect(&node).await;
    for _ in 0..5 {
        // All before the server comes to look at them.
        let calls: Vec<_> = (0..200).map(|_| rude.unfinished(10)).collect();
        tokio::task::yield_now().await;
        drop(calls);
    }
    let message = submit(vec![open("a")]).encode_to_vec();
    let answer = rude.call("Submit", message).await;
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_compressed_message_is_told_what_is_taken() {
    let node = node_with(reference(), Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut rude = Rude::connect(&node).await;
    let body = Full::new(Bytes::from_static(&[1, 0, 0, 0, 1, 0])).boxed();
    let mut request = Rude::request("Submit", body);
    let encoding = "gzip".parse().unwrap();
    request.headers_mut().insert("grpc-encoding", encoding);
    let answer = rude.sender.send_request(request).await.unwrap();
    assert_eq!(refusal(&answer).0, "12");
    assert_eq!(answer.headers()["grpc-accept-encoding"], "identity");
}

#[tokio::test]
async fn a_stop_waits_for_no_watcher() {
    let node = node_with(reference(), Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut client = HealthClient::new(node.channel.clone());
    let mut watches = Vec::new();
    for service in ["", "lastro.v1.Ledger"] {
        let service = service.to_owned();
        let mut seen = None;
        until(async || {
            let question = Request::new(HealthCheckRequest {
                service: service.clone(),
            });
            seen = client.watch(question).await.ok();
            seen.is_some()
        })
        .await;
        let mut watch = seen.unwrap().into_inner();
        watch.message().await.unwrap().unwrap();
        watches.push(watch);
    }
    let started = Instant::now();
    node.stop.send(()).unwrap();
    for mut watch in watches {
        // The last word is that it does not serve.
        let mut last = None;
        while let Some(answer) = watch.message().await.unwrap() {
            last = Some(answer.status);
        }
        assert_eq!(last.unwrap_or(2), 2);
    }
    assert_eq!(node.serving.await.unwrap().requests_cut, 0);
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(9), "{elapsed:?}");
}

#[tokio::test]
async fn callers_give_no_commands_of_dispatchers() {
    use v1::command::Command;
    let engine = reference();
    let node = node_with(engine.clone(), Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let id = vec![1; 16];
    for (name, command) in [
        (
            "expire",
            Command::Expire(v1::Expire {
                pending_id: id.clone(),
            }),
        ),
        (
            "send_payment",
            Command::SendPayment(v1::SendPayment {
                id: id.clone(),
                expected: Some(accepted()),
                processor: "nobody".to_owned(),
                requested_at_ms: 1,
            }),
        ),
        (
            "settle_payment",
            Command::SettlePayment(v1::SettlePayment {
                id: id.clone(),
                expected: Some(accepted()),
                requested_at_ms: 1,
            }),
        ),
        (
            "release_payment",
            Command::ReleasePayment(v1::ReleasePayment {
                id: id.clone(),
                expected: Some(accepted()),
            }),
        ),
        (
            "refuse_payment",
            Command::RefusePayment(v1::RefusePayment {
                id: id.clone(),
                expected: Some(accepted()),
                code: 1,
            }),
        ),
        (
            "purge_payments",
            Command::PurgePayments(v1::PurgePayments::default()),
        ),
    ] {
        let denied = v1::Command {
            command: Some(command),
        };
        let commands = vec![open("a"), denied];
        let status = client.submit(submit(commands)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status}");
        assert!(status.message().starts_with(name), "{status}");
        let reason = status.metadata().get("lastro-code").unwrap();
        assert_eq!(reason, "not_supported");
    }
    // Only a purge needs it, and over PostgreSQL it holds up acceptances.
    let newest = v1::GetNewestPaymentRequest::default();
    let status = client.get_newest_payment(newest).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(engine.read(|books| books.events().is_empty()));
}

/// A stranger takes every place and asks nothing; a node that comes then is answered.
#[tokio::test]
async fn idle_connections_make_room_for_other_nodes() {
    let limits = GrpcLimits {
        connections_max: 32,
        message_timeout: Duration::from_secs(60),
        deadline_default: Duration::from_secs(60),
        ..GrpcLimits::default()
    };
    let node = node_with(reference(), Arc::new(AlwaysReady), limits).await;
    let mut strangers = Vec::new();
    for number in 0..32 {
        // Some speak HTTP/2, some say nothing.
        if number % 2 == 0 {
            strangers.push(Some(Rude::connect(&node).await));
            continue;
        }
        let silent = TcpStream::connect(&*node.address).await.unwrap();
        tokio::spawn(async move {
            let _silent = silent;
            std::future::pending::<()>().await;
        });
        strangers.push(None);
    }
    // This one is in the middle of a call, and stays.
    let mut busy = strangers[0].take().unwrap();
    let mut unfinished = Box::pin(busy.unfinished(10));
    until(async || {
        let polled = tokio::time::timeout(Duration::from_millis(10), &mut unfinished).await;
        assert!(polled.is_err(), "the call was ended");
        let Ok(channel) = Channel::from_shared(format!("http://{}", node.address))
            .unwrap()
            .connect()
            .await
        else {
            return false;
        };
        let id = "a".to_owned();
        let mut client = LedgerClient::new(channel);
        let asked = client.get_account(v1::GetAccountRequest { id });
        asked.await.is_ok()
    })
    .await;
}
