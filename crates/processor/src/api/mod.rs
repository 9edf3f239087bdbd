//! The routes.

mod admin;
mod answers;
mod payments;

use axum::Router;
use axum::routing::{get, post, put};

pub(crate) use answers::Cut;

use crate::Processor;

/// All routes of a processor.
pub(crate) fn router(processor: Processor) -> Router {
    let admin = Router::new()
        .route("/payments-summary", get(admin::summary))
        .route("/configurations/token", put(admin::set_token))
        .route("/configurations/delay", put(admin::set_delay))
        .route("/configurations/failure", put(admin::set_failure))
        .route("/purge-payments", post(admin::purge))
        // These two are none of the challenge's.
        .route("/faults", get(admin::faults).put(admin::set_faults))
        .route(
            "/faults/refuse-connections",
            post(admin::refuse_connections),
        )
        .layer(axum::middleware::from_fn_with_state(
            processor.clone(),
            admin::check_token,
        ));
    Router::new()
        .route("/payments", post(payments::pay))
        .route("/payments/service-health", get(payments::health))
        .route("/payments/{id}", get(payments::find))
        .route("/healthz", get(async || "ok"))
        .nest("/admin", admin)
        .with_state(processor)
}
