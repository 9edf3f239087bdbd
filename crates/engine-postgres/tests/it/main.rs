//! The engine on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod conformance;
mod crashes;
mod expiries;
mod migrations;
mod nodes;
mod subject;
mod texts;
mod tls;
mod verify;
