//! The process as the system sees it, under the names that all Prometheus clients use.
//!
//! It reads `/proc/self` alone: a unit of systemd with `ProcSubset=pid` shows nothing else, so the time
//! of the start is taken from the clock instead of the system's boot time.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, counter, gauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use stdx::{Metric, Throttle};

use super::figure::figure;

const RESIDENT: Metric = Metric::gauge(
    "process_resident_memory_bytes",
    "Memory of the process that is in RAM",
)
.in_bytes();
const CPU: Metric = Metric::counter(
    "process_cpu_seconds_total",
    "Processor time that the process has used, in whole seconds",
);
const OPEN_FDS: Metric = Metric::gauge("process_open_fds", "Open file descriptors");
const MAX_FDS: Metric = Metric::gauge(
    "process_max_fds",
    "Number of file descriptors that the process may open",
);
const THREADS: Metric = Metric::gauge("process_threads", "Threads of the process");
const START: Metric = Metric::gauge(
    "process_start_time_seconds",
    "Time at which the process started, in seconds since 1970",
)
.in_seconds();

pub(crate) const METRICS: &[Metric] = &[RESIDENT, CPU, OPEN_FDS, MAX_FDS, THREADS, START];

/// How often it is reported that the figures cannot be read.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// Handles that are looked up once.
pub(super) struct Process {
    resident: Gauge,
    cpu: Counter,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    unreadable: Throttle,
}

/// What `/proc/self` has.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    resident_bytes: u64,
    cpu_seconds: u64,
    threads_count: u64,
}

impl Process {
    /// The process starts now.
    pub(super) fn new() -> Self {
        stdx::describe_metrics!(METRICS);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        if let Ok(since) = now {
            gauge!(START.name).set(since.as_secs_f64());
        }
        Self {
            resident: gauge!(RESIDENT.name),
            cpu: counter!(CPU.name),
            open_fds: gauge!(OPEN_FDS.name),
            max_fds: gauge!(MAX_FDS.name),
            threads: gauge!(THREADS.name),
            unreadable: Throttle::new(WARNING_INTERVAL),
        }
    }

    pub(super) fn look(&self) {
        match seen() {
            Ok(seen) => {
                self.resident.set(figure(seen.resident_bytes));
                self.cpu.absolute(seen.cpu_seconds);
                self.threads.set(figure(seen.threads_count));
            }
            Err(error) => self.warn(&error),
        }
        match Path::new("/proc/self/fd").read_dir() {
            // The folder itself is open while it is read.
            Ok(entries) => self
                .open_fds
                .set(figure(entries.count().saturating_sub(1) as u64)),
            Err(error) => self.warn(&error.into()),
        }
        let limit = getrlimit(Resource::Nofile).current;
        self.max_fds.set(limit.map_or(f64::INFINITY, figure));
    }

    fn warn(&self, error: &anyhow::Error) {
        if self.unreadable.pass().is_some() {
            tracing::warn!(
                "cannot read /proc/self: {error:#}. The metrics process_… stay as they are: mount /proc"
            );
        }
    }
}

fn seen() -> anyhow::Result<Seen> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    read(&stat, clock_ticks_per_second(), page_size() as u64)
}

/// Reads the line of `/proc/self/stat`; see proc(5).
fn read(stat: &str, ticks_per_second: u64, page_bytes: u64) -> anyhow::Result<Seen> {
    use anyhow::Context;
    // The name of the program is in parentheses, and may have anything in it.
    let (_, rest) = stat.rsplit_once(')').context("stat has no name")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first field here is the third of the line.
    let field = |number: usize| -> anyhow::Result<u64> {
        let text = fields.get(number - 3).context("stat ends early")?;
        text.parse()
            .with_context(|| format!("field {number} of stat"))
    };
    Ok(Seen {
        cpu_seconds: (field(14)? + field(15)?) / ticks_per_second,
        threads_count: field(20)?,
        resident_bytes: field(24)? * page_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_system_is_read_whatever_the_programs_name() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 11 0 500 1000000 321 \
                    18446744073709551615 1 1 0";
        let expected = Seen {
            resident_bytes: 321 * 4096,
            cpu_seconds: 4,
            threads_count: 11,
        };
        assert_eq!(read(line, 100, 4096).unwrap(), expected);
        assert!(read("7 (a) S 1", 100, 4096).is_err());
        assert!(read("", 100, 4096).is_err());
    }

    #[test]
    fn this_process_is_seen() {
        let seen = seen().unwrap();
        assert!(seen.resident_bytes > 1 << 20, "{seen:?}");
        assert!(seen.threads_count >= 1, "{seen:?}");
    }
}
