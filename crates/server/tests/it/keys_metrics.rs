//! Who may read the metrics.

use std::sync::Arc;

use server::Scope;

use crate::support::{Held, Keyring};

#[tokio::test]
async fn metrics_need_their_own_scope() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let listener = server::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(server::serve_metrics(
        listener,
        recorder.handle(),
        Arc::new(server::AlwaysReady),
        server::MetricsCallers {
            hosts: server::Hosts::any(),
            keys: Keyring::new().keys,
            handshakes_max: 1,
        },
        std::future::pending(),
        std::time::Duration::from_secs(1),
    ));
    let client = reqwest::Client::new();
    for held in Held::EVERY {
        for (path, is_open) in [("/metrics", false), ("/healthz", true), ("/readyz", true)] {
            let request = client.get(format!("http://{address}{path}"));
            let request = match held.secret() {
                None => request,
                Some(secret) => request.bearer_auth(secret),
            };
            let expected = match held {
                _ if is_open => 200,
                Held::Nothing | Held::Unknown | Held::Expired | Held::Revoked => 401,
                Held::All | Held::Narrow | Held::Depositor | Held::Only(Scope::Metrics) => 200,
                Held::Only(Scope::Read | Scope::Write | Scope::Operate) => 403,
            };
            let status = request.send().await.unwrap().status();
            assert_eq!(status, expected, "{path} with {held:?}");
        }
    }
}
