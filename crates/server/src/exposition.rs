//! The operators' side: installing the Prometheus recorder, and the port that metrics and probes are
//! read from.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::connection_metrics::ConnectionMetrics;
use crate::errors;
use crate::health::Health;
use crate::hosts::Hosts;
use crate::keys::{Access, Keys, Scope};
use crate::limits::Limits;
use crate::listener::Listener;
use crate::metrics::METRICS;
use crate::peer::Peer;
use crate::probes;
use crate::problem::Problem;
use crate::serve::{Stopped, serve_counted};

/// Upper ends of the duration histograms, in seconds: 50 µs to 5 s.
const DURATION_BUCKETS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 5.0,
];

/// The most connections at once.
const CONNECTIONS_MAX: usize = 64;

/// How often samples are folded into their histograms when nobody reads them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Installs the process's metrics recorder. Call it before [`crate::serve`] and before an engine is
/// opened, since handles are taken from the recorder that is installed by then.
///
/// Hand the result to [`serve_metrics`], which also keeps the recorder small: samples of
/// histograms gather in memory until it folds them.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_duration_seconds".to_owned()),
            &DURATION_BUCKETS,
        )?
        .install_recorder()?;
    stdx::describe_metrics!(METRICS);
    Ok(handle)
}

/// Who may ask for metrics.
#[derive(Clone)]
pub struct MetricsCallers {
    /// The hosts that requests may name.
    pub hosts: Hosts,
    /// The keys of callers.
    pub keys: Keys,
    /// The most TLS handshakes at once. There are more of them than connections, so that callers who begin
    /// handshakes and finish none do not keep out those who want metrics.
    pub handshakes_max: usize,
}

/// Serves `GET /metrics`, `/healthz` and `/readyz`, for these callers, until `shutdown` is done.
///
/// The metrics need a key with the scope `metrics` where keys are asked for; the probes need none.
///
/// None of them waits for anything: in a runtime of its own they are answered also while all threads
/// of [`crate::serve`] are busy.
pub async fn serve_metrics(
    listener: Listener,
    handle: PrometheusHandle,
    health: Arc<dyn Health>,
    callers: MetricsCallers,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let upkeep = handle.clone();
    let (hosts, keys) = (callers.hosts, callers.keys);
    let router = Router::new()
        .route(
            "/metrics",
            get(
                |State(handle): State<PrometheusHandle>, request: Request| async move {
                    let peer = Peer::of(request.extensions());
                    let access = Access::Scope(Scope::Metrics);
                    match keys.admit(request.headers(), peer, access, false) {
                        Ok(_) => exposition(&handle),
                        Err(turned_away) => Problem::from(turned_away.denied).into_response(),
                    }
                },
            ),
        )
        .route("/healthz", get(|| async { probes::alive() }))
        .route(
            "/readyz",
            get(|request: Request| async move {
                probes::ready(health.readiness(), request.uri().query())
            }),
        )
        .fallback(|| async { errors::route_not_found() })
        .method_not_allowed_fallback(|| async { errors::method_not_allowed() })
        .with_state(handle)
        .layer(axum::middleware::from_fn(
            move |request: Request, next: Next| {
                let is_admitted = hosts.admit(&request);
                async move {
                    if is_admitted {
                        next.run(request).await
                    } else {
                        errors::host_not_served().into_response()
                    }
                }
            },
        ));
    let limits = Limits {
        connections_max: CONNECTIONS_MAX,
        handshakes_max: callers.handshakes_max,
        ..Limits::default()
    };
    let serving = serve_counted(
        listener,
        "serving metrics on",
        router,
        &limits,
        ConnectionMetrics::uncounted(),
        shutdown,
        stop_timeout,
    );
    tokio::select! {
        stopped = serving => stopped,
        () = keep_up(upkeep) => Stopped { requests_cut: 0 },
    }
}

async fn keep_up(handle: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        handle.run_upkeep();
    }
}

fn exposition(handle: &PrometheusHandle) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], handle.render()).into_response()
}
