//! Requests and questions on their way to the processors, and what becomes of them there.

use std::time::Duration;

use ledger::{Millis, PaymentId};
use rand::Rng;

use super::faults::Bug;
use super::ms;
use super::node::{ClaimsLease, Life};
use super::processor::Kept;
use super::world::{Happening, TIMEOUT, World};
use crate::answer::{AttemptAnswer, Found, NotRecorded};
use crate::dispatcher::{Input, Question, SendRequest};
use crate::policy::ProcessorIndex;

/// How long a kernel goes on sending what nobody acknowledges, if it is not told to give up.
const KEPT_MAX: Duration = Duration::from_secs(60);
/// How long a processor may take to decide.
const DECIDED_WITHIN: Duration = Duration::from_secs(20);

impl World {
    fn report(&mut self, life: Life, request: &SendRequest, answer: AttemptAnswer) {
        let input = Input::Answered {
            request: *request,
            answer,
        };
        self.at(self.now, Happening::Input(life, input));
    }

    /// Bytes leave only while both leases outlive the request: the payment's, and that of the claims
    /// as it was when the request was given out.
    pub(super) fn write(&mut self, life: Life, mut request: SendRequest, lease: ClaimsLease) {
        let leave_by = match self.bug {
            Some(Bug::LeaseUnchecked) => lease.until,
            Some(Bug::ClaimsUnchecked) => request.lease_until,
            _ => request.lease_until.min(lease.until),
        };
        if self.now + TIMEOUT > leave_by {
            self.tally.lease_over += 1;
            let answer = AttemptAnswer::NotRecorded(NotRecorded::LeaseOver);
            return self.report(life, &request, answer);
        }
        let id = request.id;
        if self
            .claims
            .owner(id)
            .is_some_and(|owner| owner != lease.number)
        {
            self.broken = Some(format!(
                "the bytes of payment {id} leave a node that has lost it"
            ));
        }
        if self.sent_by.get(&(id, request.attempt)) != Some(&life) {
            self.broken = Some(format!(
                "the bytes of payment {id} leave for an attempt that another has recorded"
            ));
        }
        if self.chance(self.faults.no_connection) {
            let answer = AttemptAnswer::NotRecorded(NotRecorded::Unreachable);
            return self.report(life, &request, answer);
        }
        let told = (request.processor, request.requested_at);
        if self.told.insert(request.id, told) == Some(told) {
            self.tally.resends += 1;
            if self.bug == Some(Bug::RequestedAtRenewed) {
                request.requested_at = Millis(self.wall(life));
            }
        }
        if !self.chance(self.faults.request_lost) {
            let kept = match self.chance(self.faults.bytes_late) {
                true => self.rng.random_range(Duration::ZERO..KEPT_MAX),
                false => Duration::ZERO,
            };
            // The kernel sends nothing for longer than that, whatever becomes of the process.
            if kept <= TIMEOUT || self.bug == Some(Bug::BytesKept) {
                self.tally.bytes_late += u64::from(!kept.is_zero());
                let arrival = self.now + kept + self.network();
                self.at(arrival, Happening::Arrive(life, request));
            }
        }
        let timeout = Input::Answered {
            request,
            answer: AttemptAnswer::Unknown,
        };
        // The report that comes first counts; the dispatcher ignores the other.
        self.at(self.now + TIMEOUT, Happening::Input(life, timeout));
    }

