//! The engine on a real Redis and a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod comparisons;
mod conformance;
mod faults;
mod load;
mod nodes;
mod relay;
mod starts;
mod subject;
mod support;
