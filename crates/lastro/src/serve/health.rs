//! What `/readyz` says of the engines.

use std::sync::{Arc, Weak};

use engine_embedded::{EmbeddedEngine, Status};
use engine_postgres::PostgresEngine;
use engine_remote::RemoteEngine;
use journal::Durability;
use ledger::Unavailable;
use server::{Health, Readiness};

use super::opened::LedgerIs;

/// Ready while writes are taken.
pub(super) struct EmbeddedHealth {
    /// Weak, so that the engine can be closed while somebody still asks.
    engine: Weak<EmbeddedEngine>,
    durability: Durability,
}

impl EmbeddedHealth {
    pub(super) fn new(engine: &Arc<EmbeddedEngine>, durability: Durability) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            durability,
        }
    }
}

impl Health for EmbeddedHealth {
    fn readiness(&self) -> Readiness {
        let engine = self.engine.upgrade();
        let ahead_s = engine.as_ref().and_then(|engine| engine.clock_ahead_s());
        let status = engine.map(|engine| engine.status());
        let readiness = match status {
            Some(Status::Ready) => Readiness::ready(),
            Some(status) => Readiness::not_ready(status.as_str()),
            None => Readiness::not_ready("ledger_unavailable"),
        };
        let readiness = readiness.with("durability", self.durability.to_string());
        match ahead_s {
            None => readiness,
            Some(ahead_s) => readiness.with("clock_ahead_s", ahead_s),
        }
    }
}

/// Ready while the database answers.
pub(super) struct PostgresHealth(Weak<PostgresEngine>);

impl PostgresHealth {
    pub(super) fn new(engine: &Arc<PostgresEngine>) -> Self {
        Self(Arc::downgrade(engine))
    }
}

impl Health for PostgresHealth {
    fn readiness(&self) -> Readiness {
        let Some(engine) = self.0.upgrade() else {
            return Readiness::not_ready("ledger_unavailable");
        };
        let ahead_s = engine.clock_ahead_s();
        let readiness = match (engine.is_answering(), ahead_s) {
            (true, Some(_)) => Readiness::not_ready(Unavailable::ClockJumped.code()),
            (true, None) if engine.is_standby_away() => {
                Readiness::not_ready(Unavailable::StandbyAway.code())
            }
            (true, None) => Readiness::ready(),
            (false, _) => Readiness::not_ready(Unavailable::LedgerUnavailable.code()),
        };
        // As it is now: an operator or a failover may change it.
        let readiness = readiness.with("durability", engine.durability().as_str());
        match ahead_s {
            None => readiness,
            Some(ahead_s) => readiness.with("clock_ahead_s", ahead_s),
        }
    }
}

/// What an engine says, and of which ledger it says so.
pub(super) struct IdentifiedHealth {
    pub(super) ledger: LedgerIs,
    pub(super) engine: Arc<dyn Health>,
}

impl Health for IdentifiedHealth {
    fn readiness(&self) -> Readiness {
        let readiness = self.engine.readiness();
        match self.ledger.id() {
            None => readiness,
            Some(id) => readiness.with("ledger_id", id.to_string()),
        }
    }
}

/// An API node is ready while it can serve: that its ledger is down is for the ledger to mend, and
/// its callers are told. Whether it answers is a field.
pub(super) struct RemoteHealth(Weak<RemoteEngine>);

impl RemoteHealth {
    pub(super) fn new(engine: &Arc<RemoteEngine>) -> Self {
        Self(Arc::downgrade(engine))
    }
}

impl Health for RemoteHealth {
    fn readiness(&self) -> Readiness {
        let answers = self.0.upgrade().is_some_and(|engine| engine.is_answering());
        let ledger = if answers { "answering" } else { "unavailable" };
        Readiness::ready().with("ledger", ledger)
    }
}
