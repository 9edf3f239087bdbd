//! What all calls share.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::clock::ServerClock;
use super::limits::GrpcLimits;
use super::measure::Metrics;
use super::permitted::Permits;
use crate::app::App;
use crate::keys::Keys;
use crate::late_app::LateApp;
use crate::room::Room;

/// Room for questions for the clock: each takes a kilobyte for the moment that it takes.
const CLOCK_MESSAGES_BYTES_MAX: usize = 256 << 10;

/// One in so many of the calls at once may wait for events.
const WAITS_SHARE: usize = 4;

/// What all calls share.
pub(super) struct Shared {
    pub(super) permits: Permits,
    pub(super) app: App,
    pub(super) limits: GrpcLimits,
    pub(super) clock: ServerClock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) messages: Room,
    /// Apart, so that the ledger is seen to live while there is no room for more.
    pub(super) clock_messages: Room,
    pub(super) answers: Room,
    /// Places for calls that wait for events: the other calls have the rest.
    pub(super) waits: Semaphore,
}

/// The face over gRPC: what it needs from its first moment on, and what its calls share once there is
/// a ledger.
pub(super) struct GrpcFace {
    late: LateApp,
    limits: GrpcLimits,
    pub(super) metrics: Arc<Metrics>,
    shared: OnceLock<Arc<Shared>>,
}

impl GrpcFace {
    pub(super) fn new(late: LateApp, limits: GrpcLimits) -> Arc<Self> {
        Arc::new(Self {
            late,
            limits,
            metrics: Arc::new(Metrics::new()),
            shared: OnceLock::new(),
        })
    }

    pub(super) fn keys(&self) -> &Keys {
        self.late.keys()
    }

    /// What calls share; `None` while there is no ledger yet.
    pub(super) fn shared(&self) -> Option<&Arc<Shared>> {
        if let Some(shared) = self.shared.get() {
            return Some(shared);
        }
        let app = self.late.app()?;
        let limits = self.limits;
        Some(self.shared.get_or_init(|| {
            Arc::new(Shared {
                clock: ServerClock::new(),
                permits: Permits::new(limits.commands, app.is_purge_enabled),
                metrics: Arc::clone(&self.metrics),
                messages: Room::of_streams(limits.messages_bytes_max),
                clock_messages: Room::of_streams(CLOCK_MESSAGES_BYTES_MAX),
                answers: Room::of_streams(limits.answers_bytes_max),
                waits: Semaphore::new(limits.calls_max / WAITS_SHARE),
                limits,
                app: app.clone(),
            })
        }))
    }
}
