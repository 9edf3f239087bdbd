//! What every payment should have come to.

use std::collections::HashMap;

use ledger::{Payment, PaymentId, PaymentState, State, UsedPayment};

use super::node::Life;
use super::world::{
    Happening, LATE_PAYMENTS, LATE_PAYMENTS_AFTER_S, LEASES_MS, STOPPED_MAX, World,
};

/// The first payment that comes when no node is stopped any more, the leases of what was sent before,
/// by which a processor may be full, are over, and breakers had a second to open.
const LATE_FROM: u128 = {
    let lease_max_ms = LEASES_MS[LEASES_MS.len() - 1];
    let settled_after_s = STOPPED_MAX.as_secs() + lease_max_ms / 1_000 + 1;
    *LATE_PAYMENTS.start() + (settled_after_s - LATE_PAYMENTS_AFTER_S) as u128
};
/// How often a payment goes to a processor that never takes it while one process lives: about ten
/// waits that double, then one try a minute, one more each time that the processor recovers, and what
/// the other processor has of it.
const TRIES_MAX: usize = 80;
/// How many of these may go to a dead processor: what opens a breaker that a restart had closed.
const LATE_PINNED_MAX: u64 = 5;

impl World {
    fn payments(&self) -> Vec<Payment> {
        let payment = |id: &PaymentId| match self.ledger.0.state().payment(*id) {
            Some(UsedPayment::Accepted(payment)) => Some(payment),
            _ => None,
        };
        self.amounts.keys().filter_map(payment).collect()
    }

    /// Whether its processor never says what became of it.
    fn is_stuck(&self, payment: &Payment) -> bool {
        let PaymentState::Sent { processor, .. } = &payment.state else {
            return false;
        };
        let is_it = |place: &usize| self.names[*place] == *processor;
        let place = (0..self.names.len()).find(is_it);
        place.is_some_and(|place| {
            let processor = &self.processors[place];
            // Once it may have been recorded, nothing but a promise ends it.
            let promises = self.nodes[0].policy.processors[place]
                .recorded_within
                .is_some();
            let never_says = processor.never_takes(payment.id) && !promises;
            processor.is_dead || processor.is_stuck(payment.id) || never_says
        })
    }

    /// Whether no processor ever takes it.
    fn is_unwanted(&self, payment: &Payment) -> bool {
        let id = payment.id;
        self.processors.iter().all(|processor| {
            processor.is_dead
                || processor.is_stuck(id)
                || processor.never_takes(id)
                || processor.declines(id)
        })
    }

    /// Whether nothing is left to wait for.
    pub(super) fn is_over(&self) -> bool {
        let writes_left = self.happenings.values().any(|h| {
            matches!(
                h,
                Happening::Write(..)
                    | Happening::Arrive(..)
                    | Happening::Record(..)
                    | Happening::Decide(..)
                    | Happening::Accept(_)
            )
        });
        let is_left = |payment: &Payment| {
            payment.state.is_due() && !self.is_stuck(payment) && !self.is_unwanted(payment)
        };
        !writes_left && !self.payments().iter().any(is_left)
    }

    /// Lastro and both processors, payment by payment.
    pub(super) fn audit(&mut self) -> Result<(), String> {
        let mut late_pinned = 0;
        for payment in self.payments() {
            let id = payment.id;
            let mut kept = self
                .names
                .iter()
                .zip(&self.processors)
                .filter_map(|(name, processor)| Some((name, processor.kept.get(&id)?)));
            let (kept, twice) = (kept.next(), kept.next().is_some());
            let amount = self.amounts[&id];
            let is_right = match (&payment.state, kept) {
                _ if twice => false,
                (
                    PaymentState::Settled {
                        processor,
                        requested_at,
                    },
                    Some((name, kept)),
                ) => {
                    self.tally.settled += 1;
                    let label = (processor, *requested_at) == (name, kept.requested_at);
                    label && (payment.amount, kept.amount) == (amount, amount)
                }
                (PaymentState::Accepted, None) => self.is_unwanted(&payment),
                (PaymentState::Refused { .. }, None) => {
                    self.tally.refused += 1;
                    true
                }
                (PaymentState::Sent { .. }, None) => {
                    self.tally.pinned += 1;
                    let is_confused = self.processors[0].is_stuck(id);
                    self.tally.stuck += u64::from(is_confused);
                    let is_late = id.to_u128() >= LATE_FROM;
                    late_pinned +=
                        u64::from(is_late && !is_confused && !self.is_unwanted(&payment));
                    self.is_stuck(&payment) || self.is_unwanted(&payment)
                }
                _ => false,
            };
            if !is_right {
                let state = &payment.state;
                return Err(format!(
                    "payment {id} of {amount} is {state:?}, and kept as {kept:?}"
                ));
            }
        }
        let mut tries: HashMap<(PaymentId, Life), usize> = HashMap::new();
        for ((id, _), life) in &self.sent_by {
            if self.processors.iter().any(|p| p.never_takes(*id)) {
                *tries.entry((*id, *life)).or_default() += 1;
            }
        }
        if let Some(((id, _), count)) = tries.iter().find(|(_, count)| **count > TRIES_MAX) {
            return Err(format!(
                "payment {id} was sent {count} times, and a processor never takes it"
            ));
        }
        // A dead processor gets what its breaker lets through while it is closed, and nothing after.
        if self.nodes.len() == 1 && late_pinned > LATE_PINNED_MAX {
            return Err(format!(
                "{late_pinned} payments went to a dead processor beside one that works"
            ));
        }
        Ok(())
    }
}
