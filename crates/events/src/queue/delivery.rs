//! A delivery: one event on its way to one endpoint.

use std::sync::Arc;
use std::time::Duration;

use ledger::{AccountId, Event, EventPosition, PaymentId, Timestamp};
use serde::{Deserialize, Serialize};

use super::place::FeedPlace;

/// Where an event is in the feed, with what is shown of it in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Where it can be read again: right behind the event before it.
    pub after: FeedPlace,
    /// Right behind it; its text is the `webhook-id`.
    #[serde(with = "super::place::position_text")]
    pub position: EventPosition,
    /// The type, such as `transfer.posted`.
    pub event_type: String,
    /// When it was decided, in nanoseconds.
    pub timestamp: Timestamp,
}

impl Placed {
    /// The id of the message about it: the same each time it is sent, to whichever endpoint.
    #[must_use]
    pub fn webhook_id(&self) -> String {
        self.position.to_string()
    }
}

/// What a delivery must not overtake: another one of the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lane {
    /// An account that a caller has opened.
    Account(AccountId),
    /// A payment.
    Payment(PaymentId),
}

impl Lane {
    /// The lanes of an event that is about these accounts. System accounts are none: `world:BRL` is a side of every deposit,
    /// and one deposit would hold up all others.
    #[must_use]
    pub fn of(event: &Event, accounts: &[AccountId]) -> Vec<Self> {
        let accounts = accounts.iter().filter(|id| !id.is_reserved());
        let mut lanes: Vec<_> = accounts.cloned().map(Self::Account).collect();
        lanes.dedup();
        lanes.extend(event.payment().map(|payment| Self::Payment(payment.id)));
        lanes
    }
}

/// An event that goes to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Where it is.
    pub placed: Placed,
    /// What it must not overtake others in.
    pub lanes: Vec<Lane>,
    /// What is sent.
    pub body: Arc<[u8]>,
}

/// The last try to deliver something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastTry {
    /// When it was begun.
    pub at: Timestamp,
    /// The status of the answer; `None` if no complete answer came.
    pub status: Option<u16>,
    /// Why no complete answer came; empty where one came.
    pub failure: String,
    /// The beginning of the answer's body, at most 200 characters.
    pub body: String,
}

/// How often something was tried, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tries {
    /// How many have ended.
    pub count: u32,
    /// The pauses between them, as far as they were waited for.
    pub tried_for_ms: u64,
    /// When the first was begun.
    pub first_at: Option<Timestamp>,
    /// The last one that has ended.
    pub last: Option<LastTry>,
}

impl Tries {
    pub(super) fn tried_for(&self) -> Duration {
        Duration::from_millis(self.tried_for_ms)
    }
}

/// An event and how it was tried: a delivery that has ended, or that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRecord {
    /// The event.
    pub placed: Placed,
    /// How it was tried.
    pub tries: Tries,
}

/// What is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which delivery it is, for [`DeliveryQueue::answered`](super::DeliveryQueue::answered).
    pub number: u64,
    /// The id of the message: the same each time the event is sent.
    pub webhook_id: EventPosition,
    /// What is sent.
    pub body: Arc<[u8]>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryResult {
    /// What it means.
    pub meaning: Meaning,
    /// For the record.
    pub last: LastTry,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The receiver has it.
    Delivered,
    /// It does not; it is sent again.
    Failed {
        /// After how long the receiver wants to be asked again.
        retry_after: Option<Duration>,
        /// Whether that is about the receiver as a whole (429, 503) and not about this event alone.
        is_busy: bool,
    },
    /// The receiver wants nothing any more (410).
    Gone,
}

/// What a request's end led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered; the record of it.
    Delivered(Box<DeliveryRecord>),
    /// It is tried again after this pause.
    Again(Duration),
    /// It was given up.
    Dead(Box<DeliveryRecord>),
    /// It waits, and the endpoint is disabled.
    Gone,
    /// Nobody asks for it any more: the endpoint was set to another position meanwhile.
    Unknown,
}
