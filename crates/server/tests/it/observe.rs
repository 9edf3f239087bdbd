//! What the metrics' port says.

use std::sync::Arc;
use std::time::Duration;

use server::{AlwaysReady, Hosts, MetricsCallers, bind, install_metrics, serve_metrics};

use crate::support::{Face, Setup, five_accounts};

async fn scrape(face: &Face, address: &str) -> String {
    let response = face
        .client
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// The one test that installs a recorder: faces of other tests may count in it too, but not on
/// what is compared here.
#[tokio::test]
async fn requests_outcomes_and_connections_are_counted() {
    let handle = install_metrics().unwrap();
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string();
    let stop_timeout = Duration::from_secs(1);
    tokio::spawn(serve_metrics(
        listener,
        handle,
        Arc::new(AlwaysReady),
        MetricsCallers {
            hosts: Hosts::local_and(Vec::new()),
            keys: server::Keys::none(),
            handshakes_max: 1,
        },
        std::future::pending(),
        stop_timeout,
    ));
    let face = Setup::over(five_accounts().await).start().await;

    let foreign = face.client.get(format!("http://{address}/metrics"));
    let foreign = foreign.header("Host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421, "no page reads the metrics");

    let text = scrape(&face, &address).await;
    assert!(
        text.contains("lastro_http_connections_refused_total"),
        "{text}"
    );
    assert_eq!(face.transact(5, "c", 1, "x").await.status, 200);
    assert_eq!(face.transact(5, "d", 999_999_999, "x").await.status, 422);
    face.get("/v1/accounts/nobody").await;

    let foreign = face.client.get(format!("http://{address}/metrics"));
    let foreign = foreign.header("Host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421, "no page reads the metrics");

    let text = scrape(&face, &address).await;
    for line in [
        r#"lastro_http_requests_total{route="/clientes/{id}/transacoes",method="POST",status="200"}"#,
        r#"lastro_http_requests_total{route="/clientes/{id}/transacoes",method="POST",status="422"}"#,
        r#"lastro_http_requests_total{route="/v1/accounts/{id}",method="GET",status="404"}"#,
        r#"lastro_http_request_duration_seconds_bucket{route="/clientes/{id}/transacoes",le="0.005"}"#,
        r#"lastro_http_request_duration_seconds_count{route="/clientes/{id}/transacoes"}"#,
        r#"lastro_outcomes_total{command="transfer",code="created"}"#,
        r#"lastro_outcomes_total{command="transfer",code="insufficient_funds"}"#,
        "lastro_http_connections ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains(r#"route="/v1/batches""#),
        "a route that was never used has a series"
    );
}
