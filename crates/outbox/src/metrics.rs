//! What the outbox says of itself to Prometheus.

use std::time::Duration;

use ledger::{Outcome, Timestamp, Unavailable};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::queue::Queue;

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
        describe();
        Self {
            accepted: counter!("lastro_outbox_accepted_total"),
            depth: gauge!("lastro_outbox_depth"),
            oldest_age: gauge!("lastro_outbox_oldest_age_seconds"),
            bytes: gauge!("lastro_outbox_bytes"),
            commit_seconds: histogram!("lastro_outbox_commit_duration_seconds"),
            frame_operations: histogram!("lastro_outbox_frame_operations"),
            batch_operations: histogram!("lastro_outbox_batch_operations"),
            applied: counter!("lastro_outbox_applied_total"),
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
            counter!("lastro_outbox_refused_total", "code" => refusal.code()).increment(1);
        }
        self.applied
            .increment(outcomes.len() as u64 - refused_count);
    }

    #[expect(
        clippy::unused_self,
        reason = "beside the others; its label is known only now"
    )]
    pub(crate) fn retry(&self, unavailable: Unavailable) {
        counter!("lastro_outbox_retries_total", "code" => unavailable.code()).increment(1);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory holds far fewer than 2^52 operations"
)]
const fn count(operations: usize) -> f64 {
    operations as f64
}

fn describe() {
    describe_counter!(
        "lastro_outbox_accepted_total",
        "Operations made durable here."
    );
    describe_counter!(
        "lastro_outbox_applied_total",
        "Operations that the ledger recorded, now or before."
    );
    describe_counter!(
        "lastro_outbox_refused_total",
        "Operations that the ledger refused, by the refusal's code."
    );
    describe_counter!(
        "lastro_outbox_retries_total",
        "Micro-batches that the ledger did not answer, by why; each is given again."
    );
    describe_gauge!("lastro_outbox_depth", "Operations that are queued.");
    describe_gauge!(
        "lastro_outbox_oldest_age_seconds",
        Unit::Seconds,
        "How long the oldest queued operation has waited; 0 when none does."
    );
    describe_gauge!(
        "lastro_outbox_bytes",
        Unit::Bytes,
        "What the outbox takes on the disk."
    );
    describe_histogram!(
        "lastro_outbox_commit_duration_seconds",
        Unit::Seconds,
        "One write and one sync of accepted operations."
    );
    describe_histogram!(
        "lastro_outbox_frame_operations",
        "Operations that were made durable together."
    );
    describe_histogram!(
        "lastro_outbox_batch_operations",
        "Operations that were applied together."
    );
}
