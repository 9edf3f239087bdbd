//! The figures of a run, as reports tell them. The names are stable.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::machine::Busy;
use crate::recorder::{Recorder, Slice};

/// Latencies, counted from the planned arrivals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the requests took at most this.
    pub p50_ms: f64,
    /// 90 % took at most this.
    pub p90_ms: f64,
    /// 99 % took at most this.
    pub p99_ms: f64,
    /// 99.9 % took at most this.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Counts and latencies of some of the requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// What they are: a kind of request, or a second from the start.
    pub name: String,
    /// How many there were.
    pub requests_count: u64,
    /// How many were not right.
    pub failures_count: u64,
    /// How long they took.
    #[serde(flatten)]
    pub latency: Latency,
}

/// How often an outcome was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// Its name.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// How often a fault was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultFigures {
    /// Its name.
    pub code: &'static str,
    /// How often.
    pub count: u64,
    /// What was seen the first time.
    pub example: String,
}

/// One point of the percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentile {
    /// This share of the requests …
    pub percent: f64,
    /// … took at most this.
    pub latency_ms: f64,
}

/// One bar of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Requests that took more than this, …
    pub above_ms: f64,
    /// … and at most this.
    pub up_to_ms: f64,
    /// How many.
    pub count: u64,
}

/// What is known of the generator itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Generator {
    /// Half of the requests began at most this long after they were planned.
    pub lateness_p50_us: f64,
    /// 99 % began at most this late.
    pub lateness_p99_us: f64,
    /// The latest.
    pub lateness_max_us: f64,
    /// Of one core.
    pub cpu_percent: f64,
    /// Processor time per request.
    pub cpu_us_per_request: f64,
}

/// Later than this, the generator itself has a part in what is reported.
const LATENESS_MAX_US: f64 = 100_000.0;

impl Generator {
    /// Whether some requests began so late that the latencies say something of this machine, too.
    #[must_use]
    pub fn was_held_up(&self) -> bool {
        self.lateness_max_us > LATENESS_MAX_US
    }

    /// Words for it.
    pub(crate) fn held_up(&self) -> String {
        format!(
            "the generator itself was held up for up to {:.0} ms, by this machine or by more in \
             flight than it keeps; the latencies contain that",
            self.lateness_max_us / 1e3
        )
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// How many requests there were.
    pub requests_count: u64,
    /// How many of them were not answered right.
    pub failures_count: u64,
    /// How many were answered right, but not in time.
    pub late_count: u64,
    /// How many answers showed an inconsistent balance or limit.
    pub inconsistencies_count: u64,
    /// How long the load took.
    pub elapsed_s: f64,
    /// On average.
    pub requests_per_s: f64,
    /// How long requests took.
    #[serde(flatten)]
    pub latency: Latency,
    /// The generator's own error and cost.
    pub generator: Generator,
    /// The right answers by outcome.
    pub outcomes: Vec<OutcomeCount>,
    /// The faults by name.
    pub faults: Vec<FaultFigures>,
    /// By kind of request.
    pub kinds: Vec<Part>,
    /// By the second of the planned arrival.
    pub seconds: Vec<Part>,
    /// The percentile curve.
    pub percentiles: Vec<Percentile>,
    /// The histogram: each bar is a tenth wider than the one before.
    pub histogram: Vec<Bucket>,
}

/// The curve's points: ten per decade of what is left to 100 %.
const CURVE_DECADES: u32 = 5;

impl Figures {
    pub(crate) fn new(recorder: &Recorder, busy: Busy) -> Self {
        let all = &recorder.all;
        let names = recorder.kind_names();
        Self {
            requests_count: all.requests_count,
            failures_count: all.failures_count,
            late_count: all.requests_count - all.failures_count - recorder.right_in_time_count,
            inconsistencies_count: recorder.inconsistencies_count,
            elapsed_s: busy.elapsed.as_secs_f64(),
            requests_per_s: ratio(all.requests_count, busy.elapsed.as_secs_f64()),
            latency: latency(&all.latency_ns),
            generator: generator(recorder, busy),
            outcomes: outcomes(recorder),
            faults: faults(recorder),
            kinds: parts(&recorder.kinds, |index| names[index].to_owned()),
            seconds: parts(&recorder.seconds, |second| second.to_string()),
            percentiles: percentiles(&all.latency_ns),
            histogram: histogram(&all.latency_ns),
        }
    }

