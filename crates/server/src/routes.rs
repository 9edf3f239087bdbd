//! The routes of the HTTP face: each path with its name in the metrics and its handler.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;

use crate::call::Answered;
use crate::handler::{Door, get_route, measured, patch_route, post_route, probe_route};
use crate::http_face::HttpFace;
use crate::keys::Caller;
use crate::late_app::LateApp;
use crate::measure::Route;
use crate::{challenge_2024, challenge_2025, codes, errors, openapi, pages, probes, v1};

/// Only the probes, for a process whose ledger is reached another way.
pub(crate) fn probes_of(app: LateApp) -> Router {
    with_fallbacks(probe_routes(), HttpFace::new(app))
}

/// Every route of the face.
pub(crate) fn router_of(app: LateApp) -> Router {
    let router = probe_routes()
        .merge(page_routes())
        .route(
            "/clientes/{id}/transacoes",
            post_route(Route::CHALLENGE_TRANSACTION, challenge_2024::transact),
        )
        .route(
            "/clientes/{id}/extrato",
            get_route(Route::CHALLENGE_STATEMENT, challenge_2024::statement),
        )
        .route(
            "/v1/accounts",
            post_route(Route::ACCOUNTS, v1::open_account)
                .merge(get_route(Route::ACCOUNTS, v1::accounts)),
        )
        .route(
            "/v1/accounts/{id}",
            get_route(Route::ACCOUNT, v1::account)
                .merge(patch_route(Route::ACCOUNT, v1::change_account)),
        )
        .route(
            "/v1/accounts/{id}/balance",
            get_route(Route::BALANCE, v1::balance),
        )
        .route(
            "/v1/accounts/{id}/limits",
            get_route(Route::LIMITS, v1::limits),
        )
        .route("/v1/balances", get_route(Route::BALANCES, v1::balances))
        .route(
            "/v1/accounts/{id}/statement",
            get_route(Route::STATEMENT, v1::statement),
        )
        .route(
            "/v1/transfers",
            post_route(Route::TRANSFERS, v1::transfer)
                .merge(get_route(Route::TRANSFERS, v1::transfers)),
        )
        .route(
            "/v1/transfers/{id}",
            get_route(Route::TRANSFER, v1::transfer_by_id),
        )
        .route(
            "/v1/transfers/{id}/post",
            post_route(Route::POST_PENDING, v1::post_pending),
        )
        .route(
            "/v1/transfers/{id}/void",
            post_route(Route::VOID_PENDING, v1::void_pending),
        )
        .route(
            "/v1/transfers/{id}/reverse",
            post_route(Route::REVERSE_TRANSFER, v1::reverse_transfer),
        )
        .route("/v1/batches", post_route(Route::BATCHES, v1::batch))
        .route("/v1/batches/{id}", get_route(Route::BATCH, v1::batch_by_id))
        .route("/v1/operations", post_route(Route::OPERATIONS, v1::operate))
        .route(
            "/v1/operations/{id}",
            get_route(Route::OPERATION, v1::operation_by_id),
        )
        .route(
            "/payments",
            post_route(Route::PAYMENTS, challenge_2025::pay),
        )
        .route(
            "/payments-summary",
            get_route(Route::PAYMENTS_SUMMARY, challenge_2025::summary),
        )
        .route(
            "/purge-payments",
            post_route(Route::PURGE_PAYMENTS, challenge_2025::purge),
        )
        .route(
            "/v1/payments",
            post_route(Route::V1_PAYMENTS, v1::make_payment)
                .merge(get_route(Route::V1_PAYMENTS, v1::list_payments)),
        )
        .route(
            "/v1/payments/{id}",
            get_route(Route::PAYMENT, v1::payment_by_id),
        )
        .route(
            "/v1/payments/{id}/resolve",
            post_route(Route::RESOLVE_PAYMENT, v1::resolve_payment),
        )
        .route(
            "/v1/payments/{id}/callback",
            post_route(Route::PAYMENT_CALLBACK, v1::payment_called_back),
        )
        .route("/v1/events", get_route(Route::EVENTS, v1::events))
        .merge(webhook_routes())
        .route(
            "/openapi.json",
            get_route(Route::OPENAPI, openapi::document),
        );
    with_fallbacks(router, HttpFace::new(app))
}

fn webhook_routes() -> Router<Arc<HttpFace>> {
    Router::new()
        .route("/v1/webhooks", get_route(Route::WEBHOOKS, v1::webhooks))
        .route(
            "/v1/webhooks/{name}/deliveries",
            get_route(Route::DELIVERIES, v1::deliveries),
        )
        .route(
            "/v1/webhooks/{name}/replay",
            post_route(Route::REPLAY_WEBHOOK, v1::replay_webhook),
        )
        .route(
            "/v1/webhooks/{name}/retry",
            post_route(Route::RETRY_WEBHOOK, v1::retry_webhook),
        )
        .route(
            "/v1/webhooks/{name}/enable",
            post_route(Route::ENABLE_WEBHOOK, v1::enable_webhook),
        )
        .route(
            "/v1/webhooks/{name}/disable",
            post_route(Route::DISABLE_WEBHOOK, v1::disable_webhook),
        )
}

fn probe_routes() -> Router<Arc<HttpFace>> {
    Router::new()
        .route("/healthz", probe_route(Route::HEALTH, probes::healthz))
        .route("/readyz", probe_route(Route::READINESS, probes::readyz))
}

/// What says how the server is used: answered from the first moment on, and without a key.
fn page_routes() -> Router<Arc<HttpFace>> {
    Router::new()
        .route("/", probe_route(Route::INDEX, pages::index))
        .route("/docs", probe_route(Route::DOCS, openapi::reference))
        .route(
            codes::ERRORS_PATH,
            probe_route(Route::DOCS_ERRORS, pages::error_codes),
        )
        .route(
            pages::STYLE_PATH,
            probe_route(Route::DOCS_STYLE, pages::style),
        )
}

fn with_fallbacks(router: Router<Arc<HttpFace>>, face: Arc<HttpFace>) -> Router {
    let no_route = Door::of(&Method::GET, Route::NONE);
    let no_method = Door::of(&Method::GET, Route::OTHER_METHOD);
    router
        .fallback(move |State(face), request| measured(face, no_route, request, not_found))
        .method_not_allowed_fallback(move |State(face), request| {
            measured(face, no_method, request, other_method)
        })
        .with_state(face)
}

async fn not_found(_: Arc<HttpFace>, _: Caller, _: Request) -> Answered {
    Err(errors::route_not_found())
}

async fn other_method(_: Arc<HttpFace>, _: Caller, _: Request) -> Answered {
    Err(errors::method_not_allowed())
}
