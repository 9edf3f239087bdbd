//! The layer of payments: it sends them to processors, or accepts none.

use std::sync::Arc;

use ::payments::{Alone, Dispatch, WithoutPayments};
use ledger::{Claims, Clock, Engine};
use server::Reporting;

use super::config::Config;
use super::engine_config::EngineConfig;
use super::payments::SHARED_WINDOW;

/// Dispatches payments if there are processors; without them no payments are accepted. All others have
/// to use the engine that is returned: through it the dispatcher notices accepted payments. Needs to be
/// in a runtime.
pub(super) fn dispatch(
    config: &Config,
    engine: Arc<dyn Engine>,
    claims: Option<Arc<dyn Claims>>,
    clock: &Arc<dyn Clock>,
) -> (Option<Dispatch>, Arc<dyn Engine>) {
    match (&config.payments, &config.engine) {
        (Some(payments), _) => {
            let mut payments = payments.dispatch.clone();
            let claims = match claims {
                Some(claims) => {
                    payments.policy.window = SHARED_WINDOW;
                    claims
                }
                None => Arc::new(Alone::new(Arc::clone(&engine))),
            };
            let (dispatch, engine) = Dispatch::start(engine, claims, payments, Arc::clone(clock));
            (Some(dispatch), Arc::new(Reporting::new(engine)))
        }
        // The ledger node decides, and reports purges and resolutions.
        (None, EngineConfig::Remote { .. }) => (None, engine),
        (
            None,
            EngineConfig::Embedded | EngineConfig::Postgres { .. } | EngineConfig::WriteBehind(_),
        ) => {
            let engine = Arc::new(WithoutPayments::new(engine));
            (None, Arc::new(Reporting::new(engine)))
        }
    }
}
