//! The opening of the ledger: in a thread of its own, and visible while it lasts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use engine_embedded::OpeningProgress;
use ledger::Unavailable;
use metrics::{Gauge, gauge};
use server::{Health, Readiness};
use stdx::Metric;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::config::Config;
use super::doors::Doors;
use super::layers::Layers;
use super::open::LedgerFolder;
use super::open_files::OpenFiles;
use super::service_manager;

const BYTES: Metric = Metric::gauge(
    "lastro_opening_bytes",
    "Bytes of the journal that the opening of the ledger has to read",
)
.in_bytes();
const READ_BYTES: Metric = Metric::gauge(
    "lastro_opening_read_bytes",
    "Bytes of the journal that the opening of the ledger has read; when the ledger is open, all of them",
)
.in_bytes();

/// The metrics of an opening.
pub(crate) const METRICS: &[Metric] = &[BYTES, READ_BYTES];

/// How often a line of the log says how far the opening has come.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the metrics are set.
const METRICS_INTERVAL: Duration = Duration::from_millis(250);
/// Before that the rate says little of the time that is left.
const ESTIMATE_AFTER: Duration = Duration::from_secs(1);
/// After how long callers are asked to come back, at most: an estimate may be far too long.
const RETRY_AFTER_S_MAX: u64 = 30;

/// Opens the ledger and what stands on it, in a thread of its own. Needs to be in a runtime.
///
/// The thread is never waited for at a stop: what an opening does survives the end of the process at
/// any moment, as it survives a power cut.
pub(super) async fn open(
    config: &Arc<Config>,
    files: &OpenFiles,
    doors: &Doors,
    folder: Option<LedgerFolder>,
) -> anyhow::Result<Layers> {
    let (sender, opened) = oneshot::channel();
    let (runtime, config, files) = (Handle::current(), Arc::clone(config), *files);
    let doors = doors.clone();
    std::thread::Builder::new()
        .name("lastro-opening".to_owned())
        .spawn(move || {
            let layers = runtime.block_on(Layers::stack(&config, &files, &doors, folder));
            // Nobody waits for it any more: the process is ending.
            let _ = sender.send(layers);
        })
        .context("cannot start the thread that opens the ledger")?;
    let layers = opened.await;
    layers.context("the thread that opens the ledger panicked: its message is above")?
}

/// An opening of a folder, as others see it.
pub(super) struct Visible {
    progress: Arc<OpeningProgress>,
    started: Instant,
    bytes: Gauge,
    read_bytes: Gauge,
}

impl Visible {
    pub(super) fn new(progress: Arc<OpeningProgress>) -> Self {
        stdx::describe_metrics!(METRICS);
        Self {
            progress,
            started: Instant::now(),
            bytes: gauge!(BYTES.name),
            read_bytes: gauge!(READ_BYTES.name),
        }
    }

    fn glance(&self) -> Glance {
        Glance {
            bytes_total: self.progress.bytes_total(),
            bytes_read: self.progress.bytes_read(),
            elapsed: self.started.elapsed(),
        }
    }

    /// Sets the metrics, writes lines to the log and reports to the service manager; never returns.
    pub(super) async fn report(&self) -> Infallible {
        let mut ticks = tokio::time::interval(METRICS_INTERVAL);
        let mut next_line = self.started + LINE_INTERVAL;
        let mut manager = service_manager::Opening::new();
        loop {
            ticks.tick().await;
            self.set_metrics();
            let glance = self.glance();
            manager.at(glance.bytes_read, glance.bytes_total);
            if Instant::now() >= next_line {
                next_line += LINE_INTERVAL;
                self.glance().log();
            }
        }
    }

    pub(super) fn set_metrics(&self) {
        let glance = self.glance();
        if let Some(bytes) = glance.bytes_total {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a journal has far fewer than 2^52 bytes"
            )]
            self.bytes.set(bytes as f64);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a journal has far fewer than 2^52 bytes"
        )]
        self.read_bytes.set(glance.bytes_read as f64);
    }
}

