//! The metrics of this engine.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stdx::Metric;

/// Every metric of this engine.
pub const METRICS: &[Metric] = &[
    CALLS,
    CALLS_FAILED,
    REQUESTS,
    RETRIES,
    CALL_DURATION,
    CALLS_IN_FLIGHT,
    QUEUE_BYTES,
    UP,
];

const CALLS: Metric = Metric::counter(
    "lastro_remote_calls_total",
    "Calls to the ledger node that write",
);
const CALLS_FAILED: Metric = Metric::counter(
    "lastro_remote_calls_failed_total",
    "Calls to the ledger node that write and were not answered",
);
const REQUESTS: Metric = Metric::counter(
    "lastro_remote_requests_total",
    "Requests in calls that write; divided by the number of calls it is how many are sent together",
);
const RETRIES: Metric = Metric::counter(
    "lastro_remote_retries_total",
    "Requests that were sent again after a lost connection",
);
const CALL_DURATION: Metric = Metric::histogram(
    "lastro_remote_call_duration_seconds",
    "Duration of a call that writes, from its start to its answer",
)
.in_seconds();
const CALLS_IN_FLIGHT: Metric = Metric::gauge(
    "lastro_remote_calls",
    "Calls that write and are in progress",
);
const QUEUE_BYTES: Metric = Metric::gauge(
    "lastro_remote_queue_bytes",
    "Size of the requests that wait for the next call",
)
.in_bytes();
const UP: Metric = Metric::gauge(
    "lastro_remote_up",
    "1 while the ledger node is connected, otherwise 0",
);

/// Handles that are looked up once.
pub(crate) struct Metrics {
    calls: Counter,
    calls_failed: Counter,
    requests: Counter,
    retries: Counter,
    call_seconds: Histogram,
    in_flight: Gauge,
    queue_bytes: Gauge,
    up: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        stdx::describe_metrics!(METRICS);
        Self {
            calls: counter!(CALLS.name),
            calls_failed: counter!(CALLS_FAILED.name),
            requests: counter!(REQUESTS.name),
            retries: counter!(RETRIES.name),
            call_seconds: histogram!(CALL_DURATION.name),
            in_flight: gauge!(CALLS_IN_FLIGHT.name),
            queue_bytes: gauge!(QUEUE_BYTES.name),
            up: gauge!(UP.name),
        }
    }

    pub(crate) fn call_starts(&self, requests_count: usize, queue_bytes: usize) {
        self.calls.increment(1);
        self.requests.increment(requests_count as u64);
        self.in_flight.increment(1.0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the queue is bounded far below 2^52"
        )]
        self.queue_bytes.set(queue_bytes as f64);
    }

    pub(crate) fn call_ends(&self, answered: bool, elapsed: Duration) {
        self.in_flight.decrement(1.0);
        self.call_seconds.record(elapsed);
        if !answered {
            self.calls_failed.increment(1);
        }
    }

    pub(crate) fn retried(&self, requests_count: usize) {
        self.retries.increment(requests_count as u64);
    }

    pub(crate) fn up(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }
}
