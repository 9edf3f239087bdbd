//! The errors that the face itself makes, each with its stable code. What the ledger refuses is
//! in [`crate::mapping`].

use std::borrow::Cow;

use axum::http::header::HOST;
use axum::http::{Request, StatusCode, Version};

use crate::codes::code;
use crate::problem::Problem;

pub(crate) fn route_not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        code!("route_not_found"),
        "no route has this path",
    )
}

pub(crate) fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        code!("method_not_allowed"),
        "this path does not support the method; the Allow header lists those that it supports",
    )
}

pub(crate) fn host_not_served() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        code!("host_not_served"),
        "this host is not served here: use another Host header, or start the server with --host NAME",
    )
}

/// What is wrong with a request's head that hyper reads all the same.
pub(crate) fn of_head<B>(request: &Request<B>) -> Option<Problem> {
    let hosts_count = request.headers().get_all(HOST).iter().count();
    let is_whole = match request.version() {
        Version::HTTP_11 => hosts_count == 1,
        _ => hosts_count <= 1,
    };
    (!is_whole).then(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            code!("host_invalid"),
            "a request of HTTP/1.1 must have exactly one Host header",
        )
    })
}

pub(crate) fn headers_too_large() -> Problem {
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        code!("headers_too_large"),
        "the headers of the request are too many or too long",
    )
}

pub(crate) fn signature_invalid() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        code!("signature_invalid"),
        "webhook-id, webhook-timestamp (at most 5 minutes ago) and webhook-signature are not those of a message that a \
         processor of this server has signed",
    )
}

pub(crate) fn cross_site() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        code!("cross_site_request"),
        "the browser sent this request from a page of another site: only pages of this site may send \
         requests that change something",
    )
}

pub(crate) fn uri_too_long(bytes_max: usize) -> Problem {
    let detail = format!("path and query have more than {bytes_max} bytes");
    Problem::new(StatusCode::URI_TOO_LONG, code!("uri_too_long"), detail)
}

pub(crate) fn path_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("path_invalid"),
        "the path is not valid UTF-8 with valid percent-encoding",
    )
}

pub(crate) fn query_invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code!("query_invalid"), detail)
}

pub(crate) fn limit_invalid(limit_max: usize) -> Problem {
    let detail = format!("limit must be a number from 1 to {limit_max}");
    Problem::new(StatusCode::BAD_REQUEST, code!("limit_invalid"), detail)
}

pub(crate) fn cursor_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("cursor_invalid"),
        "this cursor does not belong to this list: use the next_cursor of its previous page, with the same \
         parameters",
    )
}

pub(crate) fn position_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("position_invalid"),
        "this is no position of this ledger's events: use the `position` of an event or the `next` of a page that \
         this ledger gave, leave `after` out to begin with the first event, or use after=latest. A ledger that was \
         restored from an older copy does not know the positions that came later",
    )
}

pub(crate) fn content_type_unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code!("content_type_unsupported"),
        "send the body as JSON, with the header Content-Type: application/json",
    )
}

pub(crate) fn content_encoding_unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code!("content_encoding_unsupported"),
        "send the body without a Content-Encoding such as gzip",
    )
}

pub(crate) fn body_too_large(bytes_max: usize) -> Problem {
    let detail = format!("the body has more than {bytes_max} bytes");
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code!("body_too_large"),
        detail,
    )
}

pub(crate) fn body_incomplete() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("body_incomplete"),
        "the body ended early or its framing is invalid",
    )
}

pub(crate) fn request_timeout() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        code!("request_timeout"),
        "the request did not arrive in time",
    )
}

pub(crate) fn json_invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code!("json_invalid"), detail)
}

pub(crate) fn amount_out_of_range(field: &'static str) -> Problem {
    let least = if field == "credit_limit" { 0 } else { 1 };
    let detail = format!("{field} must be an integer from {least} to 9007199254740991 (2^53 - 1)");
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code!("amount_out_of_range"),
        detail,
    )
    .with("field", field)
}

pub(crate) fn timeout_out_of_range() -> Problem {
    let detail = "timeout_s must be a number of seconds from 0 (no timeout) to 4294967295";
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code!("timeout_out_of_range"),
        detail,
    )
    .with("field", "timeout_s")
}

