//! What the engine knows of its containers: their limits, and the processor time and memory that they took.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde_json::Value;

const SOCKET: &str = "/var/run/docker.sock";
/// How often memory is looked at: the engine does not keep the highest use everywhere.
const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// A container of a service.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) service: String,
    pub(super) id: String,
}

/// What a container has taken since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    processor_ns: u64,
    periods: u64,
    throttled_periods: u64,
    /// Page cache that can be dropped is not counted, as `docker stats` does.
    memory_bytes: u64,
}

impl Taken {
    fn of(stats: &Value) -> Self {
        let figure = |path: &str| stats.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        let droppable = match figure("/memory_stats/stats/total_inactive_file") {
            0 => figure("/memory_stats/stats/inactive_file"),
            bytes => bytes,
        };
        Self {
            processor_ns: figure("/cpu_stats/cpu_usage/total_usage"),
            periods: figure("/cpu_stats/throttling_data/periods"),
            throttled_periods: figure("/cpu_stats/throttling_data/throttled_periods"),
            memory_bytes: figure("/memory_stats/usage").saturating_sub(droppable),
        }
    }
}

/// Looks at containers until it is asked for the result.
pub(super) struct Watch {
    containers: Vec<Container>,
    before: Vec<Taken>,
    started: Instant,
    peaks: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(containers: Vec<Container>) -> Result<Self> {
        let before: Vec<Taken> = containers
            .iter()
            .map(|container| taken(&container.id))
            .collect::<Result<_>>()?;
        let peaks: Vec<u64> = before.iter().map(|taken| taken.memory_bytes).collect();
        let peaks = Arc::new(Mutex::new(peaks));
        let stop = Arc::new(AtomicBool::new(false));
        let looking = {
            let (containers, peaks, stop) = (containers.clone(), peaks.clone(), stop.clone());
            std::thread::spawn(move || look(&containers, &peaks, &stop))
        };
        Ok(Self {
            containers,
            before,
            started: Instant::now(),
            peaks,
            stop,
            looking: Some(looking),
        })
    }

