//! What every route asks of its callers: the matrix that the tests of keys walk through.

use server::Scope;

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    AnyKey,
    One(Scope),
    /// Its commands are of this scope; another one that commands need opens the door as well.
    Commands(Scope),
}

use Asks::{AnyKey, Commands, Nothing, One};

/// A route, what it asks for, what one who may is answered, and what one is answered whose accounts are
/// others.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) asks: Asks,
    pub(crate) answered: u16,
    pub(crate) narrow: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    asks: Asks,
    answered: u16,
    narrow: u16,
) -> Row {
    Row {
        method,
        path,
        asks,
        answered,
        narrow,
    }
}

pub(crate) const ROWS: [Row; 43] = [
    row(
        "POST",
        "/clientes/{id}/transacoes",
        One(Scope::Write),
        200,
        403,
    ),
    row("GET", "/clientes/{id}/extrato", One(Scope::Read), 200, 403),
    row("POST", "/payments", One(Scope::Write), 202, 403),
    row("GET", "/payments-summary", One(Scope::Read), 200, 403),
    row("POST", "/purge-payments", One(Scope::Operate), 200, 403),
    row("POST", "/v1/accounts", Commands(Scope::Write), 201, 403),
    row("GET", "/v1/accounts/{id}", One(Scope::Read), 200, 403),
    row("GET", "/v1/accounts", One(Scope::Read), 200, 200),
    row("GET", "/v1/balances", One(Scope::Read), 200, 200),
    row("PATCH", "/v1/accounts/{id}", One(Scope::Operate), 200, 403),
    row(
        "GET",
        "/v1/accounts/{id}/limits",
        One(Scope::Read),
        200,
        403,
    ),
    row(
        "GET",
        "/v1/accounts/{id}/balance",
        One(Scope::Read),
        200,
        403,
    ),
    row(
        "GET",
        "/v1/accounts/{id}/statement",
        One(Scope::Read),
        200,
        403,
    ),
    row("POST", "/v1/transfers", One(Scope::Write), 201, 403),
    row("GET", "/v1/transfers", One(Scope::Read), 200, 403),
    row("GET", "/v1/transfers/{id}", One(Scope::Read), 200, 403),
    row(
        "POST",
        "/v1/transfers/{id}/post",
        One(Scope::Write),
        201,
        403,
    ),
    row(
        "POST",
        "/v1/transfers/{id}/void",
        One(Scope::Write),
        201,
        403,
    ),
    row(
        "POST",
        "/v1/transfers/{id}/reverse",
        One(Scope::Write),
        201,
        403,
    ),
    row("POST", "/v1/batches", Commands(Scope::Write), 200, 403),
    row("GET", "/v1/batches/{id}", One(Scope::Read), 200, 403),
    // This face takes no operations, and says so first.
    row("POST", "/v1/operations", One(Scope::Write), 404, 404),
    row("GET", "/v1/operations/{id}", One(Scope::Read), 200, 403),
    row("POST", "/v1/payments", One(Scope::Write), 201, 403),
    // And it dispatches no payments.
    row("GET", "/v1/payments", One(Scope::Read), 501, 403),
    row("GET", "/v1/payments/{id}", One(Scope::Read), 200, 403),
    row(
        "POST",
        "/v1/payments/{id}/resolve",
        One(Scope::Operate),
        200,
        403,
    ),
    // And no processor of it sends callbacks.
    row("POST", "/v1/payments/{id}/callback", Nothing, 501, 501),
    // Who may use some accounts sees their events.
    row("GET", "/v1/events", One(Scope::Read), 200, 200),
    // And it has no webhooks.
    row("GET", "/v1/webhooks", One(Scope::Read), 501, 403),
    row(
        "GET",
        "/v1/webhooks/{name}/deliveries",
        One(Scope::Read),
        501,
        403,
    ),
    row(
        "POST",
        "/v1/webhooks/{name}/replay",
        One(Scope::Operate),
        501,
        403,
    ),
    row(
        "POST",
        "/v1/webhooks/{name}/retry",
        One(Scope::Operate),
        501,
        403,
    ),
    row(
        "POST",
        "/v1/webhooks/{name}/enable",
        One(Scope::Operate),
        501,
        403,
    ),
    row(
        "POST",
        "/v1/webhooks/{name}/disable",
        One(Scope::Operate),
        501,
        403,
    ),
    row("GET", "/healthz", Nothing, 200, 200),
    row("GET", "/", Nothing, 200, 200),
    row("GET", "/docs", Nothing, 200, 200),
    row("GET", "/docs/errors", Nothing, 200, 200),
    row("GET", "/readyz", Nothing, 200, 200),
    row("GET", "/openapi.json", AnyKey, 200, 200),
    row("GET", "/nowhere", AnyKey, 404, 404),
    row("DELETE", "/v1/transfers", AnyKey, 405, 405),
];
