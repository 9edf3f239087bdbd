//! What was seen: every request's latency, outcome and faults, as histograms.
//!
//! Latency counts from the planned arrival to the end of the answer, unless a scenario's users wait
//! for their answers before they go on: then it counts from the send. How long after its planned
//! arrival a request was really begun is the generator's own error and kept apart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest latency that is told apart from a longer one.
const LATENCY_MAX: Duration = Duration::from_secs(120);

/// The longest series, in seconds.
const SECONDS_MAX: usize = 3_600;

/// What is wrong with an answer, or with its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The fault's name, the same for all of its kind.
    pub(crate) code: &'static str,
    /// What was seen.
    pub(crate) detail: String,
    /// Whether the answer shows an inconsistent balance or limit.
    pub(crate) is_inconsistent: bool,
}

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be, with its outcome's name.
    Right(&'static str),
    /// Not as it should be.
    Wrong(Fault),
}

/// One request.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Which of the recorder's kinds it is.
    pub(crate) kind: usize,
    /// When it was to begin.
    pub(crate) planned: Instant,
    /// When it began.
    pub(crate) started: Instant,
    /// When its answer was whole, or it was given up.
    pub(crate) ended: Instant,
    /// What the answer is worth.
    pub(crate) verdict: Verdict,
}

/// Counts and latencies of some of the requests.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// How many there were.
    pub(crate) requests_count: u64,
    /// How many were not right.
    pub(crate) failures_count: u64,
    /// Latencies in nanoseconds.
    pub(crate) latency_ns: Histogram<u64>,
}

impl Slice {
    fn new(digits: u8) -> anyhow::Result<Self> {
        let highest = nanos(LATENCY_MAX);
        // Latencies of a microsecond and below are not told apart.
        Ok(Self {
            requests_count: 0,
            failures_count: 0,
            latency_ns: Histogram::new_with_bounds(1_000, highest, digits)?,
        })
    }

    fn record(&mut self, latency_ns: u64, is_right: bool) {
        self.requests_count += 1;
        self.failures_count += u64::from(!is_right);
        self.latency_ns.saturating_record(latency_ns);
    }
}

/// A fault with how often it was seen and the first example.
#[derive(Debug, Clone)]
pub(crate) struct FaultCount {
    /// How often.
    pub(crate) count: u64,
    /// What was seen the first time.
    pub(crate) example: String,
}

/// Records requests.
#[derive(Debug)]
pub(crate) struct Recorder {
    origin: Instant,
    kind_names: &'static [&'static str],
    within: Duration,
    counts_from_the_send: bool,
    /// All requests.
    pub(crate) all: Slice,
    /// The same by kind.
    pub(crate) kinds: Vec<Slice>,
    /// The same by the second of their planned arrival.
    pub(crate) seconds: Vec<Slice>,
    /// How late requests began, in nanoseconds.
    pub(crate) lateness_ns: Histogram<u64>,
    /// The right answers by outcome.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// The faults by name.
    pub(crate) faults: BTreeMap<&'static str, FaultCount>,
    /// How many answers showed an inconsistent balance or limit.
    pub(crate) inconsistencies_count: u64,
    /// How many were right and took less than the bound; the other right ones were late.
    pub(crate) right_in_time_count: u64,
}

impl Recorder {
    /// A recorder of requests of some kinds, which should take less than `within`.
    pub(crate) fn new(
        kind_names: &'static [&'static str],
        within: Duration,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            origin: Instant::now(),
            kind_names,
            within,
            counts_from_the_send: false,
            all: Slice::new(3)?,
            kinds: kind_names
                .iter()
                .map(|_| Slice::new(3))
                .collect::<anyhow::Result<_>>()?,
            seconds: Vec::new(),
            lateness_ns: Histogram::new_with_bounds(100, nanos(LATENCY_MAX), 3)?,
            outcomes: BTreeMap::new(),
            faults: BTreeMap::new(),
            inconsistencies_count: 0,
            right_in_time_count: 0,
        })
    }

    /// Counts latencies from when a request was really sent. Right for users that wait for their
    /// answer before they go on: what they are late is no queue of the server's.
    pub(crate) const fn counting_from_the_send(mut self) -> Self {
        self.counts_from_the_send = true;
        self
    }

    /// The names of the kinds.
    pub(crate) const fn kind_names(&self) -> &'static [&'static str] {
        self.kind_names
    }

    /// Counts the seconds from now on.
    pub(crate) fn begin(&mut self) {
        self.origin = Instant::now();
    }

    /// Records a request.
    pub(crate) fn record(&mut self, sample: Sample) {
        let since = if self.counts_from_the_send {
            sample.started
        } else {
            sample.planned
        };
        let latency = sample.ended.saturating_duration_since(since);
        let latency_ns = nanos(latency);
        let is_right = matches!(sample.verdict, Verdict::Right(_));
        self.all.record(latency_ns, is_right);
        self.kinds[sample.kind].record(latency_ns, is_right);
        if let Some(second) = self.second(sample.planned) {
            second.record(latency_ns, is_right);
        }
        let lateness = sample.started.saturating_duration_since(sample.planned);
        self.lateness_ns.saturating_record(nanos(lateness));
        self.right_in_time_count += u64::from(is_right && latency < self.within);
        match sample.verdict {
            Verdict::Right(outcome) => *self.outcomes.entry(outcome).or_default() += 1,
            Verdict::Wrong(fault) => self.count_fault(fault),
        }
    }

    fn count_fault(&mut self, fault: Fault) {
        self.inconsistencies_count += u64::from(fault.is_inconsistent);
        self.faults
            .entry(fault.code)
            .or_insert_with(|| FaultCount {
                count: 0,
                example: fault.detail,
            })
            .count += 1;
    }

    fn second(&mut self, planned: Instant) -> Option<&mut Slice> {
        let index = planned.saturating_duration_since(self.origin).as_secs();
        let index = usize::try_from(index)
            .ok()
            .filter(|index| *index < SECONDS_MAX)?;
        while self.seconds.len() <= index {
            self.seconds.push(Slice::new(2).ok()?);
        }
        self.seconds.get_mut(index)
    }
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
