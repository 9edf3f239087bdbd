//! Faces that are listened on before there is a ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::Engine;
use proto::v1;
use proto::v1::ledger_client::LedgerClient;
use reqwest::{Client, Method};
use serde_json::json;
use server::{
    AlwaysReady, App, GrpcLimits, Health, Hosts, LateApp, Limits, Readiness, bind, serve,
    serve_grpc, serve_probes,
};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::grpc::{open, reference, submit};
use crate::support::{Answer, SystemClock, answer, five_accounts};

/// An opening that has come some way.
struct Opening;

impl Health for Opening {
    fn readiness(&self) -> Readiness {
        Readiness::not_ready("opening")
            .with("bytes_read", 12)
            .retry_after_s(7)
    }
}

fn late() -> LateApp {
    LateApp::opening(
        Arc::new(Opening),
        Limits::default(),
        Hosts::any(),
        server::Keys::none(),
    )
}

fn app(engine: Arc<dyn Engine>) -> App {
    App {
        ledger_id: None,
        keys: server::Keys::none(),
        engine,
        operations: None,
        dispatching: None,
        callbacks: None,
        webhooks: None,
        clock: Arc::new(SystemClock),
        health: Arc::new(AlwaysReady),
        limits: Limits::default(),
        hosts: Hosts::any(),
        is_purge_enabled: false,
    }
}

const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a face over one connection.
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    fn new(url: String) -> Self {
        let client = Client::builder().pool_max_idle_per_host(1);
        Self {
            client: client.build().unwrap(),
            url,
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        let url = format!("{}{path}", self.url);
        answer(self.client.request(method, url)).await
    }

    async fn transact(&self) -> Answer {
        let url = format!("{}/clientes/1/transacoes", self.url);
        let body = json!({"valor": 1, "tipo": "c", "descricao": "x"});
        answer(self.client.post(url).json(&body)).await
    }
}

#[tokio::test]
async fn only_probes_are_answered_before_the_app_is_open() {
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let caller = Caller::new(format!("http://{}", listener.address()));
    let late = late();
    tokio::spawn(serve(
        listener,
        late.clone(),
        std::future::pending(),
        STOP_TIMEOUT,
    ));

    let alive = caller.ask(Method::GET, "/healthz").await;
    assert_eq!(
        (alive.status, &alive.body),
        (200, &json!({"status": "alive"}))
    );
    let ready = caller.ask(Method::GET, "/readyz").await;
    assert_eq!(ready.problem(), (503, "opening"));
    assert_eq!(ready.body["bytes_read"], 12);
    assert_eq!(ready.retry_after.as_deref(), Some("7"));

    let refused = caller.transact().await;
    assert_eq!(refused.problem(), (503, "opening"));
    assert_eq!(refused.body["nothing_done"], true);
    assert_eq!(refused.retry_after.as_deref(), Some("7"));
    // Whatever is wrong with a request is for later; a read has done nothing anyway.
    for (method, path) in [
        (Method::POST, "/v1/transfers"),
        (Method::POST, "/v1/operations"),
        (Method::POST, "/payments"),
        (Method::PATCH, "/v1/accounts/1"),
    ] {
        assert_eq!(caller.ask(method, path).await.problem(), (503, "opening"));
    }
    for path in ["/v1/accounts/1", "/clientes/1/extrato", "/openapi.json"] {
        let refused = caller.ask(Method::GET, path).await;
        assert_eq!(refused.problem(), (503, "opening"));
        assert!(refused.body.get("nothing_done").is_none(), "{path}");
    }
    let unknown = caller.ask(Method::GET, "/nowhere").await;
    assert_eq!(unknown.problem(), (404, "route_not_found"));
    let wrong = caller.ask(Method::DELETE, "/v1/accounts/1").await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed"));

    late.open(app(five_accounts().await));
    assert_eq!(caller.transact().await.status, 200);
    let ready = caller.ask(Method::GET, "/readyz").await;
    assert_eq!(
        (ready.status, &ready.body),
        (200, &json!({"status": "ready"}))
    );
}

#[tokio::test]
async fn a_ledger_node_answers_its_probes_before_its_ledger_is_open() {
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let caller = Caller::new(format!("http://{}", listener.address()));
    let late = late();
    tokio::spawn(serve_probes(
        listener,
        late.clone(),
        std::future::pending(),
        STOP_TIMEOUT,
    ));
    assert_eq!(caller.ask(Method::GET, "/healthz").await.status, 200);
    let ready = caller.ask(Method::GET, "/readyz").await;
    assert_eq!(ready.problem(), (503, "opening"));
    assert_eq!(caller.transact().await.problem(), (404, "route_not_found"));
    late.open(app(reference()));
    assert_eq!(caller.ask(Method::GET, "/readyz").await.status, 200);
}

#[tokio::test]
async fn calls_over_grpc_are_unavailable_before_the_app_is_open() {
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.address());
    let late = late();
    tokio::spawn(serve_grpc(
        listener,
        late.clone(),
        GrpcLimits::default(),
        std::future::pending(),
        STOP_TIMEOUT,
    ));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = LedgerClient::new(channel.clone());
    let mut health = HealthClient::new(channel);

    let question = v1::GetClockRequest {};
    for status in [
        client.submit(submit(vec![open("a")])).await.unwrap_err(),
        client.get_clock(question).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.metadata().get("lastro-code").unwrap(), "opening");
    }
    wait_for(&mut health, ServingStatus::NotServing).await;

    late.open(app(reference()));
    assert!(client.submit(submit(vec![open("a")])).await.is_ok());
    assert!(client.get_clock(question).await.is_ok());
    wait_for(&mut health, ServingStatus::Serving).await;
}

/// Waits until the service of health says so: it looks a few times a second.
async fn wait_for(health: &mut HealthClient<Channel>, expected: ServingStatus) {
    let bound = Instant::now() + Duration::from_secs(10);
    loop {
        let service = "lastro.v1.Ledger".to_owned();
        let answer = health.check(HealthCheckRequest { service }).await;
        let status = answer.map(|answer| answer.into_inner().status());
        if status.as_ref().is_ok_and(|status| *status == expected) {
            return;
        }
        assert!(Instant::now() < bound, "{status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
