//! The routes.

mod admin;
mod payments;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde::Serialize;

use crate::Processor;

/// An answer that is none: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

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

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

fn message(status: StatusCode, message: &str) -> Response {
    json(status, &Message { message })
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            let json = header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        // None of the bodies has anything that JSON cannot say.
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 400 with what is wrong.
fn bad_request(error: &impl std::fmt::Display) -> Response {
    message(StatusCode::BAD_REQUEST, &error.to_string())
}

/// Reads a body as JSON, whatever its content type says.
fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| Box::new(bad_request(&error)))
}
