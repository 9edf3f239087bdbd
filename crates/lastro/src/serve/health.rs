//! What `/readyz` says of the embedded engine.

use std::sync::{Arc, Weak};

use engine_embedded::{EmbeddedEngine, Status};
use journal::Durability;
use server::{Health, Readiness};

/// Ready while writes are taken.
pub(super) struct EngineHealth {
    /// Weak, so that the engine can be closed while somebody still asks.
    engine: Weak<EmbeddedEngine>,
    durability: Durability,
}

impl EngineHealth {
    pub(super) fn new(engine: &Arc<EmbeddedEngine>, durability: Durability) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            durability,
        }
    }
}

impl Health for EngineHealth {
    fn readiness(&self) -> Readiness {
        let status = self.engine.upgrade().map(|engine| engine.status());
        let readiness = match status {
            Some(Status::Ready) => Readiness::ready(),
            Some(status) => Readiness::not_ready(status.as_str()),
            None => Readiness::not_ready("ledger_unavailable"),
        };
        readiness.with("durability", self.durability.to_string())
    }
}
