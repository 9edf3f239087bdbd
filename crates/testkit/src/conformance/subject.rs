//! What a tested engine brings.

use std::sync::Arc;

use ledger::reference::ReferenceEngine;
use ledger::{BoxFuture, Engine};

use crate::clock::ManualClock;

/// How an engine's time passes.
#[derive(Debug, Clone)]
pub enum Time {
    /// As this clock is set: every timestamp has to be the reference's.
    Manual(Arc<ManualClock>),
    /// By itself, as a database's does: the suite waits, keeps away from the very moments at which
    /// something expires, and timestamps have to be in the reference's order per account.
    Real,
}

/// An engine to be tested, with what the suite has to know about it.
pub trait Subject {
    /// The engine as it is now; another one after a restart.
    fn engine(&self) -> Arc<dyn Engine>;

    /// How its time passes.
    fn time(&self) -> Time;

    /// Closes the engine and opens it again from its storage; `false` where it has none.
    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Whether it knows payments; else none are submitted.
    fn has_payments(&self) -> bool {
        true
    }

    /// Whether it knows reversals; else none are submitted.
    fn has_reversals(&self) -> bool {
        true
    }

    /// Whether it knows posts that keep the rest reserved; else none are submitted.
    fn has_parts(&self) -> bool {
        true
    }

    /// Whether it knows accounts that are frozen; else none are.
    fn has_freezes(&self) -> bool {
        true
    }

    /// Whether it keeps who decided what was changed about an account, and why.
    fn has_reasons(&self) -> bool {
        true
    }

    /// Whether it lists accounts; else it is not asked for a list.
    fn has_lists(&self) -> bool {
        true
    }

    /// Whether it tells a batch's outcomes by its id; else it is not asked for them.
    fn reads_batches(&self) -> bool {
        true
    }
}

/// The reference engine itself, to test the suite.
pub struct ReferenceSubject {
    clock: Arc<ManualClock>,
    engine: Arc<ReferenceEngine>,
}

impl Default for ReferenceSubject {
    fn default() -> Self {
        let clock = Arc::new(ManualClock::default());
        let engine = Arc::new(ReferenceEngine::new(clock.clone()));
        Self { clock, engine }
    }
}

impl Subject for ReferenceSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn time(&self) -> Time {
        Time::Manual(self.clock.clone())
    }
}
