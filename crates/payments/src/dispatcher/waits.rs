//! A payment's own wait, where a processor does not take it.
//!
//! An answer that is about the caller, a failure that is definite, "not yet": they may be about the
//! processor, and then its breaker opens. They may as well be about this payment alone, for ever. So
//! each payment waits for itself before it goes to that processor again, longer each time, and costs
//! no record meanwhile; while the processor records others, it is not held against the processor.

use std::time::Duration;

use ledger::PaymentId;

use super::Dispatcher;
use super::payment::{Held, Stage};
use super::processor::{MISDIRECTED_WAIT_MAX, Processor, doubled};
use crate::answer::{Answer, NotRecorded};

/// How long a payment waits before it goes to the same processor again; doubled each time.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait at a processor that records others.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The longest wait at one that records nothing: the payment may be all that finds out that it is
/// back.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(5);

/// That a processor did not take a payment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Denial {
    /// The processor's place in the policy.
    processor: usize,
    /// How often.
    count: u32,
    /// When last, and until when it does not get the payment again unless it recovers before.
    at: Duration,
    until: Duration,
}

impl Held {
    /// Whether a processor did not take it before.
    pub(super) fn was_denied_by(&self, processor: usize) -> bool {
        self.denials
            .iter()
            .any(|denial| denial.processor == processor)
    }

    /// The processors that it waits for now, and when that changes.
    fn waiting_for(&self, processors: &[Processor], now: Duration) -> (u64, Option<Duration>) {
        let (mut waiting_for, mut until) = (0, None);
        for denial in &self.denials {
            let has_recovered = processors[denial.processor].recovered_at > Some(denial.at);
            if !has_recovered && denial.until > now {
                waiting_for |= 1 << denial.processor;
                until = Some(until.map_or(denial.until, |until| denial.until.min(until)));
            }
        }
        (waiting_for, until)
    }
}

impl Dispatcher {
    /// A processor did not take a payment: it does not get it again for a while.
    pub(super) fn wait_for(
        &mut self,
        id: PaymentId,
        processor: usize,
        answer: Answer,
        now: Duration,
    ) {
        let (asked_for, probe_wait_max) = match answer {
            Answer::NotRecorded(NotRecorded::NotYet { retry_after }) => {
                (retry_after.unwrap_or_default(), PROBE_WAIT_MAX)
            }
            Answer::NotRecorded(NotRecorded::Failing) => (Duration::ZERO, PROBE_WAIT_MAX),
            // Somebody has to mend it first.
            Answer::Misdirected => (Duration::ZERO, MISDIRECTED_WAIT_MAX),
            Answer::NotRecorded(
                NotRecorded::Busy { .. } | NotRecorded::LeaseOver | NotRecorded::Unreachable,
            )
            | Answer::Recorded
            | Answer::AlreadyRecorded
            | Answer::Refused
            | Answer::Unknown => return,
        };
        let wait_max = match self.processors[processor].is_working {
            true => WAIT_MAX,
            false => probe_wait_max,
        };
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let before = held
            .denials
            .iter()
            .position(|denial| denial.processor == processor);
        let place = before.unwrap_or_else(|| {
            held.denials.push(Denial {
                processor,
                count: 0,
                at: now,
                until: now,
            });
            held.denials.len() - 1
        });
        let denial = &mut held.denials[place];
        let wait = doubled(WAIT_MIN, denial.count).min(wait_max);
        denial.count = denial.count.saturating_add(1);
        denial.at = now;
        denial.until = now + wait.max(asked_for.min(WAIT_MAX));
    }

    /// Puts a payment that waits into the line of those that may go where it may.
    pub(super) fn enqueue(&mut self, id: PaymentId, now: Duration) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let (waiting_for, until) = held.waiting_for(&self.processors, now);
        #[cfg(test)]
        let (waiting_for, until) = match self.planted {
            Some(super::Planted::NoWaitOfItsOwn) => (0, None),
            _ => (waiting_for, until),
        };
        held.line.waiting_for = waiting_for;
        self.queue.insert(held.line, held.place);
        if let Some(until) = until {
            self.waits.insert((until, id));
        }
    }

    /// Lets a payment that waits for itself be tried anew by those that refused it; it would forget
    /// for how long it waits if it were let go of. `false` where it does not.
    pub(super) fn forgive(&mut self, id: PaymentId, now: Duration) -> bool {
        let Some(held) = self.held.get_mut(&id) else {
            return false;
        };
        if !matches!(held.stage, Stage::Waiting) || held.denials.is_empty() {
            return false;
        }
        self.queue.remove(held.line, held.place);
        held.line.refused_by = 0;
        self.enqueue(id, now);
        true
    }

    /// Ends the waits that are over: their time has come, or their processor has recovered.
    pub(super) fn end_waits(&mut self, now: Duration) {
        let mut is_any_back = false;
        for processor in &mut self.processors {
            is_any_back |= std::mem::take(&mut processor.has_recovered);
        }
        if is_any_back {
            let waits = std::mem::take(&mut self.waits);
            for (_, id) in waits {
                self.enqueue_again(id, now);
            }
        }
        while let Some((at, id)) = self.waits.first().copied() {
            if at > now {
                return;
            }
            self.waits.remove(&(at, id));
            self.enqueue_again(id, now);
        }
    }

    fn enqueue_again(&mut self, id: PaymentId, now: Duration) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        if matches!(held.stage, Stage::Waiting) && held.line.waiting_for != 0 {
            self.queue.remove(held.line, held.place);
            self.enqueue(id, now);
        }
    }
}
