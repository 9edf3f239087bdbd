//! "Recorded" that comes late: after the payment went on, or was let go of.
//!
//! It is proof in every stage of its attempt. Where the ledger has the payment waiting again, it is
//! bound to that processor and settled; where it has ended otherwise, or is with another processor,
//! nobody can settle it here: an operator is told.

use std::time::Duration;

use ledger::{Command, Payment, PaymentId, PaymentState, PaymentStateName, Unavailable};

use super::payment::{Pin, Proof, Stage};
use super::{Dispatcher, Effect, Question, SendRequest};

impl Dispatcher {
    /// The processor has recorded a request that nobody waits for any more.
    pub(super) fn recorded_late(
        &mut self,
        request: &SendRequest,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let proof = Proof {
            processor: request.processor,
            requested_at: request.requested_at,
            attempt: request.attempt,
            amount: Some(request.amount),
        };
        self.prove(request.id, proof, now, effects);
    }

    pub(super) fn prove(
        &mut self,
        id: PaymentId,
        proof: Proof,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.window.get_mut(id) else {
            return self.words.look(id, proof, effects);
        };
        let stage = *held.stage();
        let is_here = stage
            .pin()
            .is_some_and(|pin| pin.processor == proof.processor);
        let is_other_amount = proof.is_other_amount(held.amount);
        let command = self.commands.about(id);
        match (stage, is_here) {
            (Stage::Waiting, _) => self.bind(id, proof, now, effects),
            (Stage::Unknown(pin), true) => {
                self.questions.take_back(pin.processor, id);
                self.settle_or_conflict(id, pin, proof, effects);
            }
            // The answer to the question comes to nothing.
            (Stage::Asking(pin), true) => self.settle_or_conflict(id, pin, proof, effects),
            // Of an attempt before the one under way.
            (Stage::Sent(pin), true) => {
                self.reports_awaited.over(pin.lease_until, id);
                self.processors[pin.processor].cancel(id, pin.sent_at, now);
                self.settle_or_conflict(id, pin, proof, effects);
            }
            // It is to be settled once it is bound, unless its amount is another.
            (Stage::Binding(mut pin), true) => {
                pin.is_other_amount |= is_other_amount;
                if pin.is_pending {
                    pin.is_pending = false;
                    pin.requested_at = proof.requested_at;
                }
                self.window.set_stage(id, Stage::Binding(pin));
            }
            // An operator is told already.
            (Stage::Conflict(_), true) => {}
            // It is being settled; another amount is compared once it is.
            (Stage::Ending(_), true) if matches!(command, Some(Command::SettlePayment { .. })) => {
                if is_other_amount {
                    held.keep_other_amount(proof);
                }
            }
            // The ledger's answer shows what has become of it.
            (Stage::Sending(_) | Stage::Ending(_), _) => {
                let first = held.keep_proof(proof);
                if first.processor != proof.processor {
                    let state = Some(PaymentStateName::Sent);
                    self.report(id, proof, state, None, effects);
                }
            }
            (
                Stage::Sent(_)
                | Stage::Unknown(_)
                | Stage::Asking(_)
                | Stage::Binding(_)
                | Stage::Conflict(_)
                | Stage::Orphan,
                _,
            ) => {
                held.keep_proof(proof);
                self.report(id, proof, Some(PaymentStateName::Sent), None, effects);
            }
        }
    }

    /// A payment waits as a page has it, and the ledger is being asked for it because a processor has
    /// it: it goes nowhere else meanwhile.
    pub(super) fn prove_waiting(
        &mut self,
        id: PaymentId,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(self.window.stage(id), Some(Stage::Waiting)) {
            return;
        }
        for proof in self.words.take(id) {
            self.prove(id, proof, now, effects);
        }
    }

    /// A payment as the ledger has it, of which a processor says that it has recorded it.
    pub(super) fn looked(
        &mut self,
        id: PaymentId,
        payment: Result<Option<Box<Payment>>, Unavailable>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        match payment {
            Ok(payment) => {
                for proof in self.words.take(id) {
                    self.proven(id, proof, payment.as_deref(), now, effects);
                }
            }
            Err(_) => self.words.look_later(id, now),
        }
    }

    fn proven(
        &mut self,
        id: PaymentId,
        proof: Proof,
        payment: Option<&Payment>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if self.window.get(id).is_some() {
            return self.prove(id, proof, now, effects);
        }
        let Some(payment) = payment else {
            return self.report(id, proof, None, None, effects);
        };
        let name = &self.processors[proof.processor].policy().name;
        match &payment.state {
            PaymentState::Accepted => {
                self.hold(payment, now);
                self.prove(id, proof, now, effects);
            }
            // The node that holds it asks that processor for it.
            PaymentState::Sent { processor, .. } if processor == name => {
                self.window.rescan_soon(now);
            }
            PaymentState::Settled { processor, .. } if processor == name => {
                self.compare_settled(payment, proof, effects);
            }
            PaymentState::Sent { .. }
            | PaymentState::Settled { .. }
            | PaymentState::Refused { .. } => {
                let (state, accepted_at) = (payment.state.name(), payment.accepted_at);
                self.report(id, proof, Some(state), Some(accepted_at), effects);
            }
        }
    }

    /// A processor that was not known to have a payment has it, and has not decided. What waits goes nowhere else: it is
    /// sent to that processor, but for the bytes, and asked for there.
    pub(super) fn found_pending(
        &mut self,
        question: Question,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Question { id, processor, .. } = question;
        if !matches!(self.window.stage(id), Some(Stage::Waiting)) {
            return;
        }
        let pin = Pin::fresh(processor, self.wall, now, now).pending(now);
        self.window.set_stage(id, Stage::Binding(pin));
        self.processors[processor].pin();
        self.submit_send(id, PaymentStateName::Accepted, pin, effects);
    }

    /// Sends a payment to the processor that has it, but for the bytes; to be settled there, or to wait
    /// there for an operator where the amount is another.
    pub(super) fn bind(
        &mut self,
        id: PaymentId,
        proof: Proof,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let held = self.window.held(id);
        let mut pin = Pin::fresh(proof.processor, proof.requested_at, now, now).unclear(now);
        pin.is_claimed = true;
        pin.is_other_amount = proof.is_other_amount(held.amount);
        self.window.set_stage(id, Stage::Binding(pin));
        self.processors[proof.processor].pin();
        self.submit_send(id, PaymentStateName::Accepted, pin, effects);
    }
}
