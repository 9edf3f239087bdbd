//! What all calls share.

use super::clock::ServerClock;
use super::limits::GrpcLimits;
use super::measure::Metrics;
use super::permitted::Permits;
use crate::app::App;
use crate::room::Room;

/// What all calls share.
pub(super) struct Shared {
    pub(super) permits: Permits,
    pub(super) app: App,
    pub(super) limits: GrpcLimits,
    pub(super) clock: ServerClock,
    pub(super) metrics: Metrics,
    pub(super) messages: Room,
    /// Apart, so that the ledger is seen to live while there is no room for more.
    pub(super) clock_messages: Room,
    pub(super) answers: Room,
}
