//! Commands to the ledger, and what it says to them.

use std::time::Duration;

use ledger::{
    Command, Outcome, Payment, PaymentId, PaymentState, PaymentStateName, ProcessorName, Record,
    RefusedCode, Unavailable,
};

use super::payment::{Held, Pending, Pin, Proof, Stage};
use super::processor::doubled;
use super::{Dispatcher, Effect, REPORT_GRACE, SendRequest};

/// How long to wait before a command that was not answered is given again.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(20);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

impl Dispatcher {
    pub(super) fn submit_send(
        &mut self,
        id: PaymentId,
        state: PaymentStateName,
        pin: Pin,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let command = Command::SendPayment {
            id,
            expected: held.expected(state),
            processor: self.policy.processors[pin.processor].name.clone(),
            requested_at: pin.requested_at,
        };
        self.submit(id, command, effects);
    }

    /// The processor has it: under this time.
    pub(super) fn settle(
        &mut self,
        id: PaymentId,
        pin: Pin,
        requested_at: ledger::Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.stage = Stage::Ending(pin);
        let command = Command::SettlePayment {
            id,
            expected: held.expected(PaymentStateName::Sent),
            requested_at,
        };
        self.submit(id, command, effects);
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
        let held = self.held.get(&id);
        if held.is_some_and(|held| proof.is_other_amount(held.amount)) {
            return self.conflict(id, pin, proof.requested_at, effects);
        }
        self.settle(id, pin, proof.requested_at, effects);
    }

    /// No attempt was recorded: back to the queue, or to its end where nobody wants it.
    pub(super) fn release(&mut self, id: PaymentId, pin: Pin, effects: &mut Vec<Effect>) {
        let everybody = u64::MAX >> (64 - self.processors.len().clamp(1, 64));
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.stage = Stage::Ending(pin);
        let expected = held.expected(PaymentStateName::Sent);
        let command = if held.line.refused_by == everybody && held.proof.is_none() {
            let code = RefusedCode::ProcessorRefused;
            Command::RefusePayment { id, expected, code }
        } else {
            Command::ReleasePayment { id, expected }
        };
        self.submit(id, command, effects);
    }

    fn submit(&mut self, id: PaymentId, command: Command, effects: &mut Vec<Effect>) {
        if let Some(held) = self.held.get_mut(&id) {
            held.pending = Some(Pending {
                command: command.clone(),
                tries: 0,
                may_be_done: false,
            });
            self.commands_count += 1;
            effects.push(Effect::Submit(id, command));
        }
    }

    pub(super) fn retry_commands(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.retries.first().copied() {
            if at > now {
                return;
            }
            self.retries.remove(&(at, id));
            if let Some(pending) = self.held.get(&id).and_then(|held| held.pending.as_ref()) {
                effects.push(Effect::Submit(id, pending.command.clone()));
            }
        }
    }

