//! The face over HTTP, and what its handlers share.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use crate::app::App;
use crate::feed_turns::FeedTurns;
use crate::health::Readiness;
use crate::hosts::Hosts;
use crate::keys::Keys;
use crate::late_app::LateApp;
use crate::limits::Limits;
use crate::measure::Metrics;
use crate::room::Room;

/// How many requests of a face wait for events at once, and how many streams of events it has.
pub(crate) const WAITS_MAX: usize = 2_048;

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: Room,
    pub(crate) answers: Room,
    /// Places for those that wait for events, and for streams of them.
    pub(crate) waits: Arc<Semaphore>,
    /// Turns of the streams of events.
    pub(crate) feed_turns: FeedTurns,
}

/// The face over HTTP: what it needs from its first moment on, and what its handlers share once there
/// is a ledger.
pub(crate) struct HttpFace {
    late: LateApp,
    pub(crate) metrics: Arc<Metrics>,
    shared: OnceLock<Arc<Shared>>,
}

impl HttpFace {
    pub(crate) fn new(late: LateApp) -> Arc<Self> {
        Arc::new(Self {
            late,
            metrics: Arc::new(Metrics::new()),
            shared: OnceLock::new(),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.late.limits()
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        self.late.hosts()
    }

    pub(crate) fn keys(&self) -> &Keys {
        self.late.keys()
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.late.health().readiness()
    }

    /// What handlers share; `None` while there is no ledger yet.
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        if let Some(shared) = self.shared.get() {
            return Some(shared);
        }
        let app = self.late.app()?;
        Some(self.shared.get_or_init(|| {
            Arc::new(Shared {
                metrics: Arc::clone(&self.metrics),
                bodies: Room::new(app.limits.bodies_bytes_max),
                answers: Room::new(app.limits.answers_bytes_max),
                waits: Arc::new(Semaphore::new(WAITS_MAX)),
                feed_turns: FeedTurns::default(),
                app: app.clone(),
            })
        }))
    }
}
