//! Published state: what readers see. It is what the synced frames lead to, never more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use journal::{Address, Storage};
use ledger::{DuePlace, Payment, PaymentId, Timestamp};

use crate::accounts::{Accounts, Slot};
use crate::changes::{Changes, SummaryChange};
use crate::ids::Ids;
use crate::shards::ShardMap;
use crate::sums::{SumTables, Summary};

/// Every so many entries of an account the place of one is kept, so that any entry is found in
/// at most as many reads.
pub(crate) const CHECKPOINT_ENTRIES: u64 = 256;

/// The state that reads are answered from.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) accounts: Accounts,
    pub(crate) ids: Ids,
    /// How many ids of transfers were used, refused ones included.
    pub(crate) transfer_ids_count: u64,
    /// Where the entries numbered 256, 512, … of an account are.
    pub(crate) checkpoints: ShardMap<Slot, Vec<Address>>,
    pub(crate) payments: OpenPayments,
    pub(crate) summary: Summary,
    /// When the payments were purged.
    pub(crate) purges: Vec<Timestamp>,
    /// When the newest event was decided: all up to then are published, and none after.
    pub(crate) newest: Timestamp,
    /// When the newest payment was accepted; 0 where there is none.
    pub(crate) payment_accepted_at: Timestamp,
}

impl Books {
    /// Takes in what was decided and is durable now. `changes` is empty afterwards.
    pub(crate) fn publish(&mut self, changes: &mut Changes) {
        self.transfer_ids_count += changes.ids.publish(&mut self.ids);
        changes.accounts.publish(&mut self.accounts);
        for (slot, address) in changes.checkpoints.drain(..) {
            self.checkpoints.get_or_default(slot).push(address);
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
                SummaryChange::Purged => self.summary.purge(self.ids.segment()),
            }
        }
        self.purges.append(&mut changes.purges);
        if let Some(newest) = changes.newest.take() {
            self.newest = newest;
        }
        if let Some(accepted_at) = changes.payment_accepted_at.take() {
            self.payment_accepted_at = accepted_at;
        }
    }

    /// What differs between these books and others, but for ids and sums; `None` if nothing does.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<&'static str> {
        let Self {
            accounts,
            ids: _,
            transfer_ids_count,
            checkpoints,
            payments,
            summary: _,
            purges,
            newest: _,
            payment_accepted_at,
        } = self;
        let parts = [
            (accounts.is_same_as(&other.accounts), "the accounts"),
            (*checkpoints == other.checkpoints, "the places of entries"),
            (payments.is_same_as(&other.payments), "the open payments"),
            (
                *purges == other.purges
                    && *payment_accepted_at == other.payment_accepted_at
                    && *transfer_ids_count == other.transfer_ids_count,
                "the purges or counts",
            ),
        ];
        let differing = parts.into_iter().find(|(is_same, _)| !is_same);
        differing.map(|(_, what)| what)
    }

    /// Tells the tables of the purges that these books have taken in.
    pub(crate) fn tell_purge<S: Storage>(&self, sums: &SumTables<S>) {
        sums.purge(self.summary.layers.segments.0);
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
    by_id: ShardMap<PaymentId, Payment>,
    by_place: BTreeSet<DuePlace>,
    /// Where the newest resolution is of those that have one.
    resolutions: ShardMap<PaymentId, Address>,
    /// While a copy is taken: those that have changed since it was begun, as they were.
    before: Option<BTreeMap<DuePlace, Option<OpenPayment>>>,
}

/// An open payment, and where its newest resolution is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenPayment {
    pub(crate) payment: Payment,
    pub(crate) resolution: Option<Address>,
}

impl OpenPayments {
    pub(crate) fn get(&self, id: PaymentId) -> Option<&Payment> {
        self.by_id.get(id)
    }

    /// Where the newest resolution of an open payment is.
    pub(crate) fn resolution(&self, id: PaymentId) -> Option<Address> {
        self.resolutions.get(id).copied()
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
            .filter_map(|place| self.by_id.get(place.id))
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.by_id == other.by_id
            && self.by_place == other.by_place
            && self.resolutions == other.resolutions
    }

    /// Takes in an open payment from a copy.
    pub(crate) fn insert(&mut self, open: OpenPayment) {
        self.keep(open.payment.place());
        if let Some(address) = open.resolution {
            self.resolutions.insert(open.payment.id, address);
        }
        self.set(open.payment);
    }

    /// Begins a copy of the payments as they are now, to be taken a part at a time.
    pub(crate) fn begin_copy(&mut self) {
        self.before = Some(BTreeMap::new());
    }

    /// The next payments of the copy behind a place, as they were when it was begun, and the place
    /// that they go up to; `None` behind the last one. About `count_max` of them.
    pub(crate) fn copy_next(
        &self,
        after: Option<DuePlace>,
        count_max: usize,
    ) -> Option<(Vec<OpenPayment>, DuePlace)> {
        let behind = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let before = self.before.as_ref()?;
        let now = self.by_place.range(behind).take(count_max).copied();
        let changed = before.range(behind).take(count_max);
        let places: BTreeSet<_> = now.chain(changed.map(|(place, _)| *place)).collect();
        let places = places.into_iter().take(count_max);
        let mut payments = Vec::new();
        let mut last = None;
        for place in places {
            last = Some(place);
            payments.extend(match before.get(&place) {
                Some(before) => before.clone(),
                None => self.open(place.id),
            });
        }
        Some((payments, last?))
    }

    /// The copy is complete, or not wanted any more. Gives back what it took, to be freed.
    pub(crate) fn end_copy(&mut self) -> impl Send + use<> {
        self.before.take()
    }

    fn open(&self, id: PaymentId) -> Option<OpenPayment> {
        let payment = self.by_id.get(id)?.clone();
        let resolution = self.resolution(id);
        Some(OpenPayment {
            payment,
            resolution,
        })
    }

    /// Keeps for the copy what the payment was before it changes.
    fn keep(&mut self, place: DuePlace) {
        let Some(before) = &self.before else { return };
        if !before.contains_key(&place) {
            let open = self.open(place.id);
            if let Some(before) = &mut self.before {
                before.insert(place, open);
            }
        }
    }

    fn set(&mut self, payment: Payment) {
        self.keep(payment.place());
        if payment.state.is_due() {
            self.by_place.insert(payment.place());
            self.by_id.insert(payment.id, payment);
        } else {
            self.by_place.remove(&payment.place());
            self.by_id.remove(payment.id);
            self.resolutions.remove(payment.id);
        }
    }

    /// Says where the newest resolution of a payment is, whose own state is set after it.
    fn set_resolution(&mut self, id: PaymentId, address: Address) {
        if let Some(payment) = self.by_id.get(id) {
            self.keep(payment.place());
        }
        self.resolutions.insert(id, address);
    }
}
