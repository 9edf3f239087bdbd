//! What its operator asks: the challenge's configuration, and the faults that are not its own.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stdx::whole_millis;

use super::answers::{bad_request, empty, json, message, read};
use crate::{Faults, FaultyAnswer, Processor};

/// The header with the token.
const TOKEN: &str = "x-rinha-token";

/// The longest delay or refusal: an hour.
const DURATION_MS_MAX: u64 = 3_600_000;

/// 401 without the token.
pub(super) async fn check_token(
    State(processor): State<Processor>,
    request: Request,
    next: Next,
) -> Response {
    let token = request.headers().get(TOKEN);
    if token.is_some_and(|token| processor.is_token(token.as_bytes())) {
        return next.run(request).await;
    }
    message(
        StatusCode::UNAUTHORIZED,
        "X-Rinha-Token is missing or wrong",
    )
}

#[derive(Deserialize)]
pub(super) struct Range {
    from: Option<String>,
    to: Option<String>,
}

/// `GET /admin/payments-summary?from=&to=`
pub(super) async fn summary(
    State(processor): State<Processor>,
    Query(range): Query<Range>,
) -> Response {
    let time = |text: Option<String>| text.map(|text| text.parse::<Timestamp>()).transpose();
    match (time(range.from), time(range.to)) {
        (Ok(from), Ok(to)) => json(StatusCode::OK, &processor.summary(from, to)),
        (Err(error), _) | (_, Err(error)) => bad_request(&error),
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// `PUT /admin/configurations/token`
pub(super) async fn set_token(State(processor): State<Processor>, body: Bytes) -> Response {
    match read::<Token>(&body) {
        Ok(Token { token }) => {
            processor.set_token(token);
            empty(StatusCode::NO_CONTENT)
        }
        Err(response) => *response,
    }
}

/// What a configuration was and is.
#[derive(Serialize)]
struct Changed<T> {
    config: &'static str,
    was: T,
    is: T,
}

#[derive(Deserialize)]
struct Delay {
    delay: u64,
}

/// `PUT /admin/configurations/delay`, in milliseconds.
pub(super) async fn set_delay(State(processor): State<Processor>, body: Bytes) -> Response {
    let delay = match read::<Delay>(&body) {
        Ok(Delay { delay }) if delay <= DURATION_MS_MAX => delay,
        Ok(_) => return bad_request(&"the longest delay is 3600000 ms"),
        Err(response) => return *response,
    };
    let was = processor.set_delay(Duration::from_millis(delay));
    let changed = Changed {
        config: "delay",
        was: whole_millis(was),
        is: delay,
    };
    json(StatusCode::OK, &changed)
}

#[derive(Deserialize)]
struct Failure {
    failure: bool,
}

/// `PUT /admin/configurations/failure`
pub(super) async fn set_failure(State(processor): State<Processor>, body: Bytes) -> Response {
    match read::<Failure>(&body) {
        Ok(Failure { failure }) => {
            let changed = Changed {
                config: "failure",
                was: processor.set_failing(failure),
                is: failure,
            };
            json(StatusCode::OK, &changed)
        }
        Err(response) => *response,
    }
}

/// `POST /admin/purge-payments`
pub(super) async fn purge(State(processor): State<Processor>) -> Response {
    processor.purge();
    message(StatusCode::OK, "All payments purged.")
}

/// `GET /admin/faults`
pub(super) async fn faults(State(processor): State<Processor>) -> Response {
    json(StatusCode::OK, &processor.faults())
}

/// `PUT /admin/faults`: those not named are off.
pub(super) async fn set_faults(State(processor): State<Processor>, body: Bytes) -> Response {
    let faults = match read::<Faults>(&body) {
        Ok(faults) => faults,
        Err(response) => return *response,
    };
    if let FaultyAnswer::Status { status, .. } = faults.answer
        && !(200..=599).contains(&status)
    {
        return bad_request(&"a status is 200 to 599");
    }
    if faults.every_nth == 0 || faults.record_after_ms > DURATION_MS_MAX {
        return bad_request(&"everyNth is at least 1, recordAfterMs at most 3600000");
    }
    processor.set_faults(faults);
    json(StatusCode::OK, &processor.faults())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    ms: u64,
}

/// `POST /admin/faults/refuse-connections`: for so many milliseconds, this answer being the last.
pub(super) async fn refuse_connections(
    State(processor): State<Processor>,
    body: Bytes,
) -> Response {
    match read::<Refusal>(&body) {
        Ok(Refusal { ms }) if ms <= DURATION_MS_MAX => {
            processor.refuse_connections(Duration::from_millis(ms));
            empty(StatusCode::NO_CONTENT)
        }
        Ok(_) => bad_request(&"connections are refused for 3600000 ms at most"),
        Err(response) => *response,
    }
}
