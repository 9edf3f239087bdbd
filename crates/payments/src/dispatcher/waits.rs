//! A payment's own wait, where a processor does not take it.
//!
//! An answer that is about the caller, a failure that is definite, "not yet": they may be about the
//! processor, and then its breaker opens. They may as well be about this payment alone, for ever. So
//! each payment waits for itself before it goes to that processor again, longer each time, and costs
//! no record meanwhile; while the processor records others, it is not held against the processor.

use std::time::Duration;

use ledger::PaymentId;

use super::Dispatcher;
#[cfg(test)]
use super::denials::Waiting;
use super::payment::Stage;
use super::processor::MISDIRECTED_WAIT_MAX;
use crate::answer::{AttemptAnswer, NotRecorded};
use crate::policy::ProcessorIndex;

/// The longest wait at a processor that records others.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The longest wait at one that records nothing: the payment may be all that finds out that it is
/// back.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// A processor did not take a payment: it does not get it again for a while.
    pub(super) fn wait_for(
        &mut self,
        id: PaymentId,
        processor: ProcessorIndex,
        answer: AttemptAnswer,
        now: Duration,
    ) {
        let (asked_for, probe_wait_max) = match answer {
            AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after }) => {
                (retry_after.unwrap_or(Duration::ZERO), PROBE_WAIT_MAX)
            }
            AttemptAnswer::NotRecorded(NotRecorded::Failing) => (Duration::ZERO, PROBE_WAIT_MAX),
            // Somebody has to mend it first.
            AttemptAnswer::Misdirected => (Duration::ZERO, MISDIRECTED_WAIT_MAX),
            AttemptAnswer::NotRecorded(
                NotRecorded::Busy { .. } | NotRecorded::LeaseOver | NotRecorded::Unreachable,
            )
            | AttemptAnswer::Recorded
            | AttemptAnswer::AlreadyRecorded
            | AttemptAnswer::Pending
            | AttemptAnswer::Refused
            | AttemptAnswer::Unknown => return,
        };
        let wait_max = match self.processors[processor].is_working() {
            true => WAIT_MAX,
            false => probe_wait_max,
        };
        if let Some(held) = self.window.get_mut(id) {
            let wait_min = asked_for.min(WAIT_MAX);
            held.denials.add(processor, now, wait_max, wait_min);
        }
    }

    /// Puts a payment that waits into the line of those that may go where it may.
    pub(super) fn enqueue(&mut self, id: PaymentId, now: Duration) {
        let held = self.window.held(id);
        let recovered_at = |processor| self.processors[processor].recovered_at();
        let waiting = held.denials.waiting(now, recovered_at);
        #[cfg(test)]
        let waiting = match self.planted {
            Some(super::Planted::NoWaitOfItsOwn) => Waiting::default(),
            _ => waiting,
        };
        self.window.enqueue(id, waiting);
    }

    /// Lets a payment that waits for itself be tried anew by those that refused it; it would forget
    /// for how long it waits if it were let go of. `false` where it does not.
    pub(super) fn forgive(&mut self, id: PaymentId, now: Duration) -> bool {
        let held = self.window.get(id);
        let is_waiting = held.is_some_and(|held| matches!(held.stage(), Stage::Waiting));
        if !is_waiting || held.is_none_or(|held| held.denials.is_empty()) {
            return false;
        }
        self.window.forgive(id);
        self.enqueue(id, now);
        true
    }

    /// Ends the waits that are over: their time has come, or their processor has recovered.
    pub(super) fn end_waits(&mut self, now: Duration) {
        let mut is_any_back = false;
        for processor in self.processors.iter_mut() {
            is_any_back |= processor.take_recovery();
        }
        if is_any_back {
            for (_, id) in self.window.take_waits() {
                self.enqueue_again(id, now);
            }
        }
        while let Some(id) = self.window.pop_wait(now) {
            self.enqueue_again(id, now);
        }
    }

    fn enqueue_again(&mut self, id: PaymentId, now: Duration) {
        let is_waiting = self.window.get(id).is_some_and(|held| {
            matches!(held.stage(), Stage::Waiting) && !held.line().waiting_for.is_empty()
        });
        if is_waiting {
            self.enqueue(id, now);
        }
    }
}
