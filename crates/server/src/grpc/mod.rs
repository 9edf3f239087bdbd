//! The gRPC face: `lastro.v1`, for nodes and for clients that want batches.
//!
//! The calls are unary; a request is one message. They are framed here and not by tonic, so that a
//! message's length is judged before it is waited for, all messages together are bounded, and a
//! call costs at most one copy of its message. Health and reflection are tonic's.

mod authority;
mod clock;
mod deadline;
mod health;
mod host;
mod limits;
mod measure;
mod message;
mod methods;
mod permitted;
mod shared;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::sync::Notify;
use tonic::service::Routes;

use crate::connection_metrics::ConnectionMetrics;
use crate::keys::{Access, Keys};
use crate::late_app::LateApp;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::serve::{Stopped, serve_hosted};

pub use limits::{GrpcCommands, GrpcLimits};

use host::Http2;
use shared::GrpcFace;

/// Serves the ledger over gRPC until `shutdown` is done, then stops as [`crate::serve`] does. Of the
/// app's limits those of `limits` take the place.
pub async fn serve_grpc(
    listener: Listener,
    app: impl Into<LateApp>,
    limits: GrpcLimits,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let app = app.into();
    let (reporter, health) = tonic_health::server::health_reporter();
    let stopping = Arc::new(Notify::new());
    let shutdown = async {
        shutdown.await;
        stopping.notify_one();
    };
    let readiness = app.health();
    let router = router(app, limits, health);
    let host = |stage| Http2::new(router, &limits, stage);
    let metrics = ConnectionMetrics::of_grpc();
    let serving = serve_hosted(
        listener,
        "listening for gRPC on",
        host,
        limits.connections(),
        metrics,
        shutdown,
        stop_timeout,
    );
    tokio::select! {
        stopped = serving => stopped,
        () = health::report(reporter, readiness, &stopping) => Stopped { requests_cut: 0 },
    }
}

/// What is not of the ledger: whether the process lives is asked without a key, as over HTTP; the rest,
/// methods that are not there too, with any.
async fn admit_other(keys: Keys, request: Request, next: Next) -> Response {
    let access = match request.uri().path().starts_with("/grpc.health.v1.Health/") {
        true => Access::Open,
        false => Access::AnyKey,
    };
    let peer = Peer::of(request.extensions());
    match keys.admit(request.headers(), peer, access, false) {
        Ok(_) => next.run(request).await,
        Err(turned_away) => message::respond(Err(turned_away.denied.into())),
    }
}

fn router<H>(app: LateApp, limits: GrpcLimits, health: H) -> Router
where
    H: tower::Service<Request<tonic::body::Body>, Error = std::convert::Infallible>
        + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    H::Response: axum::response::IntoResponse,
    H::Future: Send + 'static,
{
    let mut others = Routes::new(health);
    if let Some((reflection, reflection_alpha)) = health::reflection() {
        others = others.add_service(reflection).add_service(reflection_alpha);
    }
    let keys = app.keys().clone();
    let others = others
        .into_axum_router()
        .layer(middleware::from_fn(move |request, next| {
            admit_other(keys.clone(), request, next)
        }));
    methods::router(GrpcFace::new(app, limits)).merge(others)
}
