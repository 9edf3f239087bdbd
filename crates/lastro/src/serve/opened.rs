//! An engine that was opened, with what is known of it beside the ledger.

use std::sync::Arc;

use engine_postgres::{Durability, WebhookRows};
use ledger::{Claims, Dispatching, Engine, LedgerId};
use server::Health;

use super::service_manager::Progress;

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
    pub(super) ledger: LedgerIs,
    /// How far the writer has come, where this process has one.
    pub(super) writer: Option<Progress>,
    /// Where the endpoints of webhooks are kept, if not in the data folder.
    pub(super) webhooks: Option<WebhookRows>,
}

/// Which ledger an engine has.
#[derive(Clone)]
pub(super) enum LedgerIs {
    /// It has it itself.
    Known(LedgerId),
    /// Another process has it: what it said last, once it has been reached.
    Asked(Arc<dyn Fn() -> Option<LedgerId> + Send + Sync>),
}

impl LedgerIs {
    /// Its id, as far as it is known by now.
    pub(super) fn id(&self) -> Option<LedgerId> {
        match self {
            Self::Known(id) => Some(*id),
            Self::Asked(ask) => ask(),
        }
    }
}

/// What the database is set to is for its operator to say: it is served as it is.
pub(super) fn report_durability(durability: Durability, ledger_id: LedgerId) {
    if durability == Durability::Disk {
        tracing::info!(%durability, %ledger_id, "the ledger {ledger_id} in the database is open");
    } else {
        tracing::warn!(%durability, %ledger_id, "the ledger {ledger_id} in the database is open, and its answers are NOT durable: set fsync, full_page_writes and synchronous_commit to on");
    }
}
