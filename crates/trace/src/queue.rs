//! Finished spans on their way out of the process.
//!
//! The queue is bounded and nobody waits for it: neither who puts a span in, nor who takes them out. The
//! latter looks now and then, so that putting one in never wakes a thread.

use std::sync::OnceLock;

use crossbeam_channel::{Receiver, Sender, bounded};
use metrics::Counter;

use crate::metrics::{DropReason, METRICS, dropped};
use crate::ratio::Ratio;
use crate::span::Finished;

/// How many spans wait at most; a few hundred bytes each.
pub const SPANS_WAITING_MAX: usize = 16_384;

static TRACES: OnceLock<Traces> = OnceLock::new();

/// What is there once traces are on.
pub(crate) struct Traces {
    pub(crate) ratio: Ratio,
    queue: Sender<Box<Finished>>,
    queue_full: Counter,
}

/// The spans that wait to leave the process.
pub struct Waiting(Receiver<Box<Finished>>);

impl Waiting {
    /// Takes the oldest spans, at most so many.
    #[must_use]
    pub fn take(&self, spans_max: usize) -> Vec<Finished> {
        self.0
            .try_iter()
            .take(spans_max)
            .map(|span| *span)
            .collect()
    }
}

/// Turns traces on for good; `None` if they are on already. The metrics go to the recorder that is installed by
/// then.
#[must_use]
pub fn start(ratio: Ratio) -> Option<Waiting> {
    stdx::describe_metrics!(METRICS);
    let (queue, waiting) = bounded(SPANS_WAITING_MAX);
    let traces = Traces {
        ratio,
        queue,
        queue_full: dropped(DropReason::QueueFull),
    };
    TRACES.set(traces).ok()?;
    Some(Waiting(waiting))
}

/// Whether any request is traced.
#[must_use]
pub fn is_on() -> bool {
    TRACES.get().is_some()
}

pub(crate) fn traces() -> Option<&'static Traces> {
    TRACES.get()
}

impl Traces {
    pub(crate) fn push(&self, span: Box<Finished>) {
        if self.queue.try_send(span).is_err() {
            self.queue_full.increment(1);
        }
    }
}
