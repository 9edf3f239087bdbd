//! One payment in the dispatcher's hands.

use std::time::Duration;

use ledger::{
    Command, Currency, DuePlace, Millis, Payment, PaymentExpected, PaymentState, PaymentStateName,
};

use super::queue::Line;
use crate::dispatcher::denials::Denials;
use crate::dispatcher::payment::{Proof, Stage};
use crate::dispatcher::processor_set::ProcessorSet;
use crate::policy::ProcessorIndex;

/// What is held of a payment that is due.
#[derive(Debug)]
pub(in crate::dispatcher) struct Held {
    pub(in crate::dispatcher) place: DuePlace,
    pub(in crate::dispatcher) amount: u64,
    pub(in crate::dispatcher) currency: Currency,
    /// How often it was sent, as the ledger has it.
    pub(in crate::dispatcher) attempt: u32,
    /// When it came into these hands: its waiting counts from here.
    pub(in crate::dispatcher) since: Duration,
    /// Which processors it cannot go to.
    pub(super) line: Line,
    /// The processors that did not take it.
    pub(in crate::dispatcher) denials: Denials,
    pub(super) stage: Stage,
    /// The newest walk of the ledger's list that told of it.
    pub(super) walk: u64,
    /// Which processors did not say what became of an attempt of it.
    pub(in crate::dispatcher) held_up_at: ProcessorSet,
    /// What says that a processor has it, and came while something else was under way: the first that
    /// came.
    pub(in crate::dispatcher) proof: Option<Proof>,
    /// The word of the processor where it is being settled that it has another amount.
    other_amount: Option<Proof>,
}

impl Held {
    pub(super) fn new(payment: &Payment, since: Duration, stage: Stage, walk: u64) -> Self {
        Self {
            place: payment.place(),
            amount: payment.amount,
            currency: payment.currency,
            attempt: payment.attempt,
            since,
            line: Line::default(),
            denials: Denials::default(),
            stage,
            walk,
            held_up_at: ProcessorSet::default(),
            proof: None,
            other_amount: None,
        }
    }

    pub(in crate::dispatcher) const fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(in crate::dispatcher) const fn line(&self) -> Line {
        self.line
    }

    /// The processor's word on which a command about the payment stands: it settles the payment, or
    /// binds it to the processor that has it.
    pub(in crate::dispatcher) fn proof_of(&self, command: &Command) -> Option<Proof> {
        let pin = self.stage.pin()?;
        let (requested_at, is_other_amount) = match (command, &self.stage) {
            (Command::SettlePayment { requested_at, .. }, _) => (*requested_at, false),
            // What the processor has not decided is no word that it has recorded it.
            (_, Stage::Binding(pin)) if !pin.is_pending => (pin.requested_at, pin.is_other_amount),
            _ => return None,
        };
        Some(Proof {
            processor: pin.processor,
            requested_at,
            attempt: self.attempt,
            amount: (!is_other_amount).then_some(self.amount),
        })
    }

    /// Keeps a processor's word that it has the payment: the first processor's, where several say so.
    /// Returns the one that is kept.
    pub(in crate::dispatcher) fn keep_proof(&mut self, proof: Proof) -> Proof {
        let kept = self.proof.get_or_insert(proof);
        if kept.processor == proof.processor {
            kept.confirm(&proof);
        }
        *kept
    }

    /// The attempt that a processor recorded under this time; 0 where it is not known: the payment may have
    /// gone on since.
    pub(in crate::dispatcher) fn attempt_at(
        &self,
        processor: ProcessorIndex,
        requested_at: Millis,
    ) -> u32 {
        match self.stage.pin() {
            Some(pin) if (pin.processor, pin.requested_at) == (processor, requested_at) => {
                self.attempt
            }
            Some(_) | None => 0,
        }
    }

    /// Keeps the word of the processor where it is being settled that it has another amount: that is
    /// compared once it is settled, whatever others say meanwhile.
    pub(in crate::dispatcher) fn keep_other_amount(&mut self, proof: Proof) {
        self.other_amount.get_or_insert(proof).confirm(&proof);
    }

    /// All processors' words that are kept.
    pub(in crate::dispatcher) fn words(&self) -> Vec<Proof> {
        [self.proof, self.other_amount]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The same, with the one on which a command about the payment stands.
    pub(in crate::dispatcher) fn words_with(&self, command: &Command) -> Vec<Proof> {
        let mut words = self.words();
        words.extend(self.proof_of(command));
        words
    }

    /// Whether no request or question is under way whose end will show what the payment is now.
    pub(in crate::dispatcher) const fn is_at_rest(&self) -> bool {
        !matches!(self.stage, Stage::Sent(_) | Stage::Asking(_))
    }

    /// Whether the ledger has gone on with the payment since it was last heard of. A page may be
    /// older than what is held.
    pub(in crate::dispatcher) fn is_behind(&self, payment: &Payment) -> bool {
        // An attempt is sent, and then released.
        let is_released = matches!(self.stage, Stage::Waiting);
        let was_released = payment.state == PaymentState::Accepted;
        (payment.attempt, was_released) > (self.attempt, is_released)
    }

    /// What a command expects of the payment now.
    pub(in crate::dispatcher) const fn expected(&self, state: PaymentStateName) -> PaymentExpected {
        PaymentExpected {
            state,
            attempt: self.attempt,
        }
    }
}
