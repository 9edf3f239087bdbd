//! Published state: what readers see. It is what the synced frames lead to, never more.

use std::collections::BTreeSet;
use std::ops::Bound;

use hashbrown::HashMap;

use journal::Address;
use ledger::{DuePlace, Payment, PaymentId, Timestamp};

use crate::accounts::{Accounts, Slot};
use crate::changes::{Changes, SummaryChange};
use crate::ids::Ids;
use crate::summary::Summary;

/// Every so many entries of an account the place of one is kept, so that any entry is found in
/// at most as many reads.
pub(crate) const CHECKPOINT_ENTRIES: u64 = 1_024;

/// The state that reads are answered from.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) accounts: Accounts,
    pub(crate) ids: Ids,
    /// Where the entries numbered 1024, 2048, … of an account are.
    pub(crate) checkpoints: HashMap<Slot, Vec<Address>>,
    pub(crate) payments: OpenPayments,
    pub(crate) summary: Summary,
    /// When the payments were purged.
    pub(crate) purges: Vec<Timestamp>,
    /// When the newest payment was accepted; 0 where there is none.
    pub(crate) payment_accepted_at: Timestamp,
}

impl Books {
    /// Takes in what was decided and is durable now. `changes` is empty afterwards.
    pub(crate) fn publish(&mut self, changes: &mut Changes) {
        for (id, address) in changes.transfers.drain() {
            self.ids.transfers.insert(id, address);
        }
        for (id, address) in changes.payment_ids.drain() {
            self.ids.payments.insert(id, address);
        }
        for (id, address) in changes.batches.drain() {
            self.ids.batches.insert(id, address);
        }
        changes.accounts.publish(&mut self.accounts);
        for (slot, address) in changes.checkpoints.drain(..) {
            self.checkpoints.entry(slot).or_default().push(address);
        }
        for (id, address) in changes.resolutions.drain() {
            self.payments.set_resolution(id, address);
        }
        for (_, payment) in changes.payments.drain() {
            self.payments.set(payment);
        }
        for change in changes.summary.drain(..) {
            match change {
                SummaryChange::Settled {
                    processor,
                    requested_at,
                    amount,
                } => {
                    self.summary.record(&processor, requested_at, amount);
                }
                SummaryChange::Purged => self.summary.clear(),
            }
        }
        self.purges.append(&mut changes.purges);
        if let Some(accepted_at) = changes.payment_accepted_at.take() {
            self.payment_accepted_at = accepted_at;
        }
    }

    /// Whether the summaries count a payment that was accepted then.
    pub(crate) fn is_counted(&self, accepted_at: Timestamp) -> bool {
        self.purges
            .last()
            .is_none_or(|purged_at| accepted_at > *purged_at)
    }
}

/// The payments that are accepted or sent, in the order of their acceptance.
#[derive(Debug, Default)]
pub(crate) struct OpenPayments {
    by_id: HashMap<PaymentId, Payment>,
    by_place: BTreeSet<DuePlace>,
    /// Where the newest resolution is of those that have one.
    resolutions: HashMap<PaymentId, Address>,
}

impl OpenPayments {
    pub(crate) fn get(&self, id: PaymentId) -> Option<&Payment> {
        self.by_id.get(&id)
    }

    /// Where the newest resolution of an open payment is.
    pub(crate) fn resolution(&self, id: PaymentId) -> Option<Address> {
        self.resolutions.get(&id).copied()
    }

    /// The payments, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Payment> {
        self.behind(None)
    }

    /// The payments behind a place, oldest first.
    pub(crate) fn behind(&self, place: Option<DuePlace>) -> impl Iterator<Item = &Payment> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_place
            .range((from, Bound::Unbounded))
            .filter_map(|place| self.by_id.get(&place.id))
    }

    fn set(&mut self, payment: Payment) {
        if payment.state.is_due() {
            self.by_place.insert(payment.place());
            self.by_id.insert(payment.id, payment);
        } else {
            self.by_place.remove(&payment.place());
            self.by_id.remove(&payment.id);
            self.resolutions.remove(&payment.id);
        }
    }

    /// Says where the newest resolution of a payment is, whose own state is set after it.
    fn set_resolution(&mut self, id: PaymentId, address: Address) {
        self.resolutions.insert(id, address);
    }
}
