//! An engine that was opened, with what is known of it beside the ledger.

use std::sync::Arc;

use engine_postgres::Durability;
use ledger::{Claims, Dispatching, Engine};
use server::Health;

/// An engine, and who knows how it is.
pub(super) struct Opened {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) health: Arc<dyn Health>,
    /// What an answer waits for, in a word.
    pub(super) durability: String,
    /// Who dispatches what, where other nodes may do so over the same ledger.
    pub(super) claims: Option<Arc<dyn Claims>>,
    /// The ledger node that dispatches, where another process has the ledger.
    pub(super) dispatching: Option<Arc<dyn Dispatching>>,
}

/// What the database is set to is for its operator to say: it is served as it is.
pub(super) fn report_durability(durability: Durability) {
    if durability == Durability::Disk {
        tracing::info!(%durability, "the ledger in the database is open");
    } else {
        tracing::warn!(%durability, "the ledger in the database is open, and its answers are NOT durable: set fsync, full_page_writes and synchronous_commit to on");
    }
}
