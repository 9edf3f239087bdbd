//! The HTTP face of Lastro: the 2024 challenge's routes, `/v1`, probes, metrics, pages about itself.
//!
//! [`bind`] takes an address, [`serve`] answers on it until it has to stop; a [`LateApp`] is served
//! before its ledger is open. Everything is
//! bounded: bytes, headers, connections, time per request and idle time (see [`Limits`]).
//!
//! What a request costs beside the engine's work: one routing step, one timer for the engine's
//! deadline, two counters and one histogram sample whose handles were made once, and an id of the
//! request unless the caller gives one. There is no middleware, and no log line per request unless
//! the subscriber asks for [`ACCESS_LOG`].
//!
//! **Architecture Invariant:** the face knows the [`ledger::Engine`] port and no engine. Rules are
//! the ledger's: the face checks the form of what it is sent, and answers what was decided.

mod access;
mod access_log;
mod address;
mod answer;
mod app;
mod arrival;
mod body;
mod call;
mod callbacks;
mod challenge_2024;
mod challenge_2025;
mod codes;
mod connection;
mod connection_metrics;
mod ending;
mod errors;
mod exposition;
mod feed_turns;
mod grpc;
mod guarded_io;
mod handler;
mod handshakes;
mod health;
mod hosts;
mod http2;
mod http_face;
mod interventions;
mod json;
mod keys;
mod lasting;
mod late_app;
mod limits;
mod listener;
mod mapping;
mod measure;
mod metrics;
mod openapi;
mod pages;
mod panics;
mod peer;
mod probes;
mod problem;
mod request_id;
mod rfc3339;
mod room;
mod routes;
mod serve;
mod table;
mod tenure;
mod tls;
mod traced;
mod unread;
mod untaken;
mod v1;
mod web;

pub use access_log::ACCESS_LOG;
pub use address::{AddressInvalid, ListenAddress};
pub use app::App;
pub use callbacks::Callbacks;
pub use codes::{errors_markdown, what_to_do};
pub use exposition::{MetricsCallers, install_metrics, serve_metrics};
pub use grpc::{GrpcCommands, GrpcLimits, serve_grpc};
pub use health::{AlwaysReady, Health, Readiness};
pub use hosts::Hosts;
pub use interventions::Reporting;
pub use keys::{
    AccountPattern, KeyChanges, KeyHash, KeyRecord, KeySecret, Keys, KeysInvalid, KeysOptions,
    NameInvalid, PatternInvalid, Scope, UnknownScope, check_name,
};
pub use late_app::LateApp;
pub use limits::Limits;
pub use listener::{BindError, Listener, SocketAccess, bind, bind_for};
pub use metrics::METRICS;
pub use openapi::openapi_json;
pub use rfc3339::time_text;
pub use serve::{Stopped, serve, serve_probes, serve_router};
pub use tls::{ServerTls, ServerTlsError, TlsFiles};
pub use v1::{
    EventSelection, UnknownEventType, WebhookFace, account_json, moment_at, payment_json,
    reference_of, transfer_json,
};
