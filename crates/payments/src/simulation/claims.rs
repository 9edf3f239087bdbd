//! The claims of the simulation's nodes, as the ledger keeps them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ledger::reference::Books;
use ledger::{DueQuery, Payment, PaymentId};

/// Leases and what is claimed under them, by the ledger's clock.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Until when each lease lasts.
    leases: BTreeMap<u64, Duration>,
    newest: u64,
    claimed: HashMap<PaymentId, u64>,
    /// How many leases were found over and ended.
    pub(super) ended_count: u64,
}

impl Claims {
    /// Renews a lease, or begins another; ends those that are over.
    pub(super) fn renew(&mut self, held: Option<u64>, now: Duration, lasts: Duration) -> u64 {
        let held = held.filter(|lease| self.leases.contains_key(lease));
        let lease = held.unwrap_or(self.newest + 1);
        self.newest = self.newest.max(lease);
        self.leases.insert(lease, now + lasts);
        let before = self.leases.len();
        self.leases.retain(|_, until| *until >= now);
        self.ended_count += (before - self.leases.len()) as u64;
        let leases = &self.leases;
        self.claimed.retain(|_, lease| leases.contains_key(lease));
        lease
    }

    /// The lease that a payment is claimed under.
    pub(super) fn owner(&self, id: PaymentId) -> Option<u64> {
        self.claimed.get(&id).copied()
    }

    /// A page of what is claimed under a lease; it claims more where it has room.
    pub(super) fn due(&mut self, lease: u64, query: DueQuery, books: &Books) -> Vec<Payment> {
        let everything = DueQuery {
            after: None,
            limit: usize::MAX,
        };
        let due = books.payments_due(everything);
        let is_behind = |payment: &&Payment| Some(payment.place()) > query.after;
        let is_mine = |payment: &&Payment| self.claimed.get(&payment.id) == Some(&lease);
        let mut page: Vec<Payment> = due
            .iter()
            .filter(is_behind)
            .filter(is_mine)
            .take(query.limit)
            .cloned()
            .collect();
        if self.leases.contains_key(&lease) {
            let room = query.limit - page.len();
            let is_free = |payment: &&Payment| !self.claimed.contains_key(&payment.id);
            let free: Vec<Payment> = due.iter().filter(is_free).take(room).cloned().collect();
            self.claimed
                .extend(free.iter().map(|payment| (payment.id, lease)));
            page.extend(free);
            page.sort_by_key(Payment::place);
        }
        page
    }
}
