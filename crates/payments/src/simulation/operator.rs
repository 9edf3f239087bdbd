//! An operator who looks at a payment at any moment, asks its processor's people, and decides.

use ledger::{
    Command, Note, Payment, PaymentId, PaymentState, Record, Refusal, ResolutionKind,
    ResolvePayment, State, UsedPayment,
};
use rand::Rng;

use super::faults::Bug;
use super::ms;
use super::world::{Happening, LEASES_MS, World};
use crate::dispatcher::Input;

impl World {
    /// An operator resolves one of the payments.
    pub(super) fn operate(&mut self) {
        let number = self.rng.random_range(1..=self.amounts.len().max(1)) as u128;
        let id = PaymentId::from_u128(number);
        let Some(UsedPayment::Accepted(payment)) = self.ledger.0.state().payment(id) else {
            return;
        };
        let Some(kind) = self.decision(&payment) else {
            return;
        };
        let send_lease = match self.bug {
            Some(Bug::OperatorUnchecked) => ms(0),
            _ => ms(LEASES_MS[LEASES_MS.len() - 1]),
        };
        let resolve = ResolvePayment {
            id,
            expected: payment.standing(),
            kind,
            who: Note::new("ana").unwrap(),
            why: Note::new("she asked them").unwrap(),
            send_lease,
        };
        let outcome = self.apply(Command::ResolvePayment(resolve));
        match outcome.result {
            Ok(Record::Payment(_)) => self.tally.resolved += 1,
            Err(Refusal::PaymentUnderWay { .. }) => self.tally.under_way += 1,
            other => panic!("{other:?}"),
        }
        let node = self.rng.random_range(0..self.nodes.len());
        let life = self.nodes[node].life;
        self.at(self.now, Happening::Input(life, Input::Changed(id)));
    }

    /// What the processor's people say, who see what they have and what has reached them. They
    /// cannot know what Lastro is about to send.
    fn decision(&mut self, payment: &Payment) -> Option<ResolutionKind> {
        let PaymentState::Sent { processor, .. } = &payment.state else {
            return None;
        };
        let place = self.names.iter().position(|name| name == processor)?;
        if let Some(kept) = self.processors[place].kept.get(&payment.id) {
            let requested_at = kept.requested_at;
            return Some(ResolutionKind::Settled { requested_at });
        }
        if self.processors[place].may_pay(payment.id) {
            return None;
        }
        let has_reached_them = self.happenings.values().any(|happening| {
            matches!(
                happening,
                Happening::Record(_, request, _) | Happening::Arrive(_, request)
                    if request.id == payment.id
            )
        });
        if has_reached_them {
            return None;
        }
        Some(match self.rng.random::<bool>() {
            true => ResolutionKind::Release,
            false => ResolutionKind::Refuse,
        })
    }
}
