//! The pending transfers that have a time, ordered by it.

use std::collections::BTreeSet;

use crate::event::Event;
use crate::id::TransferId;
use crate::time::Timestamp;
use crate::transfer::Transfer;

/// Pending transfers by the time from which on they are expired. Memory grows with those that
/// are pending now, not with history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expiries(BTreeSet<(Timestamp, TransferId)>);

impl Expiries {
    /// Takes in a transfer that was recorded; `pending` gives the pending transfer it ended.
    pub fn record(&mut self, transfer: &Transfer, pending: impl FnOnce() -> Option<Transfer>) {
        if let Some(expires_at) = transfer.expires_at() {
            self.0.insert((expires_at, transfer.id));
        }
        if let Some((pending_id, _)) = transfer.ends()
            && !self.0.is_empty()
            && let Some(expires_at) = pending().and_then(|pending| pending.expires_at())
        {
            self.0.remove(&(expires_at, pending_id));
        }
    }

    /// A pending transfer that is expired at `now`, the one due first.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<TransferId> {
        self.0
            .first()
            .filter(|(expires_at, _)| *expires_at <= now)
            .map(|(_, id)| *id)
    }

    /// When the next pending transfer expires.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(expires_at, _)| *expires_at)
    }

    /// How many pending transfers have a time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no pending transfer has a time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Event {
    /// Whether [`Expiries::record`] has to hear of the event.
    #[must_use]
    pub fn concerns_expiries(&self) -> bool {
        self.transfer()
            .is_some_and(|transfer| transfer.expires_at().is_some() || transfer.ends().is_some())
    }
}
