//! HTTP itself: methods, versions, pipelines, probes.

use serde_json::json;
use server::{Health, Hosts, Readiness};

use crate::support::{Setup, everything, five, five_accounts};

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    raw.send("GET /clientes/1/extrato HTTP/1.0\r\n\r\n").await;
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["saldo"]["limite"], 100_000);
    assert!(raw.closed().await);
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    for path in ["/v1/accounts/1", "/healthz", "/v1/accounts/nobody"] {
        raw.send(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let head = raw.answer_to("HEAD").await.unwrap();
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let get = raw.answer().await.unwrap();
        assert_eq!((head.status, head.body.len()), (get.status, 0));
        let length = format!("content-length: {}", get.body.len());
        assert!(head.head.contains(&length), "{}", head.head);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    let mut pipeline = String::new();
    for n in 1..=20 {
        let body = format!("{{\"valor\":{n},\"tipo\":\"c\",\"descricao\":\"x\"}}");
        pipeline += &format!(
            "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}GET /v1/accounts/1 HTTP/1.1\r\nHost: x\r\n\r\n",
            body.len()
        );
    }
    raw.send(pipeline + "GARBAGE\r\n\r\n").await;
    let mut balance = 0;
    for n in 1..=20 {
        balance += n;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.json(), json!({"limite": 100_000, "saldo": balance}));
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.json()["balance"], balance);
    }
    assert_eq!(raw.answer().await.unwrap().status, 400);
    assert!(raw.closed().await);
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let (face, _) = five().await;
    for (method, path, allow) in [
        ("GET", "/clientes/1/transacoes", "allow: POST"),
        ("POST", "/clientes/1/extrato", "allow: GET,HEAD"),
        ("DELETE", "/v1/accounts/1", "allow: GET,HEAD"),
        ("PUT", "/v1/transfers", "allow: POST"),
        ("OPTIONS", "/v1/transfers", "allow: POST"),
        ("BREW", "/v1/transfers", "allow: POST"),
    ] {
        let mut raw = face.raw().await;
        raw.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
        assert!(answer.head.contains(allow), "{}", answer.head);
    }
}

#[tokio::test]
async fn expect_continue_and_chunks_are_understood() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    raw.send(
        "POST /clientes/1/transacoes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    assert_eq!(raw.answer().await.unwrap().status, 100);
    let body = r#"{"valor":1,"tipo":"c","descricao":"x"}"#;
    let (start, end) = body.split_at(10);
    raw.send(format!(
        "a\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
        end.len()
    ))
    .await;
    assert_eq!(raw.answer().await.unwrap().json()["saldo"], 1);
}

struct Full;

impl Health for Full {
    fn readiness(&self) -> Readiness {
        Readiness::not_ready("storage_full").with("free_bytes", 0)
    }
}

#[tokio::test]
async fn probes_tell_living_from_ready() {
    let (face, _) = five().await;
    assert_eq!(face.get("/healthz").await.body, json!({"status": "alive"}));
    assert_eq!(face.get("/readyz").await.body, json!({"status": "ready"}));

    let mut setup = Setup::over(five_accounts().await);
    setup.health = std::sync::Arc::new(Full);
    let face = setup.start().await;
    assert_eq!(face.get("/healthz").await.status, 200);
    let answer = face.get("/readyz").await;
    assert_eq!(answer.problem(), (503, "storage_full"));
    assert_eq!(answer.body["free_bytes"], 0);
}

/// A page of another site under a name that leads to this machine is not answered.
#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let mut setup = Setup::over(engine.clone());
    setup.hosts = Hosts::local_and(vec!["bank.example".to_owned()]);
    let face = setup.start().await;
    let body = "{\"valor\":1,\"tipo\":\"c\",\"descricao\":\"x\"}";
    let post = |host: &str| {
        let length = body.len();
        format!(
            "POST /clientes/1/transacoes HTTP/1.1\r\nHost: {host}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for host in [
        "evil.example",
        "evil.example:9999",
        "127.0.0.1.evil.example",
    ] {
        let mut raw = face.raw().await;
        for request in [
            post(host),
            format!("GET /v1/accounts/1 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /nothing HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ] {
            raw.send(request).await;
            let answer = raw.answer().await.unwrap();
            assert_eq!(answer.problem(), (421, "host_not_served".to_owned()));
        }
    }
    assert_eq!(everything(&engine), before);
    for host in [
        "127.0.0.1:9999",
        "localhost",
        "[::1]:1",
        "api",
        "bank.example",
    ] {
        let mut raw = face.raw().await;
        raw.send(post(host)).await;
        assert_eq!(raw.answer().await.unwrap().status, 200, "{host}");
    }
}

/// A page of another site can make a browser on this machine send a form here: nothing is done.
#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let mut setup = Setup::over(engine.clone());
    setup.hosts = Hosts::local_and(Vec::new());
    let face = setup.start().await;
    let body = "{\"valor\":1,\"tipo\":\"c\",\"descricao\":\"x\"}";
    let post = |header: &str| {
        let length = body.len();
        format!(
            "POST /clientes/1/transacoes HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
    ] {
        let mut raw = face.raw().await;
        raw.send(post(header)).await;
        let answer = raw.answer().await.unwrap();
        let expected = (403, "cross_site_request".to_owned());
        assert_eq!(answer.problem(), expected, "{header}");
    }
    assert_eq!(everything(&engine), before);
    let mut raw = face.raw().await;
    raw.send(post("Sec-Fetch-Site: same-origin")).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
}
