//! The face over real sockets, the reference engine behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod challenge_2024;
mod failures;
mod golden;
mod limits;
mod observe;
mod protocol;
mod stopping;
mod support;
mod v1_accounts;
mod v1_transfers;
