//! The definitions and the conversions, upon what the ledger itself says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod fuzz;
mod history;
mod hostile;
mod reads;
mod submit;
