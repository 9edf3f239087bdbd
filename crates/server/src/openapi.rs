//! The OpenAPI document, from the handlers and bodies themselves.
//!
//! `docs/openapi.json` is its golden copy; a test fails when the two differ.

mod examples;
mod operations;
pub(crate) mod responses;
mod security;
mod shape;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use hyper::body::Bytes;
use utoipa::OpenApi;

use self::examples::Examples;
use self::responses::Problems;
use self::security::Security;
use self::shape::Shape;
use crate::call::{Answered, Call};
use crate::http_face::HttpFace;
use crate::probes::Status;
use crate::problem::ProblemBody;
use crate::{challenge_2024, challenge_2025, pages, probes, v1};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lastro",
        description = "A durable ledger. Amounts are integers in minor units. Errors are problem \
            bodies (RFC 9457) whose `code` is stable. In addition to what a route lists, \
            every route can answer 400 (`host_invalid`: no host, or two), 403 \
            (`cross_site_request`: sent by a page of another site), 404 and 405 (no such \
            path or method), 408 (the request came too slowly), 414 and 431 (path or \
            headers too long), 421 (`host_not_served`), 500, 503 and 504; those with a \
            body also 413 (too large) and 415 (not `application/json`). While the server \
            opens its ledger, every route but the probes and the pages answers 503 (`opening`, with \
            `Retry-After`). Where the server asks for keys, every route but these can answer 401 \
            (`unauthenticated`), 403 (`scope_missing` with the `scope`, `account_not_allowed` with the \
            `account_id`) and 429 (`rate_limited`, with `Retry-After`); nothing was done then.",
        version = "1"
    ),
    servers((url = "/", description = "The server that this document comes from")),
    tags(
        (name = "accounts", description = "Open, read, limit and close accounts; their balances and statements."),
        (name = "transfers", description = "Move money at once, or reserve it and end that later."),
        (name = "batches", description = "Many commands in one request, each alone or all or none."),
        (name = "operations", description = "Transfers that are accepted now and applied later."),
        (name = "payments", description = "Pay through a processor, exactly once; look at payments, and decide what only an operator can."),
        (name = "events", description = "Everything that was decided, in order, from any position."),
        (name = "webhooks", description = "The endpoints that events are sent to, and what became of each delivery."),
        (name = "challenge 2024", description = "The routes of the 2024 challenge, over the accounts 1 to 5."),
        (name = "challenge 2025", description = "The routes of the 2025 challenge: payments through processors."),
        (name = "probes", description = "Whether the process lives, and whether requests should be sent to it."),
        (name = "pages", description = "Pages for people. They need no key and show nothing of the ledger.")
    ),
    paths(
        v1::open_account,
        v1::account,
        v1::change_account,
        v1::balance,
        v1::statement,
        v1::transfer,
        v1::transfers,
        v1::transfer_by_id,
        v1::post_pending,
        v1::void_pending,
        v1::reverse_transfer,
        v1::batch,
        v1::operate,
        v1::operation_by_id,
        v1::make_payment,
        v1::list_payments,
        v1::payment_by_id,
        v1::resolve_payment,
        v1::payment_called_back,
        v1::accounts,
        v1::limits,
        v1::balances,
        v1::batch_by_id,
        v1::events,
        v1::webhooks,
        v1::deliveries,
        v1::replay_webhook,
        v1::retry_webhook,
        v1::enable_webhook,
        v1::disable_webhook,
        challenge_2024::transact,
        challenge_2024::statement,
        challenge_2025::pay,
        challenge_2025::summary,
        challenge_2025::purge,
        probes::healthz,
        probes::readyz,
        pages::index,
        reference,
        pages::error_codes
    ),
    components(schemas(
        v1::OpenAccountRequest,
        v1::ChangeAccountRequest,
        v1::TransferRequest,
        v1::TransferBody,
        v1::SplitTransferRequest,
        v1::SplitRequest,
        v1::MovedView,
        v1::PostRequest,
        v1::ReverseRequest,
        v1::VoidRequest,
        v1::BatchRequest,
        v1::CommandRequest,
        v1::AccountView,
        v1::AccountsPageView,
        v1::BalanceView,
        v1::LimitsPageView,
        v1::LimitView,
        v1::BalancesPageView,
        v1::AccountBalanceView,
        v1::CurrencyTotalView,
        v1::BatchView,
        v1::BatchFailedView,
        v1::DecidedBatchView,
        v1::OutcomeView,
        v1::TransferView,
        v1::TransfersPageView,
        v1::OperationView,
        v1::StatementView,
        challenge_2024::TransactionRequest,
        challenge_2024::TransactionAnswer,
        challenge_2024::StatementBody,
        v1::MakePaymentRequest,
        v1::PaymentView,
        v1::PaymentsPageView,
        v1::ResolveRequest,
        v1::EventPageView,
        v1::WebhooksView,
        v1::EndpointView,
        v1::DeliveriesView,
        v1::ReplayRequest,
        challenge_2025::PaymentRequest,
        challenge_2025::SummaryView,
        challenge_2025::SummaryOfProcessor,
        challenge_2025::PurgeView,
        ProblemBody,
        Status,
        pages::IndexView
    )),
    modifiers(&Shape, &Problems, &Security, &Examples)
)]
struct Document;

/// The OpenAPI document of the HTTP face, as `GET /openapi.json` answers it.
#[must_use]
pub fn openapi_json() -> String {
    let text = Document::openapi().to_pretty_json();
    let mut text = text.expect("plain data, written to memory");
    text.push('\n');
    text
}

/// `GET /openapi.json`
pub(crate) async fn document(_: Call, _: Request) -> Answered {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let bytes = DOCUMENT.get_or_init(|| Bytes::from(openapi_json()));
    let mut response = Response::new(Body::from(bytes.clone()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Shows the reference of the API, made from this document.
#[utoipa::path(
    get, path = "/docs", tag = "pages",
    responses((status = 200, description = "A page", content_type = "text/html", body = String))
)]
pub(crate) async fn reference(_: Arc<HttpFace>, _: Request) -> Answered {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let page = PAGE.get_or_init(|| {
        let document = serde_json::to_value(Document::openapi());
        let document = document.expect("plain data, written to memory");
        pages::reference_of(&document)
    });
    Ok(pages::html(page))
}
