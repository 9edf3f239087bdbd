//! The scenarios against servers that are right and servers that are broken on purpose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bank;
mod bank_double;
mod capacity;
mod double;
mod ledger_double;
mod payments_double;
mod reports;
mod rinha_2024;
mod rinha_2025;
