//! Payments that were accepted in a currency that processors are not paid in: by an earlier configuration.

use std::time::Duration;

use ledger::{Currency, Payment, PaymentState};
use stdx::Throttle;

const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Warns of them. They are sent nowhere.
pub(super) struct ForeignPayments {
    currency: Currency,
    warnings: Throttle,
}

impl ForeignPayments {
    pub(super) fn new(currency: Currency) -> Self {
        Self {
            currency,
            warnings: Throttle::new(WARNING_INTERVAL),
        }
    }

    /// Warns of the first such payment of a page of those that are due.
    pub(super) fn warn_of(&self, page: &[Payment]) {
        let is_foreign = |payment: &&Payment| {
            payment.state == PaymentState::Accepted && payment.currency != self.currency
        };
        let Some(payment) = page.iter().find(is_foreign) else {
            return;
        };
        if let Some(held_back) = self.warnings.pass() {
            let (id, currency, sent) = (payment.id, payment.currency, self.currency);
            tracing::warn!(
                payment_id = %id,
                %currency,
                held_back,
                "payment {id} is in {currency}, and processors are paid in {sent}: it waits and is sent nowhere. \
                 `POST /v1/payments/{id}/resolve` with `refuse` ends it"
            );
        }
    }
}
