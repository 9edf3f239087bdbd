//! The metrics of both faces and of what operators do.

use stdx::Metric;

/// Every metric of the server.
pub const METRICS: &[Metric] = &[
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_REFUSED,
    HTTP_CONNECTIONS_LEFT,
    GRPC_CALLS,
    GRPC_CALL_DURATION,
    GRPC_DENIED,
    GRPC_CONNECTIONS,
    GRPC_CONNECTIONS_REFUSED,
    GRPC_CONNECTIONS_LEFT,
    OUTCOMES,
    PURGES,
    PURGED,
    RESOLVED,
    RESOLUTIONS_REPEATED,
    KEYS_REFUSED,
];

pub(crate) const HTTP_REQUESTS: Metric = Metric::counter(
    "lastro_http_requests_total",
    "Requests answered, by route, method and status",
)
.by(&["route", "method", "status"]);
pub(crate) const HTTP_REQUEST_DURATION: Metric = Metric::histogram(
    "lastro_http_request_duration_seconds",
    "Time from the head of a request to its answer, by route",
)
.in_seconds()
.by(&["route"]);
pub(crate) const HTTP_CONNECTIONS: Metric =
    Metric::gauge("lastro_http_connections", "Connections that are open");
pub(crate) const HTTP_CONNECTIONS_REFUSED: Metric = Metric::counter(
    "lastro_http_connections_refused_total",
    "Connections refused because too many were open",
);
pub(crate) const HTTP_CONNECTIONS_LEFT: Metric = Metric::counter(
    "lastro_http_connections_left_total",
    "Idle connections that were closed to make room for new ones",
);
pub(crate) const GRPC_CALLS: Metric = Metric::counter(
    "lastro_grpc_calls_total",
    "gRPC calls answered, by method and status",
)
.by(&["method", "status"]);
pub(crate) const GRPC_CALL_DURATION: Metric = Metric::histogram(
    "lastro_grpc_call_duration_seconds",
    "Time from the head of a gRPC call to its answer, by method",
)
.in_seconds()
.by(&["method"]);
pub(crate) const GRPC_DENIED: Metric = Metric::counter(
    "lastro_grpc_denied_total",
    "gRPC calls denied because callers may not send one of their commands, by that command",
)
.by(&["command"]);
pub(crate) const GRPC_CONNECTIONS: Metric =
    Metric::gauge("lastro_grpc_connections", "gRPC connections that are open");
pub(crate) const GRPC_CONNECTIONS_REFUSED: Metric = Metric::counter(
    "lastro_grpc_connections_refused_total",
    "gRPC connections refused because too many were open",
);
pub(crate) const GRPC_CONNECTIONS_LEFT: Metric = Metric::counter(
    "lastro_grpc_connections_left_total",
    "Idle gRPC connections that were closed to make room for new ones",
);
pub(crate) const OUTCOMES: Metric = Metric::counter(
    "lastro_outcomes_total",
    "Outcomes of commands, by the command and by `created`, `exists` or the code of the refusal",
)
.by(&["command", "code"]);
pub(crate) const PURGES: Metric = Metric::counter(
    "lastro_payments_purges_total",
    "Purges of all waiting payments",
);
pub(crate) const PURGED: Metric = Metric::counter(
    "lastro_payments_purged_total",
    "Payments that a purge gave up",
);
pub(crate) const RESOLVED: Metric = Metric::counter(
    "lastro_payments_resolved_total",
    "Payments that an operator resolved, by the resolution",
)
.by(&["resolution"]);
pub(crate) const RESOLUTIONS_REPEATED: Metric = Metric::counter(
    "lastro_payments_resolutions_repeated_total",
    "Resolutions that were already recorded, by this request or an earlier one, by the resolution",
)
.by(&["resolution"]);
pub(crate) const KEYS_REFUSED: Metric = Metric::counter(
    "lastro_keys_refused_total",
    "Requests that were not admitted because of their key, or for want of one, by the reason",
)
.by(&["reason"]);
