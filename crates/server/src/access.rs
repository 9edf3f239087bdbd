//! What each route asks of its callers, where keys are asked for: the one table.
//!
//! The router takes what it asks from here, and so does the OpenAPI document. A route without a line
//! stops every test that starts a face.

use axum::http::Method;

use crate::keys::{Access, Scope};
use crate::measure::Route;

/// A route under one method, and what it asks. GET stands for HEAD too.
type Line = (Method, Route, Access);

const READ: Access = Access::Scope(Scope::Read);
const WRITE: Access = Access::Scope(Scope::Write);
const OPERATE: Access = Access::Scope(Scope::Operate);

pub(crate) const ACCESS: [Line; 44] = [
    (Method::POST, Route::CHALLENGE_TRANSACTION, WRITE),
    (Method::GET, Route::CHALLENGE_STATEMENT, READ),
    (Method::POST, Route::PAYMENTS, WRITE),
    (Method::GET, Route::PAYMENTS_SUMMARY, READ),
    (Method::POST, Route::PURGE_PAYMENTS, OPERATE),
    // With credit it needs the scope `operate`.
    (Method::POST, Route::ACCOUNTS, Access::Commands),
    (Method::GET, Route::ACCOUNT, READ),
    (Method::PATCH, Route::ACCOUNT, OPERATE),
    (Method::GET, Route::STATEMENT, READ),
    (Method::GET, Route::BALANCE, READ),
    (Method::GET, Route::LIMITS, READ),
    (Method::POST, Route::TRANSFERS, WRITE),
    // A key that is bound to accounts is shown only what is about them.
    (Method::GET, Route::TRANSFERS, READ),
    (Method::GET, Route::TRANSFER, READ),
    (Method::POST, Route::POST_PENDING, WRITE),
    (Method::POST, Route::VOID_PENDING, WRITE),
    (Method::POST, Route::REVERSE_TRANSFER, WRITE),
    (Method::POST, Route::BATCHES, Access::Commands),
    (Method::POST, Route::OPERATIONS, WRITE),
    (Method::GET, Route::OPERATION, READ),
    (Method::POST, Route::V1_PAYMENTS, WRITE),
    (Method::GET, Route::V1_PAYMENTS, READ),
    (Method::GET, Route::PAYMENT, READ),
    (Method::POST, Route::RESOLVE_PAYMENT, OPERATE),
    // Its signature shows who sent it.
    (Method::POST, Route::PAYMENT_CALLBACK, Access::Open),
    // A key that is bound to accounts is shown only those.
    (Method::GET, Route::ACCOUNTS, READ),
    (Method::GET, Route::BALANCES, READ),
    (Method::GET, Route::BATCH, READ),
    // A key whose accounts are limited sees their events only.
    (Method::GET, Route::EVENTS, READ),
    // For keys for all accounts.
    (Method::GET, Route::WEBHOOKS, READ),
    (Method::GET, Route::DELIVERIES, READ),
    (Method::POST, Route::REPLAY_WEBHOOK, OPERATE),
    (Method::POST, Route::RETRY_WEBHOOK, OPERATE),
    (Method::POST, Route::ENABLE_WEBHOOK, OPERATE),
    (Method::POST, Route::DISABLE_WEBHOOK, OPERATE),
    (Method::GET, Route::HEALTH, Access::Open),
    (Method::GET, Route::READINESS, Access::Open),
    (Method::GET, Route::OPENAPI, Access::AnyKey),
    // Pages about the API, which show nothing of the ledger.
    (Method::GET, Route::INDEX, Access::Open),
    (Method::GET, Route::DOCS, Access::Open),
    (Method::GET, Route::DOCS_ERRORS, Access::Open),
    (Method::GET, Route::DOCS_STYLE, Access::Open),
    // No route: who has no key does not learn which there are.
    (Method::GET, Route::NONE, Access::AnyKey),
    (Method::GET, Route::OTHER_METHOD, Access::AnyKey),
];

/// What a route asks under a method.
pub(crate) fn of(method: &Method, route: Route) -> Access {
    let mut lines = ACCESS.iter();
    let line = lines.find(|(of_method, of_route, _)| of_method == method && *of_route == route);
    match line {
        Some((_, _, access)) => *access,
        None => unreachable!(
            "each route has a line in the table: {method} {}",
            route.label()
        ),
    }
}

/// Whether a route is of one of the challenges, which `--open-challenge` opens.
pub(crate) fn is_of_challenge(route: Route) -> bool {
    [
        Route::CHALLENGE_TRANSACTION,
        Route::CHALLENGE_STATEMENT,
        Route::PAYMENTS,
        Route::PAYMENTS_SUMMARY,
        Route::PURGE_PAYMENTS,
    ]
    .contains(&route)
}
