//! Requests and questions on their way to the processors, and what becomes of them there.

use std::time::Duration;

use ledger::{Millis, PaymentId};
use rand::Rng;

use super::faults::Bug;
use super::ms;
use super::node::{ClaimsLease, Life};
use super::processor::Kept;
use super::world::{Happening, TIMEOUT, World};
use crate::answer::{Answer, Found, NotRecorded};
use crate::dispatcher::{Input, SendRequest};

impl World {
    fn report(&mut self, life: Life, request: &SendRequest, answer: Answer) {
        let input = Input::Answered(request.id, request.attempt, answer);
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
            let answer = Answer::NotRecorded(NotRecorded::LeaseOver);
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
        if self.chance(self.faults.no_connection) {
            let answer = Answer::NotRecorded(NotRecorded::Unreachable);
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
            let arrival = self.now + self.network();
            self.at(arrival, Happening::Arrive(life, request));
        }
        let attempt = request.attempt;
        let timeout = Input::Answered(id, attempt, Answer::Unknown);
        // The report that comes first counts; the dispatcher ignores the other.
        self.at(self.now + TIMEOUT, Happening::Input(life, timeout));
    }

    pub(super) fn arrive(&mut self, life: Life, request: SendRequest) {
        let refuses_all = self.faults.refusing > 0 && request.id.to_u128().is_multiple_of(7);
        if self.processors[request.processor].is_dead {
            return;
        }
        if self.chance(self.faults.busy) {
            let retry_after = Some(ms(100));
            let answer = Answer::NotRecorded(NotRecorded::Busy { retry_after });
            return self.respond(life, request, answer);
        }
        if refuses_all || self.chance(self.faults.refusing) {
            return self.respond(life, request, Answer::Refused);
        }
        let processor = &self.processors[request.processor];
        let (delay, late_max) = (processor.delay, processor.late_max);
        if self.chance(self.faults.failing) {
            let answer = Answer::NotRecorded(NotRecorded::Failing);
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
        if self.processors[request.processor].kept.contains_key(&id) {
            self.tally.duplicates += 1;
            return self.respond(life, request, Answer::AlreadyRecorded);
        }
        if self
            .processors
            .iter()
            .any(|other| other.kept.contains_key(&id))
        {
            self.broken = Some(format!("payment {id} is recorded by two processors"));
        }
        let kept = Kept {
            amount: request.amount,
            requested_at: request.requested_at,
        };
        self.processors[request.processor].kept.insert(id, kept);
        let answer = match is_error {
            true => Answer::Unknown,
            false => Answer::Recorded,
        };
        self.respond(life, request, answer);
    }

    fn respond(&mut self, life: Life, request: SendRequest, answer: Answer) {
        if self.chance(self.faults.answer_lost) {
            return;
        }
        let (id, attempt) = (request.id, request.attempt);
        let at = self.now + self.network();
        self.at(
            at,
            Happening::Input(life, Input::Answered(id, attempt, answer)),
        );
    }

    pub(super) fn question(&mut self, life: Life, id: PaymentId, place: usize) {
        let fails = self.chance(self.faults.question_fails);
        let processor = &self.processors[place];
        let found = match processor.kept.get(&id) {
            _ if processor.is_dead || fails => Found::Failed,
            Some(kept) => Found::Recorded {
                amount: Some(kept.amount),
                requested_at: kept.requested_at,
            },
            None => Found::Absent,
        };
        let at = self.now + self.network();
        self.at(at, Happening::Input(life, Input::Asked(id, found)));
    }
}
