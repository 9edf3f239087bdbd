//! What every payment should have come to.

use ledger::{Payment, PaymentId, PaymentState, State, UsedPayment};

use super::world::{Happening, World};

impl World {
    fn payments(&self) -> Vec<Payment> {
        let payment = |id: &PaymentId| match self.ledger.0.state().payment(*id) {
            Some(UsedPayment::Accepted(payment)) => Some(payment),
            _ => None,
        };
        self.amounts.keys().filter_map(payment).collect()
    }

    fn is_pinned_to_the_dead(&self, payment: &Payment) -> bool {
        let PaymentState::Sent { processor, .. } = &payment.state else {
            return false;
        };
        let is_it = |place: &usize| self.names[*place] == *processor;
        (0..2)
            .find(is_it)
            .is_some_and(|place| self.processors[place].is_dead)
    }

    /// Whether nothing is left to wait for.
    pub(super) fn is_over(&self) -> bool {
        let writes_left = self.happenings.values().any(|h| {
            matches!(
                h,
                Happening::Write(..) | Happening::Arrive(..) | Happening::Record(..)
            )
        });
        let is_left =
            |payment: &Payment| payment.state.is_due() && !self.is_pinned_to_the_dead(payment);
        !writes_left && !self.payments().iter().any(is_left)
    }

    /// Lastro and both processors, payment by payment.
    pub(super) fn audit(&mut self) -> Result<(), String> {
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
                    self.is_pinned_to_the_dead(&payment)
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
        Ok(())
    }
}
