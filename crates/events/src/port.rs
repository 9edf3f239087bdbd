//! The port of those who look at webhooks and steer them.

use std::time::Instant;

use ledger::{Answer, Timestamp};

use crate::queue::{DeliveryRecord, FeedPlace, LastTry};

/// The most deliveries of one answer.
pub const DELIVERIES_MAX: usize = 1_000;

/// The endpoints of a node.
pub trait Webhooks: Send + Sync + 'static {
    /// Every endpoint, in the order of their names.
    fn endpoints(&self, deadline: Instant) -> Answer<'_, Vec<EndpointStatus>>;

    /// Deliveries of an endpoint, those of the newest events first; `None` if there is no endpoint of this name. At
    /// most [`DELIVERIES_MAX`].
    fn deliveries(
        &self,
        query: DeliveriesQuery,
        deadline: Instant,
    ) -> Answer<'_, Option<Vec<Delivery>>>;

    /// Steers an endpoint; `None` if there is no endpoint of this name. What was done is durable.
    fn steer(
        &self,
        name: String,
        order: Steering,
        deadline: Instant,
    ) -> Answer<'_, Option<Result<EndpointStatus, NotSteered>>>;
}

/// What operators have an endpoint do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steering {
    /// Begin again behind this place: everything behind it is sent, in order, also what was sent before. What waits is
    /// forgotten, dead letters stay.
    Replay(FeedPlace),
    /// Try dead letters again, the oldest first, as many as there is room for.
    Retry,
    /// Send again, at once, also where the receiver asked for time.
    Enable,
    /// Send nothing more.
    Disable,
}

impl Steering {
    /// The name as the API and the log spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Retry => "retry",
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

/// Why an endpoint was not steered. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSteered {
    /// The position does not belong to this ledger.
    PositionInvalid,
    /// It is stopped or disabled for a reason that this does not mend; with the reason.
    Stopped(String),
    /// Another node sends to it, and has to be asked; with that node's name.
    Elsewhere(String),
}

/// How an endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Where it sends, without the query of the URL.
    pub url: String,
    /// Whether it sends.
    pub state: EndpointState,
    /// Why it does not, or what goes wrong; a sentence.
    pub reason: Option<String>,
    /// Everything up to there was delivered or given up; `None` while that is not known.
    pub position: Option<FeedPlace>,
    /// How many deliveries are in hand that have not ended.
    pub waiting_count: usize,
    /// How many of these are under way.
    pub requests_count: usize,
    /// How many were given up and can be tried again.
    pub dead_letters_count: usize,
    /// How many were delivered since this process was started.
    pub delivered_count: u64,
    /// When the oldest event was decided that is not delivered; `None` where there is none.
    pub oldest_waiting_at: Option<Timestamp>,
    /// How long ago that was, in nanoseconds; 0 where there is none.
    pub lag_ns: u64,
    /// The last request that has ended since this process was started, with the id of its message.
    pub last_try: Option<(String, LastTry)>,
    /// When the next request is due; `None` where none waits for its time.
    pub next_try_at: Option<Timestamp>,
}

/// Whether an endpoint sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It does.
    Active,
    /// It does, and its receiver has taken nothing since it failed.
    Failing,
    /// It does not, by the word of an operator or its receiver.
    Disabled,
    /// It cannot, until something is mended.
    Stopped,
    /// Another node does.
    Standby,
}

impl EndpointState {
    /// The name as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
            Self::Stopped => "stopped",
            Self::Standby => "standby",
        }
    }
}

/// Which deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveriesQuery {
    /// Of which endpoint.
    pub name: String,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// How many at most.
    pub limit: usize,
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event, and how it was tried.
    pub record: DeliveryRecord,
    /// What became of it.
    pub state: DeliveryState,
    /// When it is sent; `None` once it has ended, and while it is under way or waits for another.
    pub next_try_at: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is on its way.
    Waiting,
    /// Its receiver took it. The newest 1,000 since this process was started are kept.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// The name as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}
