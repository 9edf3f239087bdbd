//! A benchmark's figures, as text and as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::drive::Driven;
use super::floor::Floor;
use super::options::BenchOptions;
use super::rows::{per_second, quantile_us};

/// The figures. The names are stable.
#[derive(Serialize)]
pub(super) struct Report {
    engine: &'static str,
    transfers_count: u64,
    accounts_count: u64,
    batch: usize,
    concurrency: usize,
    hot: bool,
    references: bool,
    ids: &'static str,
    created_count: u64,
    refused_count: u64,
    durability: String,
    elapsed_s: f64,
    transfers_per_s: f64,
    batch_p50_us: f64,
    batch_p99_us: f64,
    batch_p999_us: f64,
    batch_max_us: f64,
    rss_bytes: u64,
    /// Of an engine with a journal.
    #[serde(flatten)]
    journal: Option<JournalFigures>,
}

/// The journal's figures, and those of the disk beside it.
#[derive(Serialize)]
pub(super) struct JournalFigures {
    frames_count: usize,
    journal_bytes: u64,
    floor_transfers_per_s: f64,
    floor_p50_us: f64,
    floor_p99_us: f64,
    reopened_in_s: f64,
}

impl JournalFigures {
    pub(super) fn new(
        options: &BenchOptions,
        floor: &Floor,
        frames: &[u64],
        reopened: Duration,
    ) -> Self {
        Self {
            frames_count: frames.len(),
            journal_bytes: frames.iter().sum(),
            floor_transfers_per_s: per_second(options.transfers, floor.elapsed),
            floor_p50_us: quantile_us(&floor.latency_ns, 0.5),
            floor_p99_us: quantile_us(&floor.latency_ns, 0.99),
            reopened_in_s: reopened.as_secs_f64(),
        }
    }

    fn print(&self) {
        println!(
            "  {} frames, {:.1} MB of journal; reopened in {:.2} s",
            self.frames_count,
            megabytes(self.journal_bytes),
            self.reopened_in_s
        );
        println!(
            "  floor: the same frames with no ledger: {:.0} transfers/s; \
             a frame takes p50 {:.0} us, p99 {:.0} us",
            self.floor_transfers_per_s, self.floor_p50_us, self.floor_p99_us
        );
    }
}

impl Report {
    pub(super) fn new(
        options: &BenchOptions,
        driven: &Driven,
        (engine, durability): (&'static str, String),
        journal: Option<JournalFigures>,
    ) -> Self {
        let elapsed_s = driven.elapsed.as_secs_f64();
        let latency = &driven.latency_ns;
        Self {
            engine,
            transfers_count: options.transfers,
            accounts_count: options.accounts,
            batch: options.batch,
            concurrency: options.concurrency,
            hot: options.hot,
            references: options.references,
            ids: options.ids.as_str(),
            created_count: driven.created_count,
            refused_count: driven.refused_count,
            durability,
            elapsed_s,
            transfers_per_s: per_second(options.transfers, driven.elapsed),
            batch_p50_us: quantile_us(latency, 0.5),
            batch_p99_us: quantile_us(latency, 0.99),
            batch_p999_us: quantile_us(latency, 0.999),
            batch_max_us: quantile_us(latency, 1.0),
            rss_bytes: driven.rss_bytes,
            journal,
        }
    }

    pub(super) fn print(&self) {
        println!(
            "{} transfers between {} accounts{}{}, {} a call, {} in flight, ids {}, engine {}, durability {}",
            self.transfers_count,
            self.accounts_count,
            if self.hot { " and one hot" } else { "" },
            if self.references {
                ", each with a reference"
            } else {
                ""
            },
            self.batch,
            self.concurrency,
            self.ids,
            self.engine,
            self.durability
        );
        println!(
            "  created {}, refused {}",
            self.created_count, self.refused_count
        );
        let share = |journal: &JournalFigures| {
            let share = 100.0 * self.transfers_per_s / journal.floor_transfers_per_s;
            format!("   ({share:.0} % of the floor)")
        };
        println!(
            "  {:>12.0} transfers/s{}",
            self.transfers_per_s,
            self.journal.as_ref().map(share).unwrap_or_default()
        );
        println!(
            "  a call takes p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, max {:.0} us",
            self.batch_p50_us, self.batch_p99_us, self.batch_p999_us, self.batch_max_us
        );
        println!("  {:.1} MB resident", megabytes(self.rss_bytes));
        let checked = match &self.journal {
            Some(journal) => {
                journal.print();
                "reopened, verified, and the counts are the same"
            }
            // What else a node was asked meanwhile is not this run's to judge.
            None if self.engine == "remote" => "every transfer was answered as it had to be",
            None => "verified, and the counts are the same",
        };
        println!("  {checked}");
    }

    pub(super) fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        if path == Path::new("-") {
            println!("{json}");
            return Ok(());
        }
        std::fs::write(path, json + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
