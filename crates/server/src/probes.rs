//! Whether the process lives, and whether requests should be sent to it. Both are answered beside the
//! metrics too, in a thread of their own: there nothing that requests do delays them.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::call::Answered;
use crate::errors;
use crate::health::Readiness;
use crate::http_face::HttpFace;
use crate::json;
use crate::problem::Problem;

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "probes",
    responses((status = 200, description = "The process lives", body = Status))
)]
pub(crate) async fn healthz(_: Arc<HttpFace>, _: Request) -> Answered {
    Ok(alive())
}

/// Whether requests should be sent here.
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    params(
        ("need" = Option<String>, Query, description = "`ledger`: ready only while the ledger itself answers. An API \
            node is else ready without it, since it accepts operations"),
    ),
    responses(
        (status = 200, description = "Ready: requests can be sent here", body = Status),
        (status = 400, description = "`query_invalid`"),
        (status = 503, description = "Not ready; `code` is the reason. While the ledger is being \
            opened it is `opening`, with `bytes_read`, `bytes_total` and `seconds_left` as far as \
            they are known"),
    )
)]
pub(crate) async fn readyz(face: Arc<HttpFace>, request: Request) -> Answered {
    ready(face.readiness(), request.uri().query())
}

pub(crate) fn alive() -> Response {
    answer("alive", Vec::new())
}

/// The answer about a readiness to this query.
pub(crate) fn ready(readiness: Readiness, query: Option<&str>) -> Answered {
    let readiness = match query {
        None | Some("") => readiness,
        Some("need=ledger") => readiness.with_ledger(),
        Some(_) => return Err(errors::query_invalid("the query takes need=ledger")),
    };
    let Some(reason) = readiness.reason else {
        return Ok(answer("ready", readiness.fields));
    };
    let detail = "not ready: do not send requests here; the code is the reason";
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail);
    problem.members = readiness.fields;
    problem.retry_after_s = readiness.retry_after_s.or(Some(1));
    Err(problem)
}

fn answer(status: &str, fields: Vec<(&'static str, Value)>) -> Response {
    let mut members = Map::new();
    members.insert("status".to_owned(), Value::from(status));
    members.extend(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    json::respond(StatusCode::OK, &members)
}

/// The answer of a probe; further members have details.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it only describes what `answer` writes")]
pub(crate) struct Status {
    #[schema(example = "ready")]
    status: String,
}
