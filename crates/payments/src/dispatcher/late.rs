//! "Recorded" that comes late: after the payment went on, or was let go of.
//!
//! It is proof in every stage of its attempt. Where the ledger has the payment waiting again, it is
//! bound to that processor and settled; where it has ended otherwise, or is with another processor,
//! nobody can settle it here: an operator is told.

use std::time::Duration;

use ledger::{Command, Payment, PaymentId, PaymentState, PaymentStateName, Unavailable};

use super::payment::{Pin, Proof, Stage};
use super::{Dispatcher, Effect, SendRequest};

/// How long to wait before the ledger is asked again for a payment that it could not show.
const LOOK_WAIT: Duration = Duration::from_millis(200);

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
        let Some(held) = self.held.get_mut(&id) else {
            return self.look(id, proof, effects);
        };
        let is_here = held
            .stage
            .pin()
            .is_some_and(|pin| pin.processor == proof.processor);
        let is_other_amount = proof.is_other_amount(held.amount);
        let pending = held.pending.as_ref().map(|pending| &pending.command);
        match (&mut held.stage, is_here) {
            (Stage::Waiting, _) => {
                self.queue.remove(held.line, held.place);
                self.bind(id, proof, now, effects);
            }
            (Stage::Unknown(pin), true) => {
                let pin = *pin;
                self.take_question_back(id, pin.processor);
                self.settle_or_conflict(id, pin, proof, effects);
            }
            // The answer to the question comes to nothing.
            (Stage::Asking(pin), true) => {
                let pin = *pin;
                self.settle_or_conflict(id, pin, proof, effects);
            }
            // Of an attempt before the one under way.
            (Stage::Sent(pin), true) => {
                let pin = *pin;
                self.overdue_over(id, &pin);
                self.processors[pin.processor].cancel(id, pin.sent_at, now);
                self.settle_or_conflict(id, pin, proof, effects);
            }
            // It is to be settled once it is bound, unless its amount is another.
            (Stage::Binding(pin), true) => pin.is_other_amount |= is_other_amount,
            // An operator is told already.
            (Stage::Conflict(_), true) => {}
            // It is being settled; another amount is compared once it is.
            (Stage::Ending(_), true) if matches!(pending, Some(Command::SettlePayment { .. })) => {
                if is_other_amount {
                    held.keep_proof(proof);
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

    /// Looks at a payment in the ledger: a processor has it.
    pub(super) fn look(&mut self, id: PaymentId, proof: Proof, effects: &mut Vec<Effect>) {
        let is_first = self.late_of(id).is_empty();
        let late = self.late.entry((id, proof.processor)).or_insert(proof);
        late.confirm(&proof);
        if is_first {
            effects.push(Effect::Look(id));
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
        let held = self.held.get(&id);
        if !held.is_some_and(|held| matches!(held.stage, Stage::Waiting)) {
            return;
        }
        for proof in self.late_of(id) {
            self.late.remove(&(id, proof.processor));
            self.prove(id, proof, now, effects);
        }
    }

    fn late_of(&self, id: PaymentId) -> Vec<Proof> {
        let late = self.late.range((id, 0)..=(id, usize::MAX));
        late.map(|(_, proof)| *proof).collect()
    }

    pub(super) fn look_again(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.looks.first().copied() {
            if at > now {
                return;
            }
            self.looks.remove(&(at, id));
            effects.push(Effect::Look(id));
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
        let proofs = self.late_of(id);
        let Ok(payment) = payment else {
            if !proofs.is_empty() {
                self.looks.insert((now + LOOK_WAIT, id));
            }
            return;
        };
        for proof in proofs {
            self.late.remove(&(id, proof.processor));
            self.proven(id, proof, payment.as_deref(), now, effects);
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
        if self.held.contains_key(&id) {
            return self.prove(id, proof, now, effects);
        }
        let Some(payment) = payment else {
            return self.report(id, proof, None, None, effects);
        };
        let name = &self.policy.processors[proof.processor].name;
        match &payment.state {
            PaymentState::Accepted => {
                self.hold(payment, now);
                self.prove(id, proof, now, effects);
            }
            // Whoever holds it asks that processor for it.
            PaymentState::Sent { processor, .. } if processor == name => self.rescan_soon(now),
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

    /// Sends a payment to the processor that has it, but for the bytes; to be settled there, or to wait
    /// there for an operator where the amount is another.
    pub(super) fn bind(
        &mut self,
        id: PaymentId,
        proof: Proof,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let mut pin = Pin::fresh(proof.processor, proof.requested_at, now, now).unclear(now);
        pin.is_claimed = true;
        pin.is_other_amount = proof.is_other_amount(held.amount);
        held.stage = Stage::Binding(pin);
        self.processors[proof.processor].pinned_count += 1;
        self.submit_send(id, PaymentStateName::Accepted, pin, effects);
    }
}
