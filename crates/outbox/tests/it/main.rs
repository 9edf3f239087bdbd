//! The outbox from the outside: over real files, over the storage double, and before a ledger that
//! answers, does not, or loses its answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepting;
mod applying;
mod bank;
mod crashes;
mod faults;
mod fixture;
mod script;
mod verifying;
