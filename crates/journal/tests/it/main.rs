//! The journal from the outside: real files, and the storage double that loses and tears.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backups;
mod crashes;
mod damage;
mod faults;
mod files;
mod fixture;
mod fixture_records;
mod fuzz;
mod live;
mod onward;
mod resuming;
mod retiring;
mod round_trip;
mod spares;
mod workload;
