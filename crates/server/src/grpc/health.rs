//! `grpc.health.v1`: ready or not, as `/readyz` says; and reflection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::v1alpha;

use crate::health::Health;

/// The server as a whole, and the ledger.
const SERVICES: [&str; 2] = ["", proto::SERVICE];
/// How often the state is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reports whether calls should be sent here, for the server as a whole and for the ledger. Once
/// it is stopping they should not, and nobody watches any longer: a watcher would be waited for.
pub(super) async fn report(
    mut reporter: HealthReporter,
    health: Arc<dyn Health>,
    stopping: &Notify,
) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stopping.notified() => break,
        }
        let status = match health.readiness().reason {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
    }
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
        reporter.clear_service_status(service).await;
    }
    std::future::pending::<()>().await;
}

/// What services there are, for tools such as `grpcurl`: in the two versions that they ask for.
pub(super) fn reflection() -> Option<(
    ServerReflectionServer<impl ServerReflection>,
    v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>,
)> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let built = builder()
        .build_v1()
        .and_then(|v1| Ok((v1, builder().build_v1alpha()?)));
    built
        .inspect_err(|error| tracing::error!(%error, "cannot serve reflection: {error}"))
        .ok()
}