impl Health for Visible {
    fn readiness(&self) -> Readiness {
        let glance = self.glance();
        let left = glance.seconds_left();
        let mut readiness = Readiness::not_ready(Unavailable::Opening.code());
        readiness = readiness.with("bytes_read", glance.bytes_read);
        if let Some(bytes) = glance.bytes_total {
            readiness = readiness.with("bytes_total", bytes);
        }
        if let Some(left) = left {
            readiness = readiness.with("seconds_left", left);
        }
        let retry_after_s = left.map_or(1, |left| left.clamp(1, RETRY_AFTER_S_MAX));
        let retry_after_s = u32::try_from(retry_after_s);
        readiness.retry_after_s(retry_after_s.expect("it is clamped"))
    }
}

/// How far an opening has come, at one moment.
#[derive(Debug, Clone, Copy)]
struct Glance {
    bytes_total: Option<u64>,
    bytes_read: u64,
    elapsed: Duration,
}

impl Glance {
    /// How many seconds are left if the rest is read as fast; `None` while that cannot be said.
    fn seconds_left(&self) -> Option<u64> {
        let bytes_total = self.bytes_total?;
        if self.bytes_read == 0 || self.elapsed < ESTIMATE_AFTER {
            return None;
        }
        let bytes_left = bytes_total.saturating_sub(self.bytes_read);
        let left_ms =
            u128::from(bytes_left) * self.elapsed.as_millis() / u128::from(self.bytes_read);
        u64::try_from(left_ms.div_ceil(1_000)).ok()
    }

    fn log(&self) {
        tracing::info!(
            bytes_read = self.bytes_read,
            bytes_total = self.bytes_total,
            seconds_left = self.seconds_left(),
            "opening the ledger: {}",
            self.text()
        );
    }

    /// `1.2 of 10.4 GB read, about 14 s left`
    fn text(&self) -> String {
        let Some(bytes_total) = self.bytes_total else {
            return "how much has to be read is not known yet".to_owned();
        };
        let (unit, name) = if bytes_total >= 1_000_000_000 {
            (1e9, "GB")
        } else {
            (1e6, "MB")
        };
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (read, total) = (self.bytes_read as f64 / unit, bytes_total as f64 / unit);
        let left = match self.seconds_left() {
            None => String::new(),
            Some(seconds) if seconds < 120 => format!(", about {seconds} s left"),
            Some(seconds) => format!(", about {} min left", seconds.div_ceil(60)),
        };
        format!("{read:.1} of {total:.1} {name} read{left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(bytes_read: u64, bytes_total: Option<u64>, elapsed_ms: u64) -> Glance {
        Glance {
            bytes_total,
            bytes_read,
            elapsed: Duration::from_millis(elapsed_ms),
        }
    }

    #[test]
    fn the_time_left_follows_the_rate_so_far() {
        for (bytes_read, bytes_total, elapsed_ms, expected) in [
            (0, None, 9_000, None),
            // Nothing was read yet, or not for long enough.
            (0, Some(100), 9_000, None),
            (50, Some(100), 999, None),
            (50, Some(100), 1_000, Some(1)),
            (1, Some(100), 2_000, Some(198)),
            (100, Some(100), 2_000, Some(0)),
            (99, Some(100), 60_000, Some(1)),
            (1, Some(u64::MAX), u64::from(u32::MAX), None),
        ] {
            let glance = glance(bytes_read, bytes_total, elapsed_ms);
            assert_eq!(glance.seconds_left(), expected, "{glance:?}");
        }
    }

    #[test]
    fn a_line_says_how_far_the_opening_has_come() {
        for (bytes_read, bytes_total, elapsed_ms, expected) in [
            (0, None, 0, "how much has to be read is not known yet"),
            (0, Some(67_108_864), 5_000, "0.0 of 67.1 MB read"),
            (
                1_200_000_000,
                Some(10_400_000_000),
                2_000,
                "1.2 of 10.4 GB read, about 16 s left",
            ),
            (
                100_000_000,
                Some(165_000_000_000),
                2_000,
                "0.1 of 165.0 GB read, about 55 min left",
            ),
        ] {
            let glance = glance(bytes_read, bytes_total, elapsed_ms);
            assert_eq!(glance.text(), expected);
        }
    }
}
