//! What answers and bodies are made of.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Serialize;

/// No answer: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

pub(super) fn message(status: StatusCode, message: &str) -> Response {
    json(status, &Message { message })
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
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

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 400 with what is wrong.
pub(super) fn bad_request(error: &impl std::fmt::Display) -> Response {
    message(StatusCode::BAD_REQUEST, &error.to_string())
}

/// Reads a body as JSON, whatever its content type says.
pub(super) fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| Box::new(bad_request(&error)))
}
