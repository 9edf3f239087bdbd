//! Endpoints of webhooks and what is sent to them.

use serde::{Deserialize, Serialize};

use crate::words::{DeliveryState, EndpointState};

/// An endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// Its name in the server's configuration.
    pub name: String,
    /// Where it sends, without the query.
    pub url: String,
    /// Whether it sends.
    pub state: EndpointState,
    /// Why it does not send, or what goes wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything up to this position was delivered, given up, or not asked for.
    pub position: Option<String>,
    /// How many events are in hand that are not delivered.
    pub waiting_count: u64,
    /// How many of these are being sent.
    pub requests_count: u64,
    /// How many events were given up and can be tried again.
    pub dead_letters_count: u64,
    /// How many events were delivered since the server was started.
    pub delivered_count: u64,
    /// When the oldest event was decided that is not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_waiting_at: Option<String>,
    /// How long ago that was, in milliseconds.
    pub lag_ms: u64,
    /// When the next request is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<String>,
    /// The last request that has ended since the server was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_try: Option<DeliveryTry>,
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id of the message: the event's position.
    pub webhook_id: String,
    /// The event's type.
    pub event_type: String,
    /// When the event was decided.
    pub event_timestamp: String,
    /// Where it is.
    pub state: DeliveryState,
    /// How often it was sent.
    pub tries_count: u32,
    /// When it was sent first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_try_at: Option<String>,
    /// When it is sent next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<String>,
    /// The last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_try: Option<DeliveryTry>,
}

/// A request to a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryTry {
    /// The message that it was about, where an endpoint shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// When it was sent.
    pub at: String,
    /// The HTTP status; `None` if no complete answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why no complete answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}
