//! The pending transfers that have a time, ordered by it.

use std::collections::{BTreeSet, HashMap};

use crate::id::TransferId;
use crate::time::Timestamp;
use crate::transfer::Transfer;

/// Pending transfers by the time from which on they are expired. Memory grows with those that
/// are pending now, not with history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expiries {
    by_time: BTreeSet<(Timestamp, TransferId)>,
    by_id: HashMap<TransferId, Timestamp>,
}

impl Expiries {
    /// Takes in a transfer that was recorded.
    pub fn record(&mut self, transfer: &Transfer) {
        if let Some(expires_at) = transfer.expires_at() {
            self.by_time.insert((expires_at, transfer.id));
            self.by_id.insert(transfer.id, expires_at);
        }
        if let Some((pending_id, _)) = transfer.ends()
            && let Some(expires_at) = self.by_id.remove(&pending_id)
        {
            self.by_time.remove(&(expires_at, pending_id));
        }
    }

    /// Counts a pending transfer as due only from `until` on.
    pub fn postpone(&mut self, pending_id: TransferId, until: Timestamp) {
        if let Some(expires_at) = self.by_id.get_mut(&pending_id) {
            self.by_time.remove(&(*expires_at, pending_id));
            self.by_time.insert((until, pending_id));
            *expires_at = until;
        }
    }

    /// A pending transfer that is expired at `now`, the one due first.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<TransferId> {
        self.by_time
            .first()
            .filter(|(expires_at, _)| *expires_at <= now)
            .map(|(_, id)| *id)
    }

    /// When the next pending transfer expires.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(expires_at, _)| *expires_at)
    }

    /// How many pending transfers have a time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether no pending transfer has a time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }
}
