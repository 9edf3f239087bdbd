//! What the engine says of itself to Prometheus.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};

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
        describe_counter!("lastro_remote_calls_total", "Writing calls to the ledger.");
        describe_counter!(
            "lastro_remote_calls_failed_total",
            "Writing calls to the ledger that were not answered."
        );
        describe_counter!(
            "lastro_remote_requests_total",
            "Requests that went in writing calls; by the calls: how many go together."
        );
        describe_counter!(
            "lastro_remote_retries_total",
            "Requests given again after a lost connection."
        );
        describe_histogram!(
            "lastro_remote_call_duration_seconds",
            Unit::Seconds,
            "A writing call to the ledger, from its start to its answer."
        );
        describe_gauge!("lastro_remote_calls", "Writing calls in flight.");
        describe_gauge!(
            "lastro_remote_queue_bytes",
            Unit::Bytes,
            "What waits for the next call."
        );
        describe_gauge!(
            "lastro_remote_up",
            "1 while the ledger is connected, else 0."
        );
        Self {
            calls: counter!("lastro_remote_calls_total"),
            calls_failed: counter!("lastro_remote_calls_failed_total"),
            requests: counter!("lastro_remote_requests_total"),
            retries: counter!("lastro_remote_retries_total"),
            call_seconds: histogram!("lastro_remote_call_duration_seconds"),
            in_flight: gauge!("lastro_remote_calls"),
            queue_bytes: gauge!("lastro_remote_queue_bytes"),
            up: gauge!("lastro_remote_up"),
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
