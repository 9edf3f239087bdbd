//! The engine on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod behind;
mod claims;
mod clock;
mod conformance;
mod content;
mod crashes;
mod expiries;
mod failover;
mod feed;
mod hosts;
mod migrations;
mod nodes;
mod past;
mod poolers;
mod sessions;
mod standby;
mod subject;
mod texts;
mod tls;
mod unknown;
mod verify;
