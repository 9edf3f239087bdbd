//! Commands to the ledger, and what it says to them.

use std::time::Duration;

use ledger::{
    Command, Outcome, Payment, PaymentId, PaymentState, PaymentStateName, Record, RefusedCode,
    Unavailable,
};

use super::payment::{Pin, Proof, Stage};
use super::processor_set::ProcessorSet;
use super::{Dispatcher, Effect, SendRequest};

impl Dispatcher {
    pub(super) fn submit_send(
        &mut self,
        id: PaymentId,
        state: PaymentStateName,
        pin: Pin,
        effects: &mut Vec<Effect>,
    ) {
        let held = self.window.held(id);
        let command = Command::SendPayment {
            id,
            expected: held.expected(state),
            processor: self.processors[pin.processor].policy().name.clone(),
            requested_at: pin.requested_at,
        };
        self.commands.give(id, command, effects);
    }

    /// The processor has it: under this time.
    pub(super) fn settle(
        &mut self,
        id: PaymentId,
        pin: Pin,
        requested_at: ledger::Millis,
        effects: &mut Vec<Effect>,
    ) {
        let held = self.window.held(id);
        let command = Command::SettlePayment {
            id,
            expected: held.expected(PaymentStateName::Sent),
            requested_at,
        };
        self.window.set_stage(id, Stage::Ending(pin));
        self.commands.give(id, command, effects);
    }

    /// The processor that a payment is bound to has it: it is settled there, unless the amount is
    /// another.
    pub(super) fn settle_or_conflict(
        &mut self,
        id: PaymentId,
        pin: Pin,
        proof: Proof,
        effects: &mut Vec<Effect>,
    ) {
        if proof.is_other_amount(self.window.held(id).amount) {
            return self.conflict(id, pin, proof.requested_at, effects);
        }
        self.settle(id, pin, proof.requested_at, effects);
    }

    /// No attempt was recorded: back to the queue, or to its end where nobody wants it.
    pub(super) fn release(&mut self, id: PaymentId, pin: Pin, effects: &mut Vec<Effect>) {
        let everybody = ProcessorSet::first(self.processors.len());
        let held = self.window.held(id);
        let expected = held.expected(PaymentStateName::Sent);
        let command = if held.line().refused_by == everybody && held.proof.is_none() {
            let code = RefusedCode::ProcessorRefused;
            Command::RefusePayment { id, expected, code }
        } else {
            Command::ReleasePayment { id, expected }
        };
        self.window.set_stage(id, Stage::Ending(pin));
        self.commands.give(id, command, effects);
    }

    pub(super) fn outcome(
        &mut self,
        id: PaymentId,
        result: Result<Box<Outcome>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if let (Err(Unavailable::StorageDamaged), Some(Stage::Sending(pin))) =
            (&result, self.window.stage(id))
        {
            return self.damaged(id, pin, now, effects);
        }
        let Some((answered, outcome)) = self.commands.answered(id, result, now) else {
            return;
        };
        match outcome.result {
            Ok(Record::Payment(payment)) => {
                let was_refusal = matches!(answered.command, Command::RefusePayment { .. });
                let was_settlement = matches!(answered.command, Command::SettlePayment { .. });
                self.count(&payment, was_settlement, was_refusal);
                let is_ours = match self.window.stage(id) {
                    // Another may have sent it again before the try that was not answered: it has
                    // the same time. What is unclear already loses nothing by a question.
                    Some(Stage::Sending(pin)) if pin.is_unclear => !outcome.replayed,
                    Some(Stage::Sending(_)) => !outcome.replayed || answered.may_be_done,
                    _ => true,
                };
                #[cfg(test)]
                let is_ours = is_ours || self.planted == Some(super::Planted::ReplayTakenForFresh);
                if is_ours {
                    self.done(&payment, now, effects);
                } else {
                    self.sent_by_others(&payment, now);
                }
            }
            // Somebody else has brought it to another state: as the ledger has it, it is found
            // again if it is still due.
            Ok(_) | Err(_) => self.overtaken(id, &answered.command, now, effects),
        }
    }

    /// Somebody else has brought a payment to another state. Where its processor has it, that is
    /// looked at: nobody may settle it there any more.
    fn overtaken(
        &mut self,
        id: PaymentId,
        command: &Command,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let words = self.window.held(id).words_with(command);
        self.forget(id, now);
        self.window.rescan_soon(now);
        for word in words {
            self.words.look(id, word, effects);
        }
    }

    /// The ledger does not record a payment as sent, since a record that it needs for that is damaged. No
    /// byte leaves, and that may stay so for long: the payment gives back its room at the processor, where
    /// it is no probe any more and counts in no delay. If no attempt of it can have been recorded, it is
    /// found again when the list is walked from its beginning. Otherwise its processor goes on being asked.
    fn damaged(&mut self, id: PaymentId, pin: Pin, now: Duration, effects: &mut Vec<Effect>) {
        let Some(command) = self.commands.forget(id) else {
            return;
        };
        let held = self.window.held(id);
        match held.proof {
            Some(proof) if pin.is_unclear => self.sent_and_proven(id, pin, proof, now, effects),
            None if pin.is_unclear => {
                self.processors[pin.processor].cancel(id, pin.sent_at, now);
                self.question_later(id, pin, now);
            }
            Some(_) | None => {
                let words = held.words_with(&command);
                self.forget(id, now);
                for word in words {
                    self.words.look(id, word, effects);
                }
            }
        }
    }

