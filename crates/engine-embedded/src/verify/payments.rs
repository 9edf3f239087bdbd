//! What must hold of a payment's life.

use ledger::{
    AMOUNT_MAX, AccountId, Event, Movement, Payment, PaymentResolved, PaymentState, ResolutionKind,
    Transfer, TransferId, TransferKind, is_kept_description,
};

use crate::record::Links;
use crate::verify::auditor::Auditor;

impl Auditor {
    pub(super) fn payment_event(&mut self, links: Links, event: &Event) {
        if let Some(payment) = event.payment() {
            let newest = self.resolutions.get(&payment.id).copied();
            self.check(
                links.origin == newest.unwrap_or(0),
                "a payment's record does not lead to the newest resolution",
            );
        }
        match event {
            Event::PaymentAccepted(payment) => self.payment_accepted(payment),
            Event::PaymentSent(payment) => {
                let Some(before) = self.before(payment) else {
                    return;
                };
                let first = before.state == PaymentState::Accepted;
                let pinned = first || before.state == payment.state;
                let counted = before.attempt.checked_add(1) == Some(payment.attempt);
                self.check(
                    pinned && counted && matches!(payment.state, PaymentState::Sent { .. }),
                    "a payment was sent elsewhere while it was on its way",
                );
                self.keep(payment);
            }
            Event::PaymentReleased(payment) => self.payment_released(payment),
            Event::PaymentRefused(payment) => self.payment_refused(payment),
            Event::PaymentSettled { payment, transfer } => {
                self.payment_settled(links, payment, transfer);
            }
            Event::PaymentResolved(resolved) => self.payment_resolved(links, resolved),
            Event::PaymentsPurged {
                payments_count,
                timestamp,
            } => {
                let accepted: Vec<Payment> = self
                    .payments
                    .values()
                    .filter(|payment| payment.state == PaymentState::Accepted)
                    .cloned()
                    .collect();
                let counted = accepted.len() as u64 == *payments_count;
                self.check(counted, "a purge miscounts its payments");
                for payment in accepted {
                    self.release(&payment);
                    self.keep(&payment.purged(*timestamp));
                }
            }
            Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::Transfer(_)
            | Event::Refused { .. }
            | Event::Batch(_) => {}
        }
    }

    fn payment_accepted(&mut self, payment: &Payment) {
        self.audit.payments_count += 1;
        self.use_payment_id(payment.id);
        self.use_transfer_id(TransferId::of_payment(payment.id));
        let fresh = *payment == payment.as_accepted();
        self.check(fresh, "a payment was accepted in another state");
        let account_fits = payment
            .account_id
            .as_ref()
            .is_none_or(|id| !id.is_reserved());
        let well_formed = (1..=AMOUNT_MAX).contains(&payment.amount)
            && is_kept_description(&payment.description)
            && account_fits;
        self.check(well_formed, "a payment was accepted that is malformed");
        if let Some(account_id) = &payment.account_id {
            let reserved = self.apply(account_id, Movement::ReserveDebit(payment.amount));
            if let Some(account) = reserved {
                let fits = account.currency == payment.currency
                    && !account.closed
                    && !account.frozen.stops_debits();
                self.check(fits, "a payment is from an account that cannot pay it");
            }
        }
        self.keep(payment);
    }

    fn payment_released(&mut self, payment: &Payment) {
        let Some(before) = self.before(payment) else {
            return;
        };
        let released = matches!(before.state, PaymentState::Sent { .. })
            && payment.state == PaymentState::Accepted
            && payment.attempt == before.attempt;
        self.check(released, "a payment was released that was not sent");
        self.keep(payment);
    }

    fn payment_refused(&mut self, payment: &Payment) {
        let Some(before) = self.before(payment) else {
            return;
        };
        let refused = matches!(payment.state, PaymentState::Refused { .. });
        self.check(
            before.state.is_due() && refused && payment.attempt == before.attempt,
            "a payment was refused twice",
        );
        self.release(&before);
        self.keep(payment);
    }

    fn payment_resolved(&mut self, links: Links, resolved: &PaymentResolved) {
        let PaymentResolved {
            payment,
            transfer,
            resolution,
        } = resolved;
        let before = self.payments.get(&payment.id);
        let was_at = before.and_then(|before| match &before.state {
            PaymentState::Sent { processor, .. } => Some(processor),
            PaymentState::Accepted
            | PaymentState::Settled { .. }
            | PaymentState::Refused { .. } => None,
        });
        let told = resolution.processor.as_ref() == was_at && resolution.made(payment);
        self.check(told, "a resolution is not what became of its payment");
        match (resolution.kind, transfer) {
            (ResolutionKind::Settled { .. }, Some(transfer)) => {
                self.payment_settled(links, payment, transfer);
            }
            (ResolutionKind::Release, None) => self.payment_released(payment),
            (ResolutionKind::Refuse, None) => self.payment_refused(payment),
            _ => self.find("a resolution moves money, or moves none, against its kind"),
        }
        if self.payments.contains_key(&payment.id) {
            self.resolutions.insert(payment.id, self.address);
        }
    }

    fn payment_settled(&mut self, links: Links, payment: &Payment, transfer: &Transfer) {
        let Some(before) = self.before(payment) else {
            return;
        };
        let processors = (&before.state, &payment.state);
        let same_processor = match processors {
            (PaymentState::Sent { processor, .. }, PaymentState::Settled { processor: by, .. }) => {
                let credited = AccountId::processor(by, payment.currency);
                processor == by && transfer.credit_account_id == credited
            }
            _ => false,
        };
        self.check(
            same_processor && payment.attempt == before.attempt,
            "a payment was settled by a processor it was not sent to",
        );
        let reserved = payment.account_id.is_some();
        let belongs = transfer.id == TransferId::of_payment(payment.id)
            && transfer.kind
                == TransferKind::Settle {
                    payment_id: payment.id,
                    reserved,
                }
            && transfer.amount == payment.amount
            && transfer.description == payment.description
            && transfer.notes == payment.notes.clone().said_again()
            && transfer.timestamp == payment.timestamp
            && transfer.debit_account_id == payment.payer();
        self.check(belongs, "a settlement's transfer is not its payment's");
        self.move_money(links, transfer);
        self.keep(payment);
    }

    /// The open payment before the event, where only what may change has changed.
    fn before(&mut self, payment: &Payment) -> Option<Payment> {
        let Some(before) = self.payments.get(&payment.id).cloned() else {
            self.find("a payment that was not accepted, or is settled or refused already");
            return None;
        };
        let same = before.as_accepted() == payment.as_accepted();
        self.check(same, "a payment's content has changed");
        Some(before)
    }

    fn keep(&mut self, payment: &Payment) {
        if payment.state.is_due() {
            self.payments.insert(payment.id, payment.clone());
        } else {
            self.payments.remove(&payment.id);
            self.resolutions.remove(&payment.id);
        }
    }

    fn release(&mut self, payment: &Payment) {
        if let Some(account_id) = &payment.account_id {
            self.apply(account_id, Movement::ReleaseDebit(payment.amount));
        }
    }
}
