//! What is counted of spans.

use stdx::Metric;

const EXPORTED: Metric = Metric::counter(
    "lastro_trace_spans_exported_total",
    "Spans that the collector has taken",
);
const DROPPED: Metric = Metric::counter(
    "lastro_trace_spans_dropped_total",
    "Spans that did not reach the collector: `queue_full` (it is slower than spans are made, or away), \
     `refused` (it does not want them), `stopped` (it did not take them before the process ended)",
)
.by(&["reason"]);

/// The metrics of traces.
pub const METRICS: &[Metric] = &[EXPORTED, DROPPED];

/// Why spans did not reach the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The collector refused them.
    Refused,
    /// The process ended before the collector took them.
    Stopped,
}

impl DropReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

pub(crate) fn dropped(reason: DropReason) -> metrics::Counter {
    metrics::counter!(DROPPED.name, "reason" => reason.as_str())
}

/// Counts spans that did not reach the collector.
pub fn count_dropped(reason: DropReason, spans: usize) {
    dropped(reason).increment(spans as u64);
}

/// Counts spans that the collector has taken.
pub fn count_exported(spans: usize) {
    metrics::counter!(EXPORTED.name).increment(spans as u64);
}
