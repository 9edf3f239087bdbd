//! The rows of `--sustain`: figures of each stretch of a run, printed when it ends.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::load::sustained::{CallTimes, Footprint, Row};
use anyhow::Context;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;

/// What is looked at after each row.
pub(super) struct Watched {
    /// The process that serves; `None` where it cannot be seen.
    pub(super) process: Option<Process>,
    /// The folder of its ledger.
    pub(super) folder: Option<PathBuf>,
}

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Process {
    Own,
    Other(u32),
}

impl Process {
    /// What it holds in memory: see `proc_pid_status(5)`.
    pub(super) fn rss_bytes(self) -> anyhow::Result<u64> {
        let file = match self {
            Self::Own => "/proc/self/status".to_owned(),
            Self::Other(id) => format!("/proc/{id}/status"),
        };
        let status = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .with_context(|| format!("{file} has no VmRSS"))?;
        Ok(kib.parse::<u64>()? * 1_024)
    }
}

impl Watched {
    fn footprint(&self) -> anyhow::Result<Footprint> {
        let of_folder = |folder: &PathBuf| {
            let place = folder.display();
            disk_bytes(folder).with_context(|| format!("cannot look at the files of {place}"))
        };
        Ok(Footprint {
            rss_bytes: self.process.map(Process::rss_bytes).transpose()?,
            disk_bytes: self.folder.as_ref().map(of_folder).transpose()?,
        })
    }
}

/// What the files of a folder take on the disk, those of its folders included. A file that is gone
/// when it is looked at takes nothing.
fn disk_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += disk_bytes(&entry.path())?,
            Ok(metadata) => bytes += metadata.blocks() * 512,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The rows of a whole run.
pub(super) struct Ended {
    /// How it was before the first.
    pub(super) start: Footprint,
    pub(super) rows: Vec<Row>,
}

/// The rows so far, and the one that is growing.
pub(super) struct Rows {
    watched: Watched,
    row_transfers: u64,
    /// Where lines are printed: the standard output may be for JSON alone.
    prints_to_stderr: bool,
    start: Footprint,
    rows: Vec<Row>,
    began: Instant,
    transfers_count: u64,
    transfers_total: u64,
    latency_ns: Histogram<u64>,
}

impl Rows {
    /// Rows of so many transfers each, from now on.
    pub(super) fn begin(
        watched: Watched,
        row_transfers: u64,
        prints_to_stderr: bool,
    ) -> anyhow::Result<Self> {
        let rows = Self {
            start: watched.footprint()?,
            watched,
            row_transfers,
            prints_to_stderr,
            rows: Vec::new(),
            began: Instant::now(),
            transfers_count: 0,
            transfers_total: 0,
            latency_ns: Histogram::new_with_max(60_000_000_000, 3)?,
        };
        rows.print(&Row::heads());
        Ok(rows)
    }

    /// Takes in an answered call. `progress` is out of the way while a line is printed.
    pub(super) fn record(
        &mut self,
        transfers_count: u64,
        elapsed_ns: u64,
        progress: &ProgressBar,
    ) -> anyhow::Result<()> {
        self.latency_ns.saturating_record(elapsed_ns);
        self.transfers_count += transfers_count;
        if self.transfers_count >= self.row_transfers {
            let line = self.end_row()?;
            progress.suspend(|| self.print(&line));
        }
        Ok(())
    }

    /// The rows, the last one as long as it came to be.
    pub(super) fn end(mut self) -> anyhow::Result<Ended> {
        if self.transfers_count > 0 {
            let line = self.end_row()?;
            self.print(&line);
        }
        Ok(Ended {
            start: self.start,
            rows: self.rows,
        })
    }

    fn end_row(&mut self) -> anyhow::Result<String> {
        let elapsed = self.began.elapsed();
        self.transfers_total += self.transfers_count;
        let row = Row {
            transfers_count: self.transfers_count,
            transfers_total: self.transfers_total,
            elapsed_s: elapsed.as_secs_f64(),
            transfers_per_s: per_second(self.transfers_count, elapsed),
            calls: call_times(&self.latency_ns),
            footprint: self.watched.footprint()?,
        };
        let line = row.line();
        self.rows.push(row);
        self.began += elapsed;
        self.transfers_count = 0;
        self.latency_ns.reset();
        Ok(line)
    }

    fn print(&self, line: &str) {
        if self.prints_to_stderr {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
}

/// The percentiles that are reported.
pub(super) fn call_times(latency_ns: &Histogram<u64>) -> CallTimes {
    CallTimes {
        batch_p50_us: quantile_us(latency_ns, 0.5),
        batch_p99_us: quantile_us(latency_ns, 0.99),
        batch_p999_us: quantile_us(latency_ns, 0.999),
        batch_max_us: quantile_us(latency_ns, 1.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn quantile_us(latency_ns: &Histogram<u64>, quantile: f64) -> f64 {
    latency_ns.value_at_quantile(quantile) as f64 / 1e3
}
