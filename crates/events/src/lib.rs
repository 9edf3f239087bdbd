//! Webhooks: every event to those who asked for it, in order for each account, at least once.
//!
//! | part | what it does |
//! |---|---|
//! | [`DeliveryQueue`] | decides what is sent when; knows neither network nor clock nor disk |
//! | `endpoint` | a task for each endpoint: reads the feed, sends, keeps what must survive |
//! | `receiver` | one message over HTTP: signed, bounded, only to addresses that are allowed |
//! | `state_file` | what survives: how far the feed was read, and what of it is not delivered |
//! | [`Webhooks`] | the port of those who look at endpoints and steer them |
//!
//! | step | cost |
//! |---|---|
//! | reading | pages of the feed; the ledger's writer has nothing to do with it |
//! | a delivery | one event decoded and written as JSON, one HMAC for each secret, one request |
//! | keeping | a file or a row of a few hundred bytes and a sync, at most once a second for each endpoint where something was delivered |
//!
//! After a kill, what was delivered since the file was written last, about a second of deliveries, is sent again with the
//! same `webhook-id`.
//!
//! **Architecture Invariant:** it writes nothing to the ledger, and knows the `Engine` port's feed and no engine. How events
//! are shown is handed in.

mod addresses;
mod config;
mod endpoint;
mod face;
mod folder;
mod metrics;
mod port;
mod queue;
mod receiver;
mod running;
mod secrets;
mod state;
mod store;

pub use config::{
    EndpointConfig, EndpointName, EndpointNameInvalid, FirstFrom, UrlInvalid, WebhookUrl,
};
pub use face::{EventFace, EventFilter};
pub use folder::EndpointFolder;
pub use metrics::METRICS;
pub use port::{
    DELIVERIES_MAX, DeliveriesQuery, Delivery, DeliveryState, EndpointState, EndpointStatus,
    NotSteered, Steering, Webhooks,
};
pub use queue::{
    Arrival, DeliveryQueue, DeliveryRecord, Disabled, FeedPlace, Jitter, Lane, LastTry, Meaning,
    Placed, Policy, Request, Saved, SavedDelivery, Tries, TryResult, Verdict,
};
pub use receiver::ClientError;
pub use running::{EndpointParts, RunningWebhooks, StartError, WebhookParts};
pub use secrets::{SecretInvalid, WebhookSecret, WebhookSecrets};
pub use store::{Claim, EndpointStore, StoreError, Stored, Written};