pub(crate) fn change_missing() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("change_missing"),
        "name what to change: credit_limit, frozen or closed",
    )
}

pub(crate) fn frozen_invalid(field: &'static str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("frozen_invalid"),
        format!("{field} must be one of `none`, `debits`, `credits` and `both`"),
    )
    .with("field", field)
}

pub(crate) fn closed_for_good() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("closed_invalid"),
        "closed can only be true: an account that is closed stays closed",
    )
    .with("field", "closed")
}

pub(crate) fn time_invalid(field: &'static str) -> Problem {
    let detail =
        format!("{field} must be an RFC 3339 time with an offset, such as 2026-01-31T23:59:59.5Z");
    Problem::new(StatusCode::BAD_REQUEST, code!("time_invalid"), detail).with("field", field)
}

pub(crate) fn time_or_date_invalid(field: &'static str) -> Problem {
    let detail = format!(
        "{field} must be an RFC 3339 time with an offset, such as 2026-01-31T23:59:59.5Z, or a date, such as 2026-01-31"
    );
    Problem::new(StatusCode::BAD_REQUEST, code!("time_invalid"), detail).with("field", field)
}

pub(crate) fn time_zone_invalid() -> Problem {
    let detail = "tz must be the name of a time zone, such as America/Sao_Paulo or UTC";
    Problem::new(StatusCode::BAD_REQUEST, code!("time_zone_invalid"), detail)
}

pub(crate) fn transfer_of_other_accounts(id: ledger::TransferId) -> Problem {
    let detail = format!("transfer {id} is not a transfer of this account");
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code!("transfer_of_other_accounts"),
        detail,
    )
}

pub(crate) fn batch_empty() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("batch_empty"),
        "a batch must have at least one command",
    )
}

pub(crate) fn batch_too_large() -> Problem {
    let detail = ledger::BatchInvalid::TooLarge.to_string();
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code!("batch_too_large"),
        detail,
    )
}

pub(crate) fn batch_id_unexpected() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("batch_id_unexpected"),
        "only an atomic batch may have an id or an Idempotency-Key: otherwise each command has its own id",
    )
}

pub(crate) fn description_invalid(detail: &'static str) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code!("description_invalid"),
        detail,
    )
}

pub(crate) fn account_id_invalid(field: &'static str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("account_id_invalid"),
        "an account id must have 1 to 64 characters of A-Z a-z 0-9 _ . : -",
    )
    .with("field", field)
}

pub(crate) fn account_id_in_no_path(field: &'static str) -> Problem {
    let detail = "an account id cannot be `.` or `..`: no URL could name it";
    Problem {
        detail: detail.into(),
        ..account_id_invalid(field)
    }
}

pub(crate) fn currency_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("currency_invalid"),
        "currency must be an ISO 4217 code in capitals, such as BRL",
    )
    .with("field", "currency")
}

pub(crate) fn reference_invalid(invalid: &ledger::InvalidReference) -> Problem {
    let problem = Problem::new(
        StatusCode::BAD_REQUEST,
        code!("reference_invalid"),
        invalid.to_string(),
    );
    problem.with("field", "reference")
}

pub(crate) fn metadata_invalid(invalid: &ledger::InvalidMetadata) -> Problem {
    let problem = Problem::new(
        StatusCode::BAD_REQUEST,
        code!("metadata_invalid"),
        invalid.to_string(),
    );
    problem.with("field", "metadata")
}

pub(crate) fn id_invalid(field: &'static str) -> Problem {
    let detail =
        format!("{field} must be a hyphenated UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057");
    Problem::new(StatusCode::BAD_REQUEST, code!("id_invalid"), detail).with("field", field)
}

pub(crate) fn id_missing() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("id_missing"),
        "add an id to the body, or the header Idempotency-Key: with either it is safe to repeat the request",
    )
}

pub(crate) fn member_id_missing() -> Problem {
    Problem {
        detail:
            "add an id to the command: only in an atomic batch an id follows from that of the batch"
                .into(),
        ..id_missing()
    }
}

