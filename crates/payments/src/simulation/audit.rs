//! What every payment should have come to.

use ledger::{Payment, PaymentId, PaymentState, State, UsedPayment};

use super::world::{Happening, World};

/// Payments from this one on come when no node is stopped any more, and breakers are open.
const LATE_FROM: u128 = 72;
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
            processor.is_dead || processor.is_stuck(payment.id)
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
                    | Happening::Accept(_)
            )
        });
        let is_left = |payment: &Payment| payment.state.is_due() && !self.is_stuck(payment);
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
                (PaymentState::Refused { .. }, None) => {
                    self.tally.refused += 1;
                    true
                }
                (PaymentState::Sent { .. }, None) => {
                    self.tally.pinned += 1;
                    let is_confused = self.processors[0].is_stuck(id);
                    self.tally.stuck += u64::from(is_confused);
                    let is_late = id.to_u128() >= LATE_FROM;
                    late_pinned += u64::from(is_late && !is_confused);
                    self.is_stuck(&payment)
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
        // A dead processor gets what its breaker lets through while it is closed, and nothing after.
        if self.nodes.len() == 1 && late_pinned > LATE_PINNED_MAX {
            return Err(format!(
                "{late_pinned} payments went to a dead processor beside one that works"
            ));
        }
        Ok(())
    }
}
