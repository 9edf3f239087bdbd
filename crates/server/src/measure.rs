//! What is counted of the HTTP face: requests by route, method and status, and outcomes of commands.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use ledger::{CommandKind, Outcome, Refusal};
use metrics::{Counter, Histogram};

use crate::metrics::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, OUTCOMES};
use crate::table::CounterTable;

/// A route's name in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route(usize);

macro_rules! routes {
    ($($name:ident = $label:literal;)*) => {
        impl Route {
            const LABELS: &'static [&'static str] = &[$($label),*];
            routes!(@constants 0usize; $($name)*);

            /// The path, as the router has it, or what stands for no path.
            pub(crate) const fn label(self) -> &'static str {
                Self::LABELS[self.0]
            }
        }
    };
    (@constants $index:expr; $name:ident $($rest:ident)*) => {
        pub(crate) const $name: Self = Self($index);
        routes!(@constants $index + 1; $($rest)*);
    };
    (@constants $index:expr;) => {
        const COUNT: usize = $index;
    };
}

routes! {
    CHALLENGE_TRANSACTION = "/clientes/{id}/transacoes";
    CHALLENGE_STATEMENT = "/clientes/{id}/extrato";
    PAYMENTS = "/payments";
    PAYMENTS_SUMMARY = "/payments-summary";
    PURGE_PAYMENTS = "/purge-payments";
    ACCOUNTS = "/v1/accounts";
    ACCOUNT = "/v1/accounts/{id}";
    STATEMENT = "/v1/accounts/{id}/statement";
    BALANCE = "/v1/accounts/{id}/balance";
    LIMITS = "/v1/accounts/{id}/limits";
    BALANCES = "/v1/balances";
    TRANSFERS = "/v1/transfers";
    TRANSFER = "/v1/transfers/{id}";
    POST_PENDING = "/v1/transfers/{id}/post";
    VOID_PENDING = "/v1/transfers/{id}/void";
    REVERSE_TRANSFER = "/v1/transfers/{id}/reverse";
    BATCHES = "/v1/batches";
    BATCH = "/v1/batches/{id}";
    OPERATIONS = "/v1/operations";
    OPERATION = "/v1/operations/{id}";
    V1_PAYMENTS = "/v1/payments";
    PAYMENT = "/v1/payments/{id}";
    RESOLVE_PAYMENT = "/v1/payments/{id}/resolve";
    PAYMENT_CALLBACK = "/v1/payments/{id}/callback";
    EVENTS = "/v1/events";
    WEBHOOKS = "/v1/webhooks";
    DELIVERIES = "/v1/webhooks/{name}/deliveries";
    REPLAY_WEBHOOK = "/v1/webhooks/{name}/replay";
    RETRY_WEBHOOK = "/v1/webhooks/{name}/retry";
    ENABLE_WEBHOOK = "/v1/webhooks/{name}/enable";
    DISABLE_WEBHOOK = "/v1/webhooks/{name}/disable";
    HEALTH = "/healthz";
    READINESS = "/readyz";
    OPENAPI = "/openapi.json";
    INDEX = "/";
    DOCS = "/docs";
    DOCS_ERRORS = "/docs/errors";
    DOCS_STYLE = "/docs/style.css";
    NONE = "none";
    OTHER_METHOD = "other_method";
}

/// The methods by their index; see [`method_index`].
pub(crate) const METHODS: [&str; 5] = ["GET", "POST", "HEAD", "PATCH", "other"];
const STATUSES: [StatusCode; 19] = [
    StatusCode::OK,
    StatusCode::CREATED,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::NOT_FOUND,
    StatusCode::BAD_REQUEST,
    StatusCode::CONFLICT,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::URI_TOO_LONG,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::ACCEPTED,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::UNAUTHORIZED,
    StatusCode::TOO_MANY_REQUESTS,
];

/// The face's metrics, as handles of the recorder installed when the face was made.
pub(crate) struct Metrics {
    requests: CounterTable<{ Route::COUNT }>,
    /// Each is made when its route is used for the first time.
    durations: [OnceLock<Histogram>; Route::COUNT],
    outcomes: Outcomes,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: CounterTable::new(METHODS.len() * STATUSES.len()),
            durations: [const { OnceLock::new() }; Route::COUNT],
            outcomes: Outcomes::new(),
        }
    }

    pub(crate) fn count_request(
        &self,
        route: Route,
        method: usize,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let column = STATUSES
            .iter()
            .position(|known| *known == status)
            .map(|index| method * STATUSES.len() + index);
        self.requests.add(Some(route.0), column, 1, || {
            request_counter(route, method, status)
        });
        let duration = self.durations[route.0].get_or_init(
            || metrics::histogram!(HTTP_REQUEST_DURATION.name, "route" => route.label()),
        );
        duration.record(elapsed);
    }

    pub(crate) fn count_outcome(&self, command: &'static str, outcome: &Outcome) {
        self.outcomes.count(command, outcome, 1);
    }
}

/// Counters of outcomes, by command and code.
pub(crate) struct Outcomes(CounterTable<{ CommandKind::ALL.len() }>);

impl Outcomes {
    pub(crate) fn new() -> Self {
        Self(CounterTable::new(2 + Refusal::CODES.len()))
    }

    /// Counts so many outcomes like this one.
    pub(crate) fn count(&self, command: &'static str, outcome: &Outcome, count: u64) {
        let code = outcome.code();
        let row = CommandKind::ALL
            .iter()
            .position(|kind| kind.name() == command);
        let column = match code {
            "created" => Some(0),
            "exists" => Some(1),
            refusal => Refusal::CODES
                .iter()
                .position(|known| *known == refusal)
                .map(|index| index + 2),
        };
        self.0.add(
            row,
            column,
            count,
            || metrics::counter!(OUTCOMES.name, "command" => command, "code" => code),
        );
    }
}

fn request_counter(route: Route, method: usize, status: StatusCode) -> Counter {
    metrics::counter!(
        HTTP_REQUESTS.name,
        "route" => route.label(),
        "method" => METHODS[method],
        "status" => status.as_u16().to_string()
    )
}

pub(crate) fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::HEAD => 2,
        Method::PATCH => 3,
        _ => 4,
    }
}
