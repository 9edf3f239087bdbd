//! Which processors did not take a payment, and for how long it waits for each.

use std::time::Duration;

use super::doubled::doubled;
use super::processor_set::ProcessorSet;
use crate::policy::ProcessorIndex;

/// How long a payment waits before it goes to the same processor again; doubled each time.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The processors that did not take one payment.
#[derive(Debug, Default)]
pub(super) struct Denials(Vec<Denial>);

#[derive(Debug, Clone, Copy)]
struct Denial {
    processor: ProcessorIndex,
    /// How often.
    count: u32,
    /// When last, and until when it does not get the payment again unless it recovers before.
    at: Duration,
    until: Duration,
}

/// For which processors a payment waits, and when the first of these waits ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) processors: ProcessorSet,
    pub(super) until: Option<Duration>,
}

impl Denials {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a processor did not take it before.
    pub(super) fn are_of(&self, processor: ProcessorIndex) -> bool {
        self.0.iter().any(|denial| denial.processor == processor)
    }

    /// A processor did not take it: it waits longer than the last time, at most `wait_max`, but not less
    /// than `wait_min`.
    pub(super) fn add(
        &mut self,
        processor: ProcessorIndex,
        now: Duration,
        wait_max: Duration,
        wait_min: Duration,
    ) {
        let before = self
            .0
            .iter()
            .position(|denial| denial.processor == processor);
        let index = before.unwrap_or_else(|| {
            self.0.push(Denial {
                processor,
                count: 0,
                at: now,
                until: now,
            });
            self.0.len() - 1
        });
        let denial = &mut self.0[index];
        let wait = doubled(WAIT_MIN, denial.count).min(wait_max);
        denial.count = denial.count.saturating_add(1);
        denial.at = now;
        denial.until = now + wait.max(wait_min);
    }

    /// For which processors it waits now: not for those that have recovered since.
    pub(super) fn waiting(
        &self,
        now: Duration,
        recovered_at: impl Fn(ProcessorIndex) -> Option<Duration>,
    ) -> Waiting {
        let mut waiting = Waiting::default();
        for denial in &self.0 {
            let has_recovered = recovered_at(denial.processor) > Some(denial.at);
            if !has_recovered && denial.until > now {
                waiting.processors.insert(denial.processor);
                let until = waiting.until.map_or(denial.until, |u| u.min(denial.until));
                waiting.until = Some(until);
            }
        }
        waiting
    }
}
