//! The figures of the run. Their names in JSON are stable.

use std::fmt::Write;

use serde::Serialize;

use crate::report::axis::grouped;

/// Percentiles of the time that calls took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CallTimes {
    /// Half of the calls took at most this.
    pub batch_p50_us: f64,
    /// 99 % took at most this.
    pub batch_p99_us: f64,
    /// 99.9 % took at most this.
    pub batch_p999_us: f64,
    /// The longest.
    pub batch_max_us: f64,
}

/// What the process that serves holds at one moment; `None` where it cannot be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// What it holds in memory.
    pub rss_bytes: Option<u64>,
    /// What its folder takes on the disk.
    pub disk_bytes: Option<u64>,
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// How many transfers were answered in it.
    pub transfers_count: u64,
    /// How many were answered by its end, since the run began.
    pub transfers_total: u64,
    /// How long it took.
    pub elapsed_s: f64,
    /// On average.
    pub transfers_per_s: f64,
    /// How long its calls took.
    #[serde(flatten)]
    pub calls: CallTimes,
    /// How it was at its end.
    #[serde(flatten)]
    pub footprint: Footprint,
}

impl Row {
    /// The names of the figures of a [`Row::line`].
    #[must_use]
    pub fn heads() -> String {
        format!(
            "  {:>13} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "transfers",
            "transfers/s",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "memory MB",
            "disk MB"
        )
    }

    /// The row for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let CallTimes {
            batch_p50_us,
            batch_p99_us,
            batch_p999_us,
            batch_max_us,
        } = self.calls;
        let mut line = format!(
            "  {:>13} {:>12.0}",
            grouped(self.transfers_total),
            self.transfers_per_s
        );
        // Writing into memory cannot fail.
        for us in [batch_p50_us, batch_p99_us, batch_p999_us, batch_max_us] {
            let _ = write!(line, " {:>10.2}", us / 1e3);
        }
        for bytes in [self.footprint.rss_bytes, self.footprint.disk_bytes] {
            let _ = write!(line, " {:>10}", megabytes_text(bytes));
        }
        line
    }
}

/// The report. Its names in JSON are stable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SustainedReport {
    /// What was driven: `embedded` or `remote`.
    pub engine: &'static str,
    /// What an answer waits for.
    pub durability: String,
    /// How ids are made: `v4` or `v7`.
    pub ids: &'static str,
    /// Between how many accounts.
    pub accounts_count: u64,
    /// Transfers in a call.
    pub batch: usize,
    /// Calls in progress at the same time.
    pub concurrency: usize,
    /// Whether one account was debited with every transfer.
    pub hot: bool,
    /// How many transfers were answered.
    pub transfers_count: u64,
    /// How many of them were applied.
    pub created_count: u64,
    /// How many of them were refused, as they had to be.
    pub refused_count: u64,
    /// How long all of them took.
    pub elapsed_s: f64,
    /// On average.
    pub transfers_per_s: f64,
    /// How long all calls took.
    #[serde(flatten)]
    pub calls: CallTimes,
    /// How long opening the ledger took before and after the run, where the benchmark opened it.
    #[serde(flatten)]
    pub openings: Option<Openings>,
    /// How it was when the accounts were open and no transfer was made yet.
    pub start: Footprint,
    /// The run, stretch by stretch.
    pub rows: Vec<Row>,
}

/// How long opening the ledger took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Openings {
    /// Before the run; a new ledger has nothing to read.
    pub opened_in_s: f64,
    /// After it.
    pub reopened_in_s: f64,
}

impl SustainedReport {
    /// What the run added to memory and to the disk for each transfer, in bytes.
    pub(super) fn growth(&self, of: fn(&Footprint) -> Option<u64>) -> Option<f64> {
        let (first, last) = (of(&self.start)?, of(&self.rows.last()?.footprint)?);
        Some((float(last) - float(first)) / float(self.transfers_count))
    }

    /// The rate of the last stretch, in percent of that of the first.
    pub(super) fn kept_percent(&self) -> Option<f64> {
        let [first, .., last] = self.rows.as_slice() else {
            return None;
        };
        Some(100.0 * last.transfers_per_s / first.transfers_per_s)
    }

    pub(super) fn title(&self) -> String {
        format!(
            "{} transfers between {} accounts{}, {} a call, {} in flight, ids {}, engine {}, \
             durability {}",
            self.transfers_count,
            self.accounts_count,
            if self.hot { " and one hot" } else { "" },
            self.batch,
            self.concurrency,
            self.ids,
            self.engine,
            self.durability
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}

pub(super) fn megabytes_text(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "–".to_owned(),
        |bytes| format!("{:.1}", megabytes(bytes)),
    )
}