    /// The ledger had `sent` before it was told: the node that told it may be about to send, or has sent.
    fn sent_by_others(&mut self, payment: &Payment, now: Duration) {
        let id = payment.id;
        let Some(Stage::Sending(pin)) = self.window.stage(id) else {
            unreachable!("only a payment that was to be sent is found sent by others");
        };
        self.window.held_mut(id).attempt = payment.attempt;
        let processor = &mut self.processors[pin.processor];
        processor.cancel(id, pin.sent_at, now);
        let lease_until = pin.lease_until.max(now + processor.policy().lease);
        let pin = Pin { lease_until, ..pin };
        self.question(id, pin.unclear(now), now);
    }

    /// The ledger has carried out a command.
    fn done(&mut self, payment: &Payment, now: Duration, effects: &mut Vec<Effect>) {
        let id = payment.id;
        let held = self.window.held_mut(id);
        let (stage, proof) = (*held.stage(), held.proof);
        match (&payment.state, stage) {
            (PaymentState::Sent { .. }, Stage::Sending(pin)) => {
                held.attempt = payment.attempt;
                match proof {
                    Some(proof) => self.sent_and_proven(id, pin, proof, now, effects),
                    None => self.send(id, pin, now, effects),
                }
            }
            (PaymentState::Sent { .. }, Stage::Binding(pin)) => {
                held.attempt = payment.attempt;
                if pin.is_pending {
                    return self.question(id, pin, now);
                }
                if pin.is_other_amount {
                    return self.conflict(id, pin, pin.requested_at, effects);
                }
                self.settle(id, pin, pin.requested_at, effects);
            }
            (PaymentState::Accepted, Stage::Ending(pin)) => {
                if let Some(proof) = held.proof.take() {
                    self.unpin(id, &stage, &pin, now);
                    return self.bind(id, proof, now, effects);
                }
                // It was sent under another configuration, and nobody is paid in its currency any more.
                if payment.currency != self.policy.currency {
                    return self.forget(id, now);
                }
                // What only a broken processor might still want must not fill the window. It is
                // found again when the list is walked from its beginning.
                let is_fresh = held.line().refused_by.is_empty() && held.denials.is_empty();
                let parked_count = self.window.waiting_count() - self.window.fresh_count();
                if !is_fresh && parked_count >= self.policy.window {
                    return self.forget(id, now);
                }
                self.enqueue(id, now);
                self.unpin(id, &stage, &pin, now);
            }
            _ => {
                let words = held.words();
                self.forget(id, now);
                self.ended(payment, &words, effects);
            }
        }
    }

    /// The ledger has `sent`: the request may leave.
    fn send(&mut self, id: PaymentId, mut pin: Pin, now: Duration, effects: &mut Vec<Effect>) {
        self.processors[pin.processor].leave(pin.sent_at, id, now);
        pin.sent_at = now;
        self.window.set_stage(id, Stage::Sent(pin));
        let held = self.window.held(id);
        effects.push(Effect::Send(SendRequest {
            id,
            attempt: held.attempt,
            processor: pin.processor,
            amount: held.amount,
            currency: held.currency,
            requested_at: pin.requested_at,
            lease_until: pin.lease_until,
        }));
        self.reports_awaited.begin(pin.lease_until, id);
    }

    /// The ledger has a payment as it cannot be dispatched any more. `words` are processors' words that came
    /// meanwhile.
    fn ended(&mut self, payment: &Payment, words: &[Proof], effects: &mut Vec<Effect>) {
        let settled_at = match &payment.state {
            PaymentState::Settled { processor, .. } => self.processors.named(processor),
            PaymentState::Accepted | PaymentState::Sent { .. } | PaymentState::Refused { .. } => {
                None
            }
        };
        if let Some(place) = settled_at {
            self.conflicts.solved(payment.id, place);
        }
        for word in words {
            if settled_at == Some(word.processor) {
                self.compare_settled(payment, *word, effects);
            } else {
                self.words.look(payment.id, *word, effects);
            }
        }
    }

    /// The ledger has `sent`, and meanwhile a processor said that it has the payment: no byte leaves.
    fn sent_and_proven(
        &mut self,
        id: PaymentId,
        pin: Pin,
        proof: Proof,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        self.processors[pin.processor].cancel(id, pin.sent_at, now);
        if proof.processor == pin.processor {
            self.settle_or_conflict(id, pin, proof, effects);
        } else if pin.is_unclear {
            self.report(id, proof, Some(PaymentStateName::Sent), None, effects);
            self.question(id, pin, now);
        } else {
            self.release(id, pin, effects);
        }
    }
}
