//! The metrics of the outbox.

use std::time::Duration;

use ledger::{Outcome, Timestamp, Unavailable};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stdx::Metric;

use crate::queue::Queue;

/// Every metric of the outbox.
pub const METRICS: &[Metric] = &[
    ACCEPTED,
    APPLIED,
    REFUSED,
    RETRIES,
    DEPTH,
    OLDEST_AGE,
    BYTES,
    COMMIT_DURATION,
    FRAME_OPERATIONS,
    BATCH_OPERATIONS,
];

const ACCEPTED: Metric = Metric::counter(
    "lastro_outbox_accepted_total",
    "Operations that this node has made durable",
);
const APPLIED: Metric = Metric::counter(
    "lastro_outbox_applied_total",
    "Operations that the ledger has recorded, including those that it had recorded before",
);
const REFUSED: Metric = Metric::counter(
    "lastro_outbox_refused_total",
    "Operations that the ledger has refused, by the code of the refusal",
)
.by(&["code"]);
const RETRIES: Metric = Metric::counter(
    "lastro_outbox_retries_total",
    "Batches that the ledger did not answer, by the code of the reason; each is sent again",
)
.by(&["code"]);
const DEPTH: Metric = Metric::gauge("lastro_outbox_depth", "Operations in the queue");
const OLDEST_AGE: Metric = Metric::gauge(
    "lastro_outbox_oldest_age_seconds",
    "Age of the oldest operation in the queue; 0 if the queue is empty",
)
.in_seconds();
const BYTES: Metric =
    Metric::gauge("lastro_outbox_bytes", "Size of the outbox on the disk").in_bytes();
const COMMIT_DURATION: Metric = Metric::histogram(
    "lastro_outbox_commit_duration_seconds",
    "Duration of one write and one sync of accepted operations",
)
.in_seconds();
const FRAME_OPERATIONS: Metric = Metric::histogram(
    "lastro_outbox_frame_operations",
    "Operations that were made durable together",
);
const BATCH_OPERATIONS: Metric = Metric::histogram(
    "lastro_outbox_batch_operations",
    "Operations that were applied together",
);

/// Handles that are looked up once.
pub(crate) struct Metrics {
    accepted: Counter,
    depth: Gauge,
    oldest_age: Gauge,
    bytes: Gauge,
    commit_seconds: Histogram,
    frame_operations: Histogram,
    batch_operations: Histogram,
    applied: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        stdx::describe_metrics!(METRICS);
        Self {
            accepted: counter!(ACCEPTED.name),
            depth: gauge!(DEPTH.name),
            oldest_age: gauge!(OLDEST_AGE.name),
            bytes: gauge!(BYTES.name),
            commit_seconds: histogram!(COMMIT_DURATION.name),
            frame_operations: histogram!(FRAME_OPERATIONS.name),
            batch_operations: histogram!(BATCH_OPERATIONS.name),
            applied: counter!(APPLIED.name),
        }
    }

    pub(crate) fn accepted(&self, operations_count: usize, elapsed: Duration) {
        self.accepted.increment(operations_count as u64);
        self.commit_seconds.record(elapsed);
        self.frame_operations.record(count(operations_count));
    }

    pub(crate) fn queue(&self, queue: &Queue, now: Timestamp) {
        self.depth.set(count(queue.len()));
        let age = queue.oldest().map_or(Duration::ZERO, |oldest| {
            Duration::from_nanos(now.as_nanos().saturating_sub(oldest.accepted.as_nanos()))
        });
        self.oldest_age.set(age.as_secs_f64());
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a disk has far fewer than 2^52 bytes"
    )]
    pub(crate) fn bytes(&self, bytes: u64) {
        self.bytes.set(bytes as f64);
    }

    pub(crate) fn batch(&self, outcomes: &[Outcome]) {
        self.batch_operations.record(count(outcomes.len()));
        let refusals = outcomes.iter().filter(|outcome| outcome.result.is_err());
        let mut refused_count = 0;
        for refusal in refusals {
            refused_count += 1;
            counter!(REFUSED.name, "code" => refusal.code()).increment(1);
        }
        self.applied
            .increment(outcomes.len() as u64 - refused_count);
    }

    #[expect(
        clippy::unused_self,
        reason = "beside the others; its label is known only now"
    )]
    pub(crate) fn retry(&self, unavailable: Unavailable) {
        counter!(RETRIES.name, "code" => unavailable.code()).increment(1);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory holds far fewer than 2^52 operations"
)]
const fn count(operations: usize) -> f64 {
    operations as f64
}