    /// A line for each service and one for all of them.
    pub(super) fn finish(mut self) -> Result<String> {
        let took = self.started.elapsed();
        let mut rows = Vec::new();
        for (container, before) in self.containers.iter().zip(&self.before) {
            let after = taken(&container.id)?;
            let limits = limits(&container.id)?;
            rows.push(Row {
                service: container.service.clone(),
                limits,
                cpus: cpus(after.processor_ns.saturating_sub(before.processor_ns), took),
                periods: after.periods.saturating_sub(before.periods),
                throttled_periods: after
                    .throttled_periods
                    .saturating_sub(before.throttled_periods),
                peak_bytes: after.memory_bytes,
            });
        }
        self.end();
        let peaks = self.peaks.lock();
        for (row, peak) in rows.iter_mut().zip(peaks.iter()) {
            row.peak_bytes = row.peak_bytes.max(*peak);
        }
        Ok(table(&rows))
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(looking) = self.looking.take() {
            // It only looks: its end cannot fail what it looked at.
            let _ = looking.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

fn look(containers: &[Container], peaks: &Mutex<Vec<u64>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(PERIOD);
        for (index, container) in containers.iter().enumerate() {
            // One that has just ended has no figures: the last ones count.
            let Ok(taken) = taken(&container.id) else {
                continue;
            };
            let mut peaks = peaks.lock();
            peaks[index] = peaks[index].max(taken.memory_bytes);
        }
    }
}

/// What the engine has set for a container.
#[derive(Debug, Clone, Copy, Default)]
struct Set {
    cpus: f64,
    memory_bytes: u64,
}

fn limits(id: &str) -> Result<Set> {
    let container = ask(&format!("/containers/{id}/json"))?;
    let figure = |name: &str| {
        let found = container.pointer(&format!("/HostConfig/{name}"));
        found.and_then(Value::as_u64).unwrap_or(0)
    };
    Ok(Set {
        cpus: cpus(figure("NanoCpus"), Duration::from_secs(1)),
        memory_bytes: figure("Memory"),
    })
}

fn taken(id: &str) -> Result<Taken> {
    let stats = ask(&format!(
        "/containers/{id}/stats?stream=false&one-shot=true"
    ))?;
    Ok(Taken::of(&stats))
}

#[expect(clippy::cast_precision_loss, reason = "a few processors for minutes")]
fn cpus(processor_ns: u64, took: Duration) -> f64 {
    processor_ns as f64 / 1e9 / took.as_secs_f64()
}

/// What the engine answers to a GET.
fn ask(path: &str) -> Result<Value> {
    let mut stream = UnixStream::connect(SOCKET).with_context(|| format!("cannot ask {SOCKET}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    write!(stream, "GET /v1.41{path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the engine's answer has no end of its head")?;
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "the engine answers {path} with {head}"
    );
    serde_json::from_str(body).with_context(|| format!("the engine's answer to {path} is not JSON"))
}

struct Row {
    service: String,
    limits: Set,
    cpus: f64,
    periods: u64,
    throttled_periods: u64,
    peak_bytes: u64,
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "  {:18}  {:>5}  {:>5}  {:>15}  {:>8}  {:>8}",
        "service", "CPUs", "of", "throttled", "MB", "of"
    )];
    let bound = |is_set: bool, text: String| if is_set { text } else { "-".to_owned() };
    let line = |name: &str, used: f64, set: Set, throttled: &str, peak: u64| {
        format!(
            "  {name:18}  {used:>5.2}  {:>5}  {throttled:>15}  {:>8}  {:>8}",
            bound(set.cpus > 0.0, format!("{:.2}", set.cpus)),
            peak >> 20,
            bound(set.memory_bytes > 0, (set.memory_bytes >> 20).to_string()),
        )
    };
    let mut all = (0.0, Set::default(), 0);
    for row in rows {
        let throttled = match row.periods {
            0 => "-".to_owned(),
            periods => format!("{} of {periods}", row.throttled_periods),
        };
        lines.push(line(
            &row.service,
            row.cpus,
            row.limits,
            &throttled,
            row.peak_bytes,
        ));
        // What has no limits stands for somebody else's machine, unless nothing has any.
        if row.limits.cpus > 0.0 || rows.iter().all(|row| row.limits.cpus == 0.0) {
            all.0 += row.cpus;
            all.1.cpus += row.limits.cpus;
            all.1.memory_bytes += row.limits.memory_bytes;
            all.2 += row.peak_bytes;
        }
    }
    lines.push(line("all", all.0, all.1, "", all.2));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_figures_are_read_in_both_versions_of_control_groups() {
        let stats = |cache: &str| {
            let text = format!(
                r#"{{"cpu_stats": {{"cpu_usage": {{"total_usage": 1500}},
                "throttling_data": {{"periods": 40, "throttled_periods": 3}}}},
                "memory_stats": {{"usage": 900, "stats": {{"{cache}": 100}}}}}}"#
            );
            Taken::of(&serde_json::from_str(&text).unwrap())
        };
        let expected = Taken {
            processor_ns: 1_500,
            periods: 40,
            throttled_periods: 3,
            memory_bytes: 800,
        };
        assert_eq!(stats("inactive_file"), expected);
        assert_eq!(stats("total_inactive_file"), expected);
    }

    #[test]
    fn what_has_no_limits_is_not_counted_beside_what_has() {
        let row = |service: &str, limit: f64| Row {
            service: service.to_owned(),
            limits: Set {
                cpus: limit,
                memory_bytes: if limit > 0.0 { 100 << 20 } else { 0 },
            },
            cpus: 0.25,
            periods: 10,
            throttled_periods: 1,
            peak_bytes: 30 << 20,
        };
        let text = table(&[row("ledger", 0.5), row("api", 1.0), row("processor", 0.0)]);
        let last: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["all", "0.50", "1.50", "60", "200"]);
        let text = table(&[row("processor", 0.0)]);
        let last: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["all", "0.25", "-", "30", "-"]);
    }
}
