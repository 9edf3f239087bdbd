//! The claims of a node that has the ledger to itself: all payments are its own, for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    Answer, Claims, ClaimsLease, DueQuery, Engine, HealthReport, HealthTurn, Payment, ProcessorName,
};

/// Everything is claimed by the one process that owns the engine.
pub struct Alone {
    engine: Arc<dyn Engine>,
}

impl Alone {
    /// Over an engine that nobody else dispatches for.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }
}

impl Claims for Alone {
    fn renew(&self, _: Instant) -> Answer<'_, ClaimsLease> {
        Box::pin(std::future::ready(Ok(ClaimsLease::ALONE)))
    }

    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>> {
        self.engine.payments_due(query, deadline)
    }

    fn leave(&self, _: Instant) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn health_turn(&self, _: ProcessorName, _: Duration, _: Instant) -> Answer<'_, HealthTurn> {
        Box::pin(std::future::ready(Ok(HealthTurn::Ours)))
    }

    fn report_health(&self, _: ProcessorName, _: HealthReport, _: Instant) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
