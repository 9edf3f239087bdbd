//! What is looked at every few seconds instead of being counted where it happens: the process, and
//! what its folders take.

mod disk;
mod figure;
mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, gauge};
use stdx::Metric;
use tokio::sync::watch;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::stop::stopped;
use crate::log::Log;
use disk::Disk;
use process::Process;

const READY: Metric = Metric::gauge(
    "lastro_ready",
    "1 for the present state, `ready` or the code of why it is not, and 0 for the states before it",
)
.by(&["reason"]);
const ACCESS_LINES_DROPPED: Metric = Metric::counter(
    "lastro_access_log_dropped_total",
    "Lines of the access log that were dropped because standard error was slower than the requests",
);

/// The metrics of every process.
pub(crate) const METRICS: &[Metric] = &[READY, ACCESS_LINES_DROPPED];
#[cfg(test)]
pub(crate) use disk::METRICS as DISK_METRICS;
#[cfg(test)]
pub(crate) use process::METRICS as PROCESS_METRICS;

/// How often they are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// What is looked at.
pub(super) struct Gauges {
    process: Process,
    disk: Option<Disk>,
    log: Arc<Log>,
}

impl Gauges {
    pub(super) fn new(config: &Config, log: Arc<Log>) -> Self {
        stdx::describe_metrics!(METRICS);
        let has_ledger = matches!(config.engine, EngineConfig::Embedded);
        let has_folder = has_ledger || config.outbox().is_some();
        let folder = |path: &PathBuf| Disk::new(path.clone(), has_ledger);
        Self {
            process: Process::new(),
            disk: has_folder.then(|| folder(&config.data_dir)),
            log,
        }
    }

    /// Looks at everything again and again until the stop. Blocks its thread while it looks: it runs
    /// beside the metrics' port, where nothing else has to be fast.
    pub(super) async fn keep(self, stop: watch::Receiver<bool>) {
        let looking = async {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                self.look();
            }
        };
        tokio::select! {
            () = stopped(stop) => {}
            () = looking => {}
        }
    }

    fn look(&self) {
        self.process.look();
        if let Some(disk) = &self.disk {
            disk.look();
        }
        if let Some(dropped) = self.log.access_lines_dropped() {
            metrics::counter!(ACCESS_LINES_DROPPED.name).absolute(dropped);
        }
    }
}

/// The gauge of the readiness.
pub(super) struct ReadyGauge {
    present: &'static str,
}

/// The state of a node that is ready.
const STATE_READY: &str = "ready";

impl ReadyGauge {
    pub(super) fn new() -> Self {
        of(STATE_READY).set(0.0);
        Self {
            present: STATE_READY,
        }
    }

    /// The readiness as it is now.
    pub(super) fn set(&mut self, reason: Option<&'static str>) {
        let state = reason.unwrap_or(STATE_READY);
        if state != self.present {
            of(self.present).set(0.0);
            self.present = state;
        }
        of(state).set(1.0);
    }
}

fn of(state: &'static str) -> Gauge {
    gauge!(READY.name, "reason" => state)
}
