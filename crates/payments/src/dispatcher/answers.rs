//! What processors say, and what follows from it.

use std::time::Duration;

use ledger::{PaymentId, PaymentStateName};

use super::doubled::doubled;
use super::payment::{Pin, Stage};
use super::{Dispatcher, Effect, Question, SendRequest};
use crate::answer::{AttemptAnswer, Found};
use crate::policy::ProcessorIndex;

/// How long to wait before a processor is asked again for the same payment.
const ASK_WAIT_MIN: Duration = Duration::from_millis(50);
const ASK_WAIT_MAX: Duration = Duration::from_secs(5);
/// The same where it has the payment and has not decided: that may take hours.
const PENDING_WAIT_MAX: Duration = Duration::from_secs(60);
/// So often a payment is sent again where its absence can be proven by waiting: each time puts the
/// proof off.
const RESENDS_MAX: u32 = 3;
/// So much later than its timeout, which ends with the lease, the kernel has given up the bytes of a
/// request: its timers are coarse.
const KERNEL_GRACE: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// What became of a request.
    pub(super) fn answered(
        &mut self,
        request: &SendRequest,
        answer: AttemptAnswer,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let id = request.id;
        let held = self.window.get_mut(id);
        let held = held.filter(|held| held.attempt == request.attempt);
        let Some((held, pin)) = held.and_then(|held| match *held.stage() {
            Stage::Sent(pin) => Some((held, pin)),
            _ => None,
        }) else {
            if answer == AttemptAnswer::Recorded {
                self.recorded_late(request, now, effects);
            }
            return;
        };
        if answer == AttemptAnswer::Unknown {
            held.held_up_at.insert(pin.processor);
        }
        let is_repeated = held.denials.are_of(pin.processor);
        self.reports_awaited.over(pin.lease_until, id);
        self.processors[pin.processor].end(id, pin.sent_at, answer, is_repeated, now);
        self.wait_for(id, pin.processor, answer, now);
        #[cfg(test)]
        if answer == AttemptAnswer::AlreadyRecorded
            && self.planted == Some(super::Planted::AlreadyRecordedFails)
        {
            return self.release(id, pin, effects);
        }
        #[cfg(test)]
        if self.planted == Some(super::Planted::DenialBelieved)
            && !pin.is_unclear
            && matches!(
                answer,
                AttemptAnswer::NotRecorded(_) | AttemptAnswer::Refused | AttemptAnswer::Misdirected
            )
        {
            return self.release(id, pin, effects);
        }
        match answer {
            AttemptAnswer::Recorded => self.settle(id, pin, pin.requested_at, effects),
            AttemptAnswer::AlreadyRecorded => {
                let is_claimed = true;
                self.question(id, Pin { is_claimed, ..pin }.unclear(now), now);
            }
            AttemptAnswer::Unknown => self.question(id, pin.unclear(now), now),
            AttemptAnswer::Pending => self.question_later(id, pin.pending(now), now),
            // It settles the question for its own attempt only.
            AttemptAnswer::NotRecorded(_) | AttemptAnswer::Refused | AttemptAnswer::Misdirected
                if pin.is_unclear =>
            {
                self.question_later(id, pin, now);
            }
            AttemptAnswer::NotRecorded(why) if !why.was_answered() => {
                self.release(id, pin, effects);
            }
            AttemptAnswer::NotRecorded(_) | AttemptAnswer::Misdirected => self.denied(id, pin, now),
            AttemptAnswer::Refused => {
                self.window.refused(id, pin.processor);
                self.processors[pin.processor].count_refusal();
                self.denied(id, pin, now);
            }
        }
    }

    /// The answer says that the only attempt is not recorded. The one that answered may have seen it
    /// twice, and recorded it the first time: the processor is asked by id first.
    fn denied(&mut self, id: PaymentId, mut pin: Pin, now: Duration) {
        pin.is_denied = true;
        self.question(id, pin, now);
    }

    /// Requests whose report never came: nobody knows.
    pub(super) fn end_overdue(&mut self, now: Duration) {
        while let Some(id) = self.reports_awaited.pop_overdue(now) {
            // Of one that is not sent any more nobody awaits a report.
            if let Some(Stage::Sent(pin)) = self.window.stage(id) {
                self.processors[pin.processor].end(
                    id,
                    pin.sent_at,
                    AttemptAnswer::Unknown,
                    false,
                    now,
                );
                self.question(id, pin.unclear(now), now);
            }
        }
    }

    /// Nobody knows what became of it: the processor is asked at `at`.
    pub(super) fn question(&mut self, id: PaymentId, pin: Pin, at: Duration) {
        self.window.set_stage(id, Stage::Unknown(pin));
        self.questions.put(pin.processor, at, id);
        let processor = &mut self.processors[pin.processor];
        // What it has is under way no more, however long it takes to decide.
        match pin.is_pending {
            true => processor.lease_counts_no_more(pin.lease_until, id),
            false => processor.lease_counts(pin.lease_until, id),
        }
    }

    pub(super) fn question_later(&mut self, id: PaymentId, pin: Pin, now: Duration) {
        let wait_max = if pin.is_pending {
            PENDING_WAIT_MAX
        } else {
            ASK_WAIT_MAX
        };
        let mut at = now + doubled(ASK_WAIT_MIN, pin.asks_count).min(wait_max);
        if let Some(proof_at) = self.proof_at(&pin).filter(|proof_at| *proof_at > now) {
            at = at.min(proof_at);
        }
        self.question(id, pin, at);
    }

    /// From when on a processor that does not have it never will.
    fn proof_at(&self, pin: &Pin) -> Option<Duration> {
        let policy = self.processors[pin.processor].policy();
        let recorded_within = policy.recorded_within?;
        (!pin.is_claimed).then_some(pin.lease_until + KERNEL_GRACE + recorded_within)
    }

    pub(super) fn ask_questions(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        for processor in self.processors.indices() {
            while let Some(id) = self.questions.pop_due(processor, now) {
                let held = self.window.get(id);
                let held = held.map(|held| (*held.stage(), held.currency));
                let Some((Stage::Unknown(mut pin), currency)) = held else {
                    // What it was to be asked for is known, or it was let go of.
                    continue;
                };
                let number = self.questions.ask(processor);
                pin.asked_at = now;
                pin.asks_count += 1;
                pin.question = number;
                self.window.set_stage(id, Stage::Asking(pin));
                effects.push(Effect::Ask(Question {
                    id,
                    currency,
                    processor,
                    number,
                }));
            }
        }
    }

    /// What the processor says about a payment.
    pub(super) fn asked(
        &mut self,
        question: Question,
        found: Found,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let id = question.id;
        let is_answered = found != Found::Failed;
        self.questions.over(question.processor, is_answered, now);
        if is_answered {
            self.processors[question.processor].is_heard(now);
        }
        let asking = self.window.get(id).and_then(|held| match *held.stage() {
            Stage::Asking(pin) if pin.question == question.number => Some((held.amount, pin)),
            _ => None,
        });
        let Some((held_amount, pin)) = asking else {
            // Nobody waits for the answer any more. That it has the payment is its word all the same.
            return self.found_unasked(question, found, now, effects);
        };
        #[cfg(test)]
        if found == Found::Pending && self.planted == Some(super::Planted::PendingFails) {
            return self.release(id, pin, effects);
        }
        match found {
            Found::Recorded {
                amount,
                requested_at,
            } => {
                if amount == Some(held_amount) {
                    self.settle(id, pin, requested_at, effects);
                } else {
                    self.conflict(id, pin, requested_at, effects);
                }
            }
            Found::Pending => self.question_later(id, pin.pending(now), now),
            Found::Declined => self.declined(id, pin, effects),
            Found::Absent => self.absent(id, pin, now, effects),
            Found::Unclear | Found::Failed => self.question_later(id, pin, now),
        }
    }

    /// The processor has it and has decided that it is not paid there. A request that is still under way finds the id
    /// taken, and changes nothing of that.
    fn declined(&mut self, id: PaymentId, pin: Pin, effects: &mut Vec<Effect>) {
        let held = self.window.held(id);
        if !held.line().refused_by.contains(pin.processor) {
            self.window.refused(id, pin.processor);
            self.processors[pin.processor].count_refusal();
        }
        self.release(id, pin, effects);
    }

    /// The processor says by itself that it has decided something: it is asked at once, and from then on as often as in
    /// the beginning. What it said is not looked at.
    pub(super) fn called_back(&mut self, id: PaymentId, processor: ProcessorIndex, now: Duration) {
        match self.window.stage(id) {
            Some(Stage::Unknown(mut pin)) if pin.processor == processor => {
                self.questions.take_back(processor, id);
                // It may repeat itself as often as it likes.
                let at = now.max(pin.asked_at + ASK_WAIT_MIN);
                pin.asks_count = 0;
                self.question(id, pin, at);
            }
            // It may have been asked before it decided.
            Some(Stage::Asking(mut pin)) if pin.processor == processor => {
                pin.asks_count = 0;
                self.window.set_stage(id, Stage::Asking(pin));
            }
            // The answer to the request comes first.
            Some(
                Stage::Waiting
                | Stage::Sending(_)
                | Stage::Sent(_)
                | Stage::Unknown(_)
                | Stage::Asking(_)
                | Stage::Binding(_)
                | Stage::Ending(_)
                | Stage::Conflict(_)
                | Stage::Orphan,
            )
            | None => {}
        }
    }

    fn absent(&mut self, id: PaymentId, pin: Pin, now: Duration, effects: &mut Vec<Effect>) {
        let proof_at = self.proof_at(&pin);
        #[cfg(test)]
        if self.planted == Some(super::Planted::UnpinnedAtOnce) {
            return self.release(id, pin, effects);
        }
        let is_only_denied = pin.is_denied && !pin.is_unclear;
        if is_only_denied || proof_at.is_some_and(|proof_at| pin.asked_at >= proof_at) {
            return self.release(id, pin, effects);
        }
        let rooms = self.rooms(now);
        let is_probed_by_others = self.prober(pin.processor, &rooms, now).is_some();
        let processor = &mut self.processors[pin.processor];
        let lease = processor.policy().lease;
        let resend_at = pin.sent_at + resend_wait(&pin, lease);
        let held = self.window.get(id);
        let is_elsewhere = held.is_some_and(|held| held.proof.is_some());
        let is_foreign = held.is_some_and(|held| held.currency != self.policy.currency);
        // No byte would leave: only a record would be written.
        let may_resend = !pin.is_claimed
            && !is_elsewhere
            && !is_foreign
            && (proof_at.is_none() || pin.resends_count < RESENDS_MAX)
            && now >= resend_at
            && processor.has_room_again(now, is_probed_by_others)
            && !self.is_stopping;
        if !may_resend {
            return self.question_later(id, pin, now);
        }
        processor.lease_counts_no_more(pin.lease_until, id);
        processor.start(id, now);
        let pin = Pin {
            sent_at: now,
            lease_until: pin.lease_until.max(now + lease),
            resends_count: pin.resends_count + 1,
            ..pin
        };
        self.window.set_stage(id, Stage::Sending(pin));
        self.submit_send(id, PaymentStateName::Sent, pin, effects);
    }
}

/// How long after it was sent a payment is sent again to a processor that does not have it: at once
/// at first, then seldom. Between two sendings an operator can end it.
fn resend_wait(pin: &Pin, lease: Duration) -> Duration {
    match pin.resends_count.checked_sub(RESENDS_MAX) {
        None => Duration::ZERO,
        Some(more) => doubled(lease * 2, more).min(lease * 8),
    }
}