    pub(super) fn arrive(&mut self, life: Life, request: SendRequest) {
        let refuses_all = self.faults.refusing > 0 && request.id.to_u128().is_multiple_of(7);
        let processor = &self.processors[request.processor.get()];
        if processor.is_silent(self.now) {
            return;
        }
        if processor.is_stuck(request.id) {
            return self.respond(life, request, AttemptAnswer::AlreadyRecorded);
        }
        if processor.never_takes(request.id) {
            self.tally.never_taken += 1;
            let answer = match request.id.to_u128() % 3 {
                0 => AttemptAnswer::Misdirected,
                1 => AttemptAnswer::NotRecorded(NotRecorded::Failing),
                _ => AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after: None }),
            };
            return self.respond(life, request, answer);
        }
        if self.chance(self.faults.busy) {
            let retry_after = Some(ms(100));
            let answer = AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after });
            return self.respond(life, request, answer);
        }
        if refuses_all || self.chance(self.faults.refusing) {
            return self.respond(life, request, AttemptAnswer::Refused);
        }
        let processor = &self.processors[request.processor.get()];
        let (delay, late_max) = (processor.delay, processor.late_max);
        if self.chance(self.faults.failing) {
            let answer = AttemptAnswer::NotRecorded(NotRecorded::Failing);
            return self.respond(life, request, answer);
        }
        let mut at = self.now + delay;
        if self.chance(self.faults.recorded_late) {
            self.tally.late += 1;
            at += self.rng.random_range(Duration::ZERO..late_max);
        }
        let is_error = self.chance(self.faults.error_after_recording);
        self.at(at, Happening::Record(life, request, is_error));
    }

    pub(super) fn record(&mut self, life: Life, request: SendRequest, is_error: bool) {
        let id = request.id;
        let processor = &self.processors[request.processor.get()];
        if processor.kept.contains_key(&id) {
            self.tally.duplicates += 1;
            return self.respond(life, request, AttemptAnswer::AlreadyRecorded);
        }
        if processor.undecided.contains_key(&id) {
            return self.respond(life, request, AttemptAnswer::Pending);
        }
        if processor.declined.contains(&id) {
            return self.respond(life, request, AttemptAnswer::Refused);
        }
        self.record_at(request.processor, id);
        let kept = Kept {
            amount: request.amount,
            requested_at: request.requested_at,
        };
        let processor = &mut self.processors[request.processor.get()];
        let good = match processor.is_slow_to_decide {
            true => {
                processor.undecided.insert(id, kept);
                self.tally.undecided += 1;
                let decided_at = self.now + self.rng.random_range(Duration::ZERO..DECIDED_WITHIN);
                self.at(decided_at, Happening::Decide(request.processor, id));
                AttemptAnswer::Pending
            }
            false => {
                processor.kept.insert(id, kept);
                AttemptAnswer::Recorded
            }
        };
        let answer = match is_error {
            true => AttemptAnswer::Unknown,
            false if self.chance(self.faults.repeated) => self.answer_to_a_repetition(),
            false => good,
        };
        self.respond(life, request, answer);
    }

    /// A processor takes a payment that no other may have.
    fn record_at(&mut self, place: ProcessorIndex, id: PaymentId) {
        let mut others = self.processors.iter().enumerate();
        if others.any(|(other, processor)| other != place.get() && processor.may_pay(id)) {
            self.broken = Some(format!("payment {id} is recorded by two processors"));
        }
    }

    /// A processor decides, and may say so by itself.
    pub(super) fn decide(&mut self, place: ProcessorIndex, id: PaymentId) {
        let processor = &mut self.processors[place.get()];
        let Some(kept) = processor.undecided.remove(&id) else {
            unreachable!("each payment is decided once");
        };
        if processor.declines(id) {
            processor.declined.insert(id);
        } else {
            processor.kept.insert(id, kept);
        }
        let node = self.rng.random_range(0..self.nodes.len());
        let (life, processor) = (self.nodes[node].life, place);
        let at = self.now + self.network();
        self.at(
            at,
            Happening::Input(life, Input::CalledBack { id, processor }),
        );
    }

    fn answer_to_a_repetition(&mut self) -> AttemptAnswer {
        self.tally.repeated += 1;
        let retry_after = None;
        match self.rng.random_range(0..5) {
            0 => AttemptAnswer::AlreadyRecorded,
            1 => AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after }),
            2 => AttemptAnswer::NotRecorded(NotRecorded::Failing),
            3 => AttemptAnswer::Misdirected,
            _ => AttemptAnswer::Refused,
        }
    }

    fn respond(&mut self, life: Life, request: SendRequest, answer: AttemptAnswer) {
        if self.chance(self.faults.answer_lost) {
            return;
        }
        let at = self.now + self.network();
        let input = Input::Answered { request, answer };
        if self.chance(self.faults.answer_repeated) {
            let again = at + self.rng.random_range(Duration::ZERO..ms(5_000));
            self.at(again, Happening::Input(life, input.clone()));
        }
        self.at(at, Happening::Input(life, input));
    }

    pub(super) fn question(&mut self, life: Life, question: Question, is_probe: bool) {
        let fails = self.chance(self.faults.question_fails);
        let processor = &self.processors[question.processor.get()];
        let found = match processor.kept.get(&question.id) {
            _ if processor.is_silent(self.now) || fails => Found::Failed,
            _ if processor.undecided.contains_key(&question.id) => Found::Pending,
            _ if processor.declined.contains(&question.id) => Found::Declined,
            Some(kept) => Found::Recorded {
                amount: Some(kept.amount),
                requested_at: kept.requested_at,
            },
            None => Found::Absent,
        };
        let at = self.now + self.network();
        let input = match is_probe {
            true => Input::Probed { question, found },
            false => Input::Asked { question, found },
        };
        self.at(at, Happening::Input(life, input));
    }
}
