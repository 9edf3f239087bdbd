//! What is looked at every few seconds instead of being counted where it happens: the process, and
//! what its folders take.

mod disk;
mod figure;
mod process;

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use metrics::{Gauge, gauge};
use stdx::Metric;

use super::config::Config;
use super::engine_config::EngineConfig;
use crate::log::DroppedLines;
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
struct Gauges {
    process: Process,
    disk: Option<Disk>,
    access_log: Option<DroppedLines>,
}

/// The thread that looks, for as long as this is held.
pub(super) struct Looking {
    /// Nothing is sent: the thread ends when this is dropped.
    _stop: mpsc::Sender<Infallible>,
}

impl Looking {
    /// Starts a thread of its own, which nobody waits for: a disk that hangs holds up neither the probes
    /// nor a stop.
    pub(super) fn start(config: &Config, access_log: Option<DroppedLines>) -> io::Result<Self> {
        stdx::describe_metrics!(METRICS);
        let has_ledger = matches!(config.engine, EngineConfig::Embedded);
        let has_folder = has_ledger || config.outbox().is_some();
        let gauges = Gauges {
            process: Process::new(),
            disk: has_folder.then(|| Disk::new(config.data_dir.clone(), has_ledger)),
            access_log,
        };
        let (stop, stopped) = mpsc::channel();
        std::thread::Builder::new()
            .name("lastro-gauges".to_owned())
            .spawn(move || {
                loop {
                    gauges.look();
                    match stopped.recv_timeout(INTERVAL) {
                        Ok(never) => match never {},
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        Ok(Self { _stop: stop })
    }
}

impl Gauges {
    fn look(&self) {
        self.process.look();
        if let Some(disk) = &self.disk {
            disk.look();
        }
        if let Some(dropped) = &self.access_log {
            metrics::counter!(ACCESS_LINES_DROPPED.name).absolute(dropped.count());
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
