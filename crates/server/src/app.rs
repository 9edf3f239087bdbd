//! What a face is made of.

use std::sync::Arc;

use events::Webhooks;
use ledger::{Clock, Dispatching, Engine, LedgerId};
use outbox::Operations;

use crate::callbacks::Callbacks;
use crate::health::Health;
use crate::hosts::Hosts;
use crate::keys::Keys;
use crate::limits::Limits;

/// What a face answers from.
#[derive(Clone)]
pub struct App {
    /// The ledger.
    pub engine: Arc<dyn Engine>,
    /// Which ledger it is, where this process knows it from the start.
    pub ledger_id: Option<LedgerId>,
    /// Where operations are left to be applied later; `None` where none are taken.
    pub operations: Option<Arc<dyn Operations>>,
    /// Where payments are dispatched, as far as this process can ask; `None` where none are.
    pub dispatching: Option<Arc<dyn Dispatching>>,
    /// Where processors report that they have decided something; `None` where none may.
    pub callbacks: Option<Callbacks>,
    /// The endpoints of webhooks; `None` where this process cannot have any.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// Where the time of answers comes from; the ledger's records carry the engine's own.
    pub clock: Arc<dyn Clock>,
    /// What `/readyz` says.
    pub health: Arc<dyn Health>,
    /// What a caller may take.
    pub limits: Limits,
    /// The keys that callers need.
    pub keys: Keys,
    /// Which hosts requests may name.
    pub hosts: Hosts,
    /// Whether payments may be purged: for tests.
    pub is_purge_enabled: bool,
}