    /// The worst and the middle p99 of the whole seconds.
    #[must_use]
    pub fn p99_ms_by_second(&self) -> (f64, f64) {
        let mut sorted: Vec<f64> = self
            .seconds
            .iter()
            .filter(|second| second.requests_count > 0)
            .map(|second| second.latency.p99_ms)
            .collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        (at(sorted.len().saturating_sub(1)), at(sorted.len() / 2))
    }
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn millis(nanos: u64) -> f64 {
    // Whole microseconds: what is below is not known.
    (nanos as f64 / 1e3).round() / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 1e2).round() / 1e1
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

pub(crate) fn latency(latency_ns: &Histogram<u64>) -> Latency {
    if latency_ns.is_empty() {
        return Latency::default();
    }
    let at = |quantile| millis(latency_ns.value_at_quantile(quantile));
    Latency {
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: at(1.0),
    }
}

fn generator(recorder: &Recorder, busy: Busy) -> Generator {
    let lateness = &recorder.lateness_ns;
    let cpu = busy.cpu.max(Duration::from_nanos(1));
    Generator {
        lateness_p50_us: micros(lateness.value_at_quantile(0.5)),
        lateness_p99_us: micros(lateness.value_at_quantile(0.99)),
        lateness_max_us: micros(lateness.value_at_quantile(1.0)),
        cpu_percent: 100.0 * cpu.as_secs_f64() / busy.elapsed.as_secs_f64().max(1e-9),
        cpu_us_per_request: 1e6 / ratio(recorder.all.requests_count.max(1), cpu.as_secs_f64()),
    }
}

fn outcomes(recorder: &Recorder) -> Vec<OutcomeCount> {
    let counts = recorder.outcomes.iter();
    counts
        .map(|(name, count)| OutcomeCount {
            name,
            count: *count,
        })
        .collect()
}

fn faults(recorder: &Recorder) -> Vec<FaultFigures> {
    let mut faults: Vec<FaultFigures> = recorder
        .faults
        .iter()
        .map(|(code, fault)| FaultFigures {
            code,
            count: fault.count,
            example: fault.example.clone(),
        })
        .collect();
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
    faults
}

fn parts(slices: &[Slice], name: impl Fn(usize) -> String) -> Vec<Part> {
    slices
        .iter()
        .enumerate()
        .map(|(index, slice)| Part {
            name: name(index),
            requests_count: slice.requests_count,
            failures_count: slice.failures_count,
            latency: latency(&slice.latency_ns),
        })
        .collect()
}

fn percentiles(latency_ns: &Histogram<u64>) -> Vec<Percentile> {
    if latency_ns.is_empty() {
        return Vec::new();
    }
    let mut points = Vec::new();
    for tenths in 0..=10 * CURVE_DECADES {
        let missing = 10_f64.powf(-f64::from(tenths) / 10.0);
        // More nines than requests say nothing.
        if ratio(1, missing) > ratio(latency_ns.len(), 1.0) * 1.001 {
            break;
        }
        let quantile = 1.0 - missing;
        points.push(Percentile {
            percent: (quantile * 1e7).round() / 1e5,
            latency_ms: millis(latency_ns.value_at_quantile(quantile)),
        });
    }
    points.push(Percentile {
        percent: 100.0,
        latency_ms: millis(latency_ns.max()),
    });
    points
}

fn histogram(latency_ns: &Histogram<u64>) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let mut above = 0;
    if latency_ns.is_empty() {
        return buckets;
    }
    for step in latency_ns.iter_log(10_000, 1.25) {
        let up_to = step.value_iterated_to();
        let count = step.count_since_last_iteration();
        if count > 0 || !buckets.is_empty() {
            buckets.push(Bucket {
                above_ms: millis(above),
                up_to_ms: millis(up_to),
                count,
            });
        }
        above = up_to;
    }
    buckets
}
