//! What follows for a processor from the answer to a request.

use std::time::Duration;

use ledger::PaymentId;

use super::{Breaker, LIMIT_MIN, MISDIRECTED_WAIT_MAX, PROBE_WAIT_MAX, Processor};
use crate::answer::{AttemptAnswer, NotRecorded};
use crate::dispatcher::doubled::doubled;

/// So many failures in a row open the breaker.
const FAILURES_MAX: u32 = 3;
/// A processor that took nothing for so long, and was tried as often, no longer works: a payment that
/// is never taken does not show that in a moment.
const TAKES_NOTHING_AFTER: Duration = Duration::from_secs(5);
/// How long a processor that had no room is left alone at most, whatever it asks for.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(60);
const BUSY_WAIT_MIN: Duration = Duration::from_millis(50);

impl Processor {
    /// A request is over. What it says again of one payment (`is_repeated`) is not about the
    /// processor, as long as that records others.
    pub(in crate::dispatcher) fn end(
        &mut self,
        id: PaymentId,
        sent_at: Duration,
        answer: AttemptAnswer,
        is_repeated: bool,
        now: Duration,
    ) {
        let was_full = self.under_way_count() >= self.limit;
        if matches!(
            answer,
            AttemptAnswer::NotRecorded(NotRecorded::Failing | NotRecorded::NotYet { .. })
                | AttemptAnswer::Misdirected
        ) {
            self.denied(now);
        }
        match answer {
            // No byte left: it says nothing of the speed.
            AttemptAnswer::NotRecorded(NotRecorded::LeaseOver | NotRecorded::Unreachable) => {
                self.delay.cancel(sent_at, id);
            }
            AttemptAnswer::Recorded
            | AttemptAnswer::AlreadyRecorded
            | AttemptAnswer::Pending
            | AttemptAnswer::NotRecorded(
                NotRecorded::Busy { .. } | NotRecorded::NotYet { .. } | NotRecorded::Failing,
            )
            | AttemptAnswer::Refused
            | AttemptAnswer::Misdirected
            | AttemptAnswer::Unknown => self.delay.end(sent_at, id, now),
        }
        match answer {
            AttemptAnswer::Recorded
            | AttemptAnswer::AlreadyRecorded
            | AttemptAnswer::Pending
            | AttemptAnswer::Refused => {
                if self.takes_nothing(now) {
                    self.recover(now);
                }
                self.denials_count = 0;
                self.close(now);
                self.is_working = true;
                self.adapt(was_full);
            }
            AttemptAnswer::NotRecorded(NotRecorded::LeaseOver) => {
                if self.breaker == Breaker::Probing {
                    self.open(now, false);
                }
            }
            AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after }) => {
                self.close(now);
                let wait = retry_after.unwrap_or(BUSY_WAIT_MIN);
                let until = now + wait.clamp(BUSY_WAIT_MIN, BUSY_WAIT_MAX);
                self.busy_until = self.busy_until.max(until);
                self.limit = (self.limit / 2).max(LIMIT_MIN.min(self.policy.concurrency_max));
            }
            AttemptAnswer::NotRecorded(NotRecorded::Failing | NotRecorded::NotYet { .. })
            | AttemptAnswer::Misdirected
                if is_repeated && self.is_working => {}
            AttemptAnswer::NotRecorded(NotRecorded::Failing | NotRecorded::NotYet { .. }) => {
                self.fail(now, false);
            }
            AttemptAnswer::NotRecorded(NotRecorded::Unreachable) | AttemptAnswer::Unknown => {
                self.fail(now, true);
            }
            AttemptAnswer::Misdirected
                if self.is_working && self.failures_count + 1 < FAILURES_MAX =>
            {
                self.failures_count += 1;
            }
            AttemptAnswer::Misdirected => {
                self.open(now, false);
                let wait = doubled(PROBE_WAIT_MAX, self.misdirected_count);
                // The same payment again says nothing new: others need not wait longer for it.
                self.misdirected_count += u32::from(!is_repeated);
                self.breaker = Breaker::Open {
                    probe_at: now + wait.min(MISDIRECTED_WAIT_MAX),
                    is_silent: false,
                };
            }
        }
    }

    /// It did not take a payment. What it says again of the same few is held against it once it has
    /// long recorded nothing.
    fn denied(&mut self, now: Duration) {
        if self.denials_count == 0 {
            self.denied_since = now;
        }
        self.denials_count = self.denials_count.saturating_add(1);
        if self.takes_nothing(now) {
            self.is_working = false;
        }
    }

    /// Whether it has long answered without recording anything.
    fn takes_nothing(&self, now: Duration) -> bool {
        self.denials_count >= FAILURES_MAX && now >= self.denied_since + TAKES_NOTHING_AFTER
    }

    /// What works and is used gets more; what is not used is given back, so that a processor that
    /// turns slow has no more than it needed.
    fn adapt(&mut self, was_full: bool) {
        if was_full {
            self.limit = (self.limit + 1).min(self.policy.concurrency_max);
        } else if self.under_way_count() * 4 < self.limit {
            self.limit = (self.limit - 1).max(LIMIT_MIN.min(self.policy.concurrency_max));
        }
    }

    fn fail(&mut self, now: Duration, is_silent: bool) {
        self.failures_count += 1;
        let is_over = self.breaker == Breaker::Closed && self.failures_count >= FAILURES_MAX;
        if is_over || self.breaker == Breaker::Probing {
            self.open(now, is_silent);
        }
    }
}
