//! Telling operators what only they can mend.

use ledger::{Millis, Payment, PaymentId, PaymentStateName, Timestamp};

use super::conflicts::{Conflict, ConflictKind};
use super::payment::{Pin, Proof, Stage};
use super::{Dispatcher, Effect};

impl Dispatcher {
    /// A processor has recorded a payment that is elsewhere, or has ended: an operator is told, once.
    pub(super) fn report(
        &mut self,
        id: PaymentId,
        proof: Proof,
        state: Option<PaymentStateName>,
        accepted_at: Option<Timestamp>,
        effects: &mut Vec<Effect>,
    ) {
        let held = self.window.get(id).map(|held| held.place.accepted_at);
        let conflict = Conflict {
            id,
            processor: proof.processor,
            attempt: proof.attempt,
            requested_at: proof.requested_at,
            state,
            accepted_at: accepted_at.or(held),
            kind: ConflictKind::Late,
        };
        if self.conflicts.keep(conflict) {
            effects.push(Effect::Report(conflict));
        }
    }

    /// The ledger has a payment as settled at a processor that has recorded it: an operator is told, once,
    /// where the amounts differ.
    pub(super) fn compare_settled(
        &mut self,
        payment: &Payment,
        proof: Proof,
        effects: &mut Vec<Effect>,
    ) {
        if !proof.is_other_amount(payment.amount) {
            return self.conflicts.solved(payment.id, proof.processor);
        }
        let conflict = Conflict {
            id: payment.id,
            processor: proof.processor,
            attempt: proof.attempt,
            requested_at: proof.requested_at,
            state: Some(payment.state.name()),
            accepted_at: Some(payment.accepted_at),
            kind: ConflictKind::SettledAmount,
        };
        if self.conflicts.keep(conflict) {
            effects.push(Effect::Report(conflict));
        }
    }

    /// The processor that a payment is bound to has it with another amount: it stays there until an
    /// operator resolves it.
    pub(super) fn conflict(
        &mut self,
        id: PaymentId,
        pin: Pin,
        requested_at: Millis,
        effects: &mut Vec<Effect>,
    ) {
        self.window.set_stage(id, Stage::Conflict(pin));
        let held = self.window.held(id);
        let conflict = Conflict {
            id,
            processor: pin.processor,
            attempt: held.attempt,
            requested_at,
            state: Some(PaymentStateName::Sent),
            accepted_at: Some(held.place.accepted_at),
            kind: ConflictKind::Amount,
        };
        if self.conflicts.keep(conflict) {
            effects.push(Effect::Report(conflict));
        }
    }
}