pub(crate) fn idempotency_key_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("idempotency_key_invalid"),
        "Idempotency-Key must be given once and have 1 to 255 visible ASCII characters",
    )
}

pub(crate) fn idempotency_key_conflict() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code!("idempotency_key_conflict"),
        "the body's id and the Idempotency-Key are different",
    )
}

pub(crate) fn account_not_found(account_id: &str) -> Problem {
    let detail = format!("account {account_id} does not exist");
    Problem::new(StatusCode::NOT_FOUND, code!("account_not_found"), detail)
        .with("account_id", account_id)
}

pub(crate) fn transfer_not_found(id: ledger::TransferId) -> Problem {
    let detail = format!("transfer {id} does not exist");
    Problem::new(StatusCode::NOT_FOUND, code!("transfer_not_found"), detail)
}

pub(crate) fn batch_not_found(id: ledger::BatchId) -> Problem {
    let detail = format!("no atomic batch has the id {id}");
    Problem::new(StatusCode::NOT_FOUND, code!("batch_not_found"), detail)
}

pub(crate) fn webhook_not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        code!("webhook_not_found"),
        "no endpoint of webhooks has this name: GET /v1/webhooks lists them",
    )
}

/// With why it does not send.
pub(crate) fn webhook_stopped(why: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, code!("webhook_stopped"), why)
}

/// With the name of the node that sends.
pub(crate) fn webhook_on_other_node(node: String) -> Problem {
    let detail = format!("the node {node} sends to this endpoint: send the request to it");
    let code = code!("webhook_on_other_node");
    Problem::new(StatusCode::CONFLICT, code, detail).with("node", node)
}

pub(crate) fn replay_position_invalid() -> Problem {
    Problem {
        detail: "after is no position of this ledger's events: use the `position` of an event or the `next` of a page that this ledger gave, or \"beginning\" for its first event"
            .into(),
        ..position_invalid()
    }
    .with("field", "after")
}

pub(crate) fn operation_not_found(id: ledger::TransferId) -> Problem {
    let detail = format!(
        "operation {id} is known neither to this node nor to the ledger; until it is applied, only the \
         node that accepted it knows it"
    );
    Problem::new(StatusCode::NOT_FOUND, code!("operation_not_found"), detail)
}

pub(crate) fn operations_not_served() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        code!("operations_not_served"),
        "this node does not accept operations: use POST /v1/transfers, which is applied at once",
    )
}

pub(crate) fn payment_amount_invalid() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code!("amount_out_of_range"),
        "amount must be a number from 0.01 to 90071992547409.91 with at most two decimals",
    )
    .with("field", "amount")
}

/// What a payment that was not accepted is answered: to accept payments is the one thing that an engine without
/// processors does not do.
pub(crate) fn of_payment_command(problem: Problem) -> Problem {
    match problem.code.as_str() {
        "not_supported" => no_processor(),
        _ => problem,
    }
}

fn no_processor() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        code!("no_processor"),
        "this ledger has no payment processor, or none that is paid in this currency; nothing was done",
    )
    .with("nothing_done", true)
}

pub(crate) fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        code!("internal_error"),
        "internal error: the log of the server has the cause",
    )
}

/// A whole answer to a request that cannot be read, or to a connection that is not taken: what is
/// sent right before closing.
pub(crate) fn of_connection(status: StatusCode) -> Vec<u8> {
    let problem = match status {
        StatusCode::REQUEST_TIMEOUT => request_timeout(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => headers_too_large(),
        StatusCode::URI_TOO_LONG => {
            Problem::new(status, code!("uri_too_long"), "path and query are too long")
        }
        StatusCode::SERVICE_UNAVAILABLE => Problem::new(
            status,
            code!("too_many_connections"),
            "too many connections are open; nothing was done",
        ),
        _ => Problem::new(
            status,
            code!("request_malformed"),
            "the head of the request is not valid HTTP",
        ),
    };
    let retry = match status {
        StatusCode::SERVICE_UNAVAILABLE => "retry-after: 1\r\n",
        _ => "",
    };
    let body = problem.to_json();
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\n{retry}connection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}
