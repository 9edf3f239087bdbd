//! What the engine says of itself to Prometheus.

use std::time::Duration;

use journal::FrameInfo;
use ledger::{Expiries, Timestamp};
use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, gauge};
use metrics::{Unit, describe_histogram, histogram};

/// Handles that are looked up once.
pub(crate) struct Metrics {
    frames: Counter,
    records: Counter,
    bytes: Counter,
    commit_seconds: Histogram,
    frame_records: Histogram,
    queue_bytes: Gauge,
    expired: Counter,
    pending_timed: Gauge,
    expiry_lag_seconds: Gauge,
    clock_ahead_seconds: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_counter!("lastro_journal_frames_total", "Frames written and synced.");
        describe_counter!(
            "lastro_journal_records_total",
            "Records written and synced."
        );
        describe_counter!(
            "lastro_journal_bytes_total",
            Unit::Bytes,
            "Bytes written and synced."
        );
        describe_histogram!(
            "lastro_journal_commit_duration_seconds",
            Unit::Seconds,
            "One write and one sync of a frame."
        );
        describe_histogram!("lastro_journal_frame_records", "Records in a frame.");
        describe_gauge!(
            "lastro_queue_bytes",
            Unit::Bytes,
            "What waits for the writer."
        );
        describe_counter!("lastro_expiries_total", "Pending transfers that expired.");
        describe_gauge!(
            "lastro_pending_timed_transfers",
            "Pending transfers that have a time."
        );
        describe_gauge!(
            "lastro_expiry_lag_seconds",
            Unit::Seconds,
            "For how long the oldest due pending transfer has waited to be expired."
        );
        describe_gauge!(
            "lastro_clock_ahead_seconds",
            Unit::Seconds,
            "How far the clock is ahead of what was expected while it is not believed; else 0."
        );
        Self {
            frames: counter!("lastro_journal_frames_total"),
            records: counter!("lastro_journal_records_total"),
            bytes: counter!("lastro_journal_bytes_total"),
            commit_seconds: histogram!("lastro_journal_commit_duration_seconds"),
            frame_records: histogram!("lastro_journal_frame_records"),
            queue_bytes: gauge!("lastro_queue_bytes"),
            expired: counter!("lastro_expiries_total"),
            pending_timed: gauge!("lastro_pending_timed_transfers"),
            expiry_lag_seconds: gauge!("lastro_expiry_lag_seconds"),
            clock_ahead_seconds: gauge!("lastro_clock_ahead_seconds"),
        }
    }

    pub(crate) fn frame(&self, info: &FrameInfo, elapsed: Duration) {
        self.frames.increment(1);
        self.records.increment(info.count.into());
        self.bytes.increment(info.frame_bytes());
        self.commit_seconds.record(elapsed);
        self.frame_records.record(info.count);
    }

    pub(crate) fn queue_bytes(&self, bytes: usize) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the queue is bounded far below 2^52"
        )]
        self.queue_bytes.set(bytes as f64);
    }

    pub(crate) fn clock_ahead(&self, seconds: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a few centuries are far fewer than 2^52 seconds"
        )]
        self.clock_ahead_seconds.set(seconds as f64);
    }

    pub(crate) fn expired(&self) {
        self.expired.increment(1);
    }

    /// What has a time, and how late the oldest of it is.
    pub(crate) fn expiries(&self, expiries: &Expiries, now: impl FnOnce() -> Timestamp) {
        let lag = expiries.next().map_or(0, |due_at| {
            now().as_nanos().saturating_sub(due_at.as_nanos())
        });
        #[expect(
            clippy::cast_precision_loss,
            reason = "memory holds far fewer than 2^52 pending transfers"
        )]
        self.pending_timed.set(expiries.len() as f64);
        let lag = Duration::from_nanos(lag);
        self.expiry_lag_seconds.set(lag.as_secs_f64());
    }
}
