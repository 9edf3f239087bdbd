//! `grpc.health.v1`: ready or not, as `/readyz` says; and reflection.

use std::sync::Arc;
use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::health::Health;

/// How often the state is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reports whether calls should be sent here, for the server as a whole and for the ledger.
pub(super) async fn report(reporter: HealthReporter, health: Arc<dyn Health>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let status = match health.readiness().reason {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        for service in ["", proto::SERVICE] {
            reporter.set_service_status(service, status).await;
        }
    }
}

/// What services there are, for tools such as `grpcurl`.
pub(super) fn reflection() -> Option<ServerReflectionServer<impl ServerReflection>> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .inspect_err(|error| tracing::error!(%error, "reflection is not served: {error}"))
        .ok()
}
