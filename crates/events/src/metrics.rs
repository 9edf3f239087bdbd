//! The metrics of webhooks.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stdx::Metric;

use crate::config::EndpointName;

const ENDPOINT: &[&str] = &["endpoint"];

const TRIES: Metric = Metric::counter(
    "lastro_webhooks_tries_total",
    "Requests to the receiver that have ended, by whether it took the event: `delivered` or `failed`",
)
.by(&["endpoint", "outcome"]);
const DURATION: Metric = Metric::histogram(
    "lastro_webhooks_request_duration_seconds",
    "Duration of requests to the receiver, its answer included",
)
.in_seconds()
.by(ENDPOINT);
const WAITING: Metric = Metric::gauge(
    "lastro_webhooks_waiting",
    "Events in hand that are not delivered yet; at most 512, the others wait in the ledger",
)
.by(ENDPOINT);
const LAG: Metric = Metric::gauge(
    "lastro_webhooks_lag_seconds",
    "Age of the oldest event that is not delivered yet; 0 if there is none",
)
.in_seconds()
.by(ENDPOINT);
const DEAD_LETTERS: Metric = Metric::gauge(
    "lastro_webhooks_dead_letters",
    "Events that were given up and can be tried again",
)
.by(ENDPOINT);
const ACTIVE: Metric = Metric::gauge(
    "lastro_webhooks_active",
    "1 while events are sent to the endpoint, 0 while it is disabled or stopped",
)
.by(ENDPOINT);

/// Every metric of webhooks.
pub const METRICS: &[Metric] = &[TRIES, DURATION, WAITING, LAG, DEAD_LETTERS, ACTIVE];

/// The handles of one endpoint.
pub(crate) struct Meters {
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    pub(crate) duration: Histogram,
    pub(crate) waiting: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) dead_letters: Gauge,
    pub(crate) active: Gauge,
}

impl Meters {
    pub(crate) fn new(name: &EndpointName) -> Self {
        let tries =
            |outcome| counter!(TRIES.name, "endpoint" => name.to_string(), "outcome" => outcome);
        let of = |metric: Metric| gauge!(metric.name, "endpoint" => name.to_string());
        Self {
            delivered: tries("delivered"),
            failed: tries("failed"),
            duration: histogram!(DURATION.name, "endpoint" => name.to_string()),
            waiting: of(WAITING),
            lag: of(LAG),
            dead_letters: of(DEAD_LETTERS),
            active: of(ACTIVE),
        }
    }
}
