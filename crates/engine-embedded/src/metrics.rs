//! The metrics of this engine.

use std::time::Duration;

use journal::FrameInfo;
use ledger::{Expiries, Timestamp};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stdx::Metric;

use crate::books::Books;

/// Every metric of this engine.
pub const METRICS: &[Metric] = &[
    Metric::counter(
        "lastro_journal_frames_total",
        "Frames that were written and synced",
    ),
    Metric::counter(
        "lastro_journal_records_total",
        "Records that were written and synced",
    ),
    Metric::counter(
        "lastro_journal_bytes_total",
        "Bytes that were written and synced",
    )
    .in_bytes(),
    Metric::histogram(
        "lastro_journal_commit_duration_seconds",
        "Duration of one write and one sync of a frame",
    )
    .in_seconds(),
    Metric::histogram("lastro_journal_frame_records", "Records in a frame"),
    Metric::gauge(
        "lastro_journal_head_sequence",
        "Sequence of the newest frame of the journal",
    ),
    Metric::gauge("lastro_accounts", "Accounts, those of the system included"),
    Metric::gauge(
        "lastro_transfer_ids",
        "Ids of transfers that were used, those of refused ones included",
    ),
    Metric::gauge(
        "lastro_queue_bytes",
        "Size of the requests that wait for the writer",
    )
    .in_bytes(),
    Metric::counter("lastro_expiries_total", "Pending transfers that expired"),
    Metric::gauge(
        "lastro_pending_timed_transfers",
        "Pending transfers that will expire at a time",
    ),
    Metric::gauge(
        "lastro_expiry_lag_seconds",
        "How long the oldest pending transfer that is due has waited to be expired",
    )
    .in_seconds(),
    Metric::gauge(
        "lastro_clock_ahead_seconds",
        "How far the clock is ahead of its expected time while it is not trusted, otherwise 0",
    )
    .in_seconds(),
    Metric::gauge(
        "lastro_id_tables",
        "Tables on disk with the ids that sealed segments use",
    ),
    Metric::gauge(
        "lastro_id_tables_memory_bytes",
        "Memory that the tables' filters and first ids take",
    )
    .in_bytes(),
    Metric::gauge(
        "lastro_id_segments_in_memory",
        "Sealed segments whose ids are in memory because they have no table yet",
    ),
    Metric::gauge(
        "lastro_sum_tables",
        "Tables on disk with the sums of settled payments",
    ),
    Metric::gauge(
        "lastro_sum_segments_in_memory",
        "Sealed segments whose sums of settled payments are in memory because they have no table yet",
    ),
    Metric::gauge(
        "lastro_replay_bytes",
        "Size of the sealed journal segments that a start would read: those since the newest snapshot",
    )
    .in_bytes(),
];

/// How large a ledger is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerSize {
    accounts_count: usize,
    transfer_ids_count: u64,
}

impl LedgerSize {
    pub(crate) fn of(books: &Books) -> Self {
        Self {
            accounts_count: books.accounts.len(),
            transfer_ids_count: books.transfer_ids_count,
        }
    }
}

/// Handles that are looked up once.
pub(crate) struct Metrics {
    frames: Counter,
    records: Counter,
    bytes: Counter,
    commit_seconds: Histogram,
    frame_records: Histogram,
    head_sequence: Gauge,
    accounts: Gauge,
    transfer_ids: Gauge,
    queue_bytes: Gauge,
    expired: Counter,
    pending_timed: Gauge,
    expiry_lag_seconds: Gauge,
    clock_ahead_seconds: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        stdx::describe_metrics!(METRICS);
        Self {
            frames: counter!("lastro_journal_frames_total"),
            records: counter!("lastro_journal_records_total"),
            bytes: counter!("lastro_journal_bytes_total"),
            commit_seconds: histogram!("lastro_journal_commit_duration_seconds"),
            frame_records: histogram!("lastro_journal_frame_records"),
            head_sequence: gauge!("lastro_journal_head_sequence"),
            accounts: gauge!("lastro_accounts"),
            transfer_ids: gauge!("lastro_transfer_ids"),
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

    /// How large the ledger is after the frame with this sequence.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ledger has far fewer than 2^52 frames, accounts and ids"
    )]
    pub(crate) fn ledger(&self, sequence: u64, size: LedgerSize) {
        self.head_sequence.set(sequence as f64);
        self.accounts.set(size.accounts_count as f64);
        self.transfer_ids.set(size.transfer_ids_count as f64);
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
