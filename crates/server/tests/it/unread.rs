//! Requests that are answered before they are read: their answers arrive.

use std::time::{Duration, Instant};

use server::Limits;
use testkit::servers::{Proxy, ProxyKind};

use crate::support::{Setup, five, five_accounts};

const JSON: &str = "Content-Type: application/json\r\n";

/// More than the sockets on the way hold.
const LARGE_BYTES: usize = 12 << 20;

fn requests() -> Vec<(String, (u16, &'static str))> {
    let length = format!("Content-Length: {LARGE_BYTES}\r\n");
    let request = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n")
    };
    vec![
        (request("POST /nowhere", JSON), (404, "route_not_found")),
        (request("POST /healthz", JSON), (405, "method_not_allowed")),
        (request("POST /v1/accounts", JSON), (413, "body_too_large")),
        (
            request("POST /v1/accounts", ""),
            (415, "content_type_unsupported"),
        ),
        (
            request("POST /v1/accounts", JSON).replace("localhost", "evil.example"),
            (421, "host_not_served"),
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: x\r\n bad: x\r\n{length}\r\n"),
            (400, "request_malformed"),
        ),
    ]
}

#[tokio::test]
async fn the_answer_survives_what_is_still_sent() {
    let (face, _) = five().await;
    for (head, expected) in requests() {
        let mut raw = face.raw().await;
        raw.send(&head).await;
        for _ in 0..LARGE_BYTES / (1 << 20) {
            assert!(raw.try_send(vec![b' '; 1 << 20]).await, "{head}");
        }
        let answer = raw.answer().await.unwrap_or_else(|| panic!("{head}"));
        let (status, code) = answer.problem();
        assert_eq!((status, &*code), expected, "{head}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("connection: close"), "{head}");
        assert!(raw.closed().await, "nothing more comes: {head}");
    }
}

#[tokio::test]
async fn a_small_body_leaves_the_connection_open() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    for _ in 0..3 {
        raw.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            .await;
        assert_eq!(raw.answer().await.unwrap().status, 404);
        raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
    }
    // Nobody is asked for a body that is not wanted.
    let asking = "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
                  Expect: 100-continue\r\n\r\n";
    raw.send(asking).await;
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
}

#[tokio::test]
async fn who_sends_for_ever_is_closed() {
    let mut setup = Setup::over(five_accounts().await);
    setup.limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let face = setup.start().await;
    let mut raw = face.raw().await;
    raw.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.unwrap().status, 404);
    let started = Instant::now();
    while raw.try_send([b' '; 100]).await {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_connection_too_many_hears_why() {
    let mut setup = Setup::over(five_accounts().await);
    setup.limits.connections_max = 1;
    let face = setup.start().await;
    let mut first = face.raw().await;
    first.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    for _ in 0..20 {
        let mut second = face.raw().await;
        second
            .send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        let answer = second.answer().await.expect("an answer");
        assert_eq!(answer.problem(), (503, "too_many_connections".to_owned()));
    }
}

/// Real proxies hand the answer on, and do not take the node for dead.
#[test]
fn proxies_hand_the_answers_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (face, _) = runtime.block_on(five());
    let backend = face.address.to_string().parse().unwrap();
    let cases = [
        ("/nowhere", "application/json", 404),
        ("/healthz", "application/json", 405),
        ("/clientes/1/transacoes", "application/json", 413),
        ("/v1/accounts", "text/plain", 415),
    ];
    for kind in [ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Envoy] {
        let proxy = Proxy::start(kind, &[backend]).unwrap();
        runtime.block_on(async {
            for round in 0..12 {
                for (path, content_type, expected) in cases {
                    // nginx itself refuses what is larger than 1 MiB.
                    let body_bytes = 100_000 + 75_000 * round;
                    let request = face.client.post(format!("{}{path}", proxy.url()));
                    let request = request.header("Content-Type", content_type);
                    let answer = request.body(vec![b' '; body_bytes]).send().await.unwrap();
                    let status = answer.status().as_u16();
                    let text = answer.text().await.unwrap();
                    assert_eq!(status, expected, "{kind:?} {path} {round}: {text}");
                    assert!(text.contains("\"code\""), "ours: {kind:?}: {text}");
                }
            }
        });
        // Not asked to stop: it would wait for connections that the client keeps.
        drop(proxy);
    }
}