    pub(super) fn outcome(
        &mut self,
        id: PaymentId,
        result: Result<Box<Outcome>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let Some(mut pending) = held.pending.take() else {
            return;
        };
        let outcome = match result {
            Ok(outcome) => outcome,
            // Done or not: the same command again has the same outcome.
            Err(unavailable) => {
                let wait = doubled(RETRY_WAIT_MIN, pending.tries).min(RETRY_WAIT_MAX);
                pending.tries += 1;
                pending.may_be_done |= !unavailable.nothing_done();
                held.pending = Some(pending);
                self.retries.insert((now + wait, id));
                return;
            }
        };
        self.commands_count -= 1;
        match outcome.result {
            Ok(Record::Payment(payment)) => {
                let was_refusal = matches!(pending.command, Command::RefusePayment { .. });
                let was_settlement = matches!(pending.command, Command::SettlePayment { .. });
                self.count(&payment, was_settlement, was_refusal);
                let is_ours = match held_stage(self.held.get(&id)) {
                    // Another may have sent it again before the try that was not answered: it has
                    // the same time. What is unclear already loses nothing by a question.
                    Some(Stage::Sending(pin)) if pin.is_unclear => !outcome.replayed,
                    Some(Stage::Sending(_)) => !outcome.replayed || pending.may_be_done,
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
            Ok(_) | Err(_) => self.overtaken(id, &pending.command, now, effects),
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
        let Some(held) = self.held.get(&id) else {
            return;
        };
        let proofs = [held.proof, held.proof_of(command)];
        self.forget(id, now);
        self.rescan_soon(now);
        for proof in proofs.into_iter().flatten() {
            self.look(id, proof, effects);
        }
    }

    /// The ledger had `sent` before it was told: whoever told it may be about to send, or has sent.
    fn sent_by_others(&mut self, payment: &Payment, now: Duration) {
        let id = payment.id;
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let Stage::Sending(pin) = held.stage else {
            return;
        };
        held.attempt = payment.attempt;
        let processor = &mut self.processors[pin.processor];
        processor.cancel(id, pin.sent_at, now);
        let lease_until = pin.lease_until.max(now + processor.policy.lease);
        let pin = Pin { lease_until, ..pin };
        self.question(id, pin.unclear(now), now);
    }

    fn done(&mut self, payment: &Payment, now: Duration, effects: &mut Vec<Effect>) {
        let id = payment.id;
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        match (&payment.state, &held.stage) {
            (PaymentState::Sent { .. }, Stage::Sending(pin)) => {
                held.attempt = payment.attempt;
                let mut pin = *pin;
                if let Some(proof) = held.proof {
                    return self.sent_and_proven(id, pin, proof, now, effects);
                }
                self.processors[pin.processor]
                    .delay
                    .leave(pin.sent_at, id, now);
                pin.sent_at = now;
                held.stage = Stage::Sent(pin);
                effects.push(Effect::Send(SendRequest {
                    id,
                    attempt: held.attempt,
                    processor: pin.processor,
                    amount: held.amount,
                    currency: held.currency,
                    requested_at: pin.requested_at,
                    lease_until: pin.lease_until,
                }));
                self.overdue.insert((pin.lease_until + REPORT_GRACE, id));
            }
            (PaymentState::Sent { .. }, Stage::Binding(pin)) => {
                let pin = *pin;
                held.attempt = payment.attempt;
                if pin.is_other_amount {
                    return self.conflict(id, pin, pin.requested_at, effects);
                }
                self.settle(id, pin, pin.requested_at, effects);
            }
            (PaymentState::Accepted, Stage::Ending(pin)) => {
                let pin = *pin;
                if let Some(proof) = held.proof.take() {
                    let ended = std::mem::replace(&mut held.stage, Stage::Waiting);
                    self.unpin(id, &ended, &pin, now);
                    return self.bind(id, proof, now, effects);
                }
                // What only a broken processor might still want must not fill the window. It is
                // found again when the list is walked from its beginning.
                let is_fresh = held.line.refused_by == 0 && held.denials.is_empty();
                let parked_count = self.queue.len() - self.queue.fresh_len();
                if !is_fresh && parked_count >= self.policy.window {
                    return self.forget(id, now);
                }
                let ended = std::mem::replace(&mut held.stage, Stage::Waiting);
                self.enqueue(id, now);
                self.unpin(id, &ended, &pin, now);
            }
            _ => {
                let proof = held.proof;
                self.forget(id, now);
                self.ended(payment, proof, effects);
            }
        }
    }

    /// The ledger has a payment as it cannot be dispatched any more. `proof` is a processor's word that
    /// came meanwhile.
    fn ended(&mut self, payment: &Payment, proof: Option<Proof>, effects: &mut Vec<Effect>) {
        let settled_at = match &payment.state {
            PaymentState::Settled { processor, .. } => self.place_of(processor),
            PaymentState::Accepted | PaymentState::Sent { .. } | PaymentState::Refused { .. } => {
                None
            }
        };
        if let Some(place) = settled_at {
            self.conflicts.solved(payment.id, place);
        }
        match proof {
            Some(proof) if settled_at == Some(proof.processor) => {
                self.compare_settled(payment, proof, effects);
            }
            Some(proof) => self.look(payment.id, proof, effects),
            None => {}
        }
    }

    /// The place of a processor in the policy; `None` where it is not configured.
    pub(super) fn place_of(&self, name: &ProcessorName) -> Option<usize> {
        let processors = &self.policy.processors;
        processors.iter().position(|policy| policy.name == *name)
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

fn held_stage(held: Option<&Held>) -> Option<&Stage> {
    held.map(|held| &held.stage)
}
