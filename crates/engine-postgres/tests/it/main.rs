//! The engine on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod conformance;
mod content;
mod crashes;
mod expiries;
mod hosts;
mod migrations;
mod nodes;
mod poolers;
mod sessions;
mod standby;
mod subject;
mod texts;
mod tls;
mod verify;
