//! What a face is made of, and its routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use ledger::{Clock, Dispatching, Engine};
use outbox::Operations;

use crate::call::Call;
use crate::health::Health;
use crate::hosts::Hosts;
use crate::limits::Limits;
use crate::measure::{Answered, Metrics, Route, get_route, measured, patch_route, post_route};
use crate::room::Room;
use crate::{challenge_2024, challenge_2025, errors, openapi, probes, v1};

/// What a face answers from.
#[derive(Clone)]
pub struct App {
    /// The ledger.
    pub engine: Arc<dyn Engine>,
    /// Where operations are left to be applied later; `None` where none are taken.
    pub operations: Option<Arc<dyn Operations>>,
    /// Where payments are dispatched, as far as this process can ask; `None` where none are.
    pub dispatching: Option<Arc<dyn Dispatching>>,
    /// Where the time of answers comes from; the ledger's records carry the engine's own.
    pub clock: Arc<dyn Clock>,
    /// What `/readyz` says.
    pub health: Arc<dyn Health>,
    /// What a caller may take.
    pub limits: Limits,
    /// Which hosts requests may name.
    pub hosts: Hosts,
    /// Whether payments may be purged: for tests.
    pub is_purge_enabled: bool,
}

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) metrics: Metrics,
    pub(crate) bodies: Room,
    pub(crate) answers: Room,
}

impl App {
    fn into_shared(self) -> Arc<Shared> {
        Arc::new(Shared {
            metrics: Metrics::new(),
            bodies: Room::new(self.limits.bodies_bytes_max),
            answers: Room::new(self.limits.answers_bytes_max),
            app: self,
        })
    }

    /// Only the probes, for a process whose ledger is reached another way.
    pub(crate) fn into_probes(self) -> Router {
        Self::with_fallbacks(Self::probes(), self.into_shared())
    }

    pub(crate) fn into_router(self) -> Router {
        let router = Self::probes()
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
                post_route(Route::ACCOUNTS, v1::open_account),
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
                "/v1/accounts/{id}/statement",
                get_route(Route::STATEMENT, v1::statement),
            )
            .route("/v1/transfers", post_route(Route::TRANSFERS, v1::transfer))
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
            .route("/v1/batches", post_route(Route::BATCHES, v1::batch))
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
                get_route(Route::UNSETTLED_PAYMENTS, v1::unsettled_payments),
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
                "/openapi.json",
                get_route(Route::OPENAPI, openapi::document),
            );
        Self::with_fallbacks(router, self.into_shared())
    }

    fn probes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/healthz", get_route(Route::HEALTH, probes::healthz))
            .route("/readyz", get_route(Route::READINESS, probes::readyz))
    }

    fn with_fallbacks(router: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
        router
            .fallback(|State(shared), request| measured(shared, Route::NONE, request, not_found))
            .method_not_allowed_fallback(|State(shared), request| {
                measured(shared, Route::OTHER_METHOD, request, other_method)
            })
            .with_state(shared)
    }
}

async fn not_found(_: Call, _: Request) -> Answered {
    Err(errors::route_not_found())
}

async fn other_method(_: Call, _: Request) -> Answered {
    Err(errors::method_not_allowed())
}
