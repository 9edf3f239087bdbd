//! The engine on a real Redis and a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod catching_up;
mod clock;
mod comparisons;
mod conformance;
mod epochs;
mod failover;
mod faults;
mod load;
mod log;
mod losses;
mod masters;
mod nodes;
mod relay;
mod reports;
mod settings;
mod starts;
mod subject;
mod support;
mod verifying;
