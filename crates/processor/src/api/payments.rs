//! What the senders of payments ask.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use uuid::Uuid;

use super::answers::{Cut, bad_request, empty, json, message, read};
use crate::windows::WINDOW;
use crate::{FaultyAnswer, Payment, Processor, Reply};

/// `POST /payments`
pub(super) async fn pay(State(processor): State<Processor>, body: Bytes) -> Response {
    let payment: Payment = match read(&body) {
        Ok(payment) => payment,
        Err(response) => return *response,
    };
    match processor.pay(payment).await {
        Reply::Recorded => message(StatusCode::OK, "payment processed successfully"),
        Reply::AlreadyRecorded => message(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a payment with this correlationId is recorded already",
        ),
        Reply::Failing => empty(StatusCode::INTERNAL_SERVER_ERROR),
        Reply::Busy => too_many(),
        Reply::Faulty(answer) => faulty(answer).await,
    }
}

async fn faulty(answer: FaultyAnswer) -> Response {
    match answer {
        FaultyAnswer::Right => empty(StatusCode::OK),
        FaultyAnswer::Drop => {
            let mut response = empty(StatusCode::OK);
            response.extensions_mut().insert(Cut);
            response
        }
        FaultyAnswer::Never => std::future::pending().await,
        FaultyAnswer::Status { status, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response
        }
    }
}

/// `GET /payments/service-health`
pub(super) async fn health(State(processor): State<Processor>) -> Response {
    match processor.health().await {
        Some(health) => json(StatusCode::OK, &health),
        None => too_many(),
    }
}

/// `GET /payments/{id}`
pub(super) async fn find(State(processor): State<Processor>, Path(id): Path<String>) -> Response {
    match Uuid::try_parse(&id) {
        Ok(id) => match processor.payment(id) {
            Some(payment) => json(StatusCode::OK, &payment),
            None => empty(StatusCode::NOT_FOUND),
        },
        Err(error) => bad_request(&error),
    }
}

/// 429: try again in a while.
fn too_many() -> Response {
    let mut response = empty(StatusCode::TOO_MANY_REQUESTS);
    let after = HeaderValue::from(WINDOW.as_secs());
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}
