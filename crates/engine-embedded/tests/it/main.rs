//! The embedded engine over real files and over faulty ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account_list;
mod aged;
mod bank;
mod clocks;
mod cold;
mod conformance;
mod crashes;
mod damage;
mod deadlines;
mod faults;
mod feed;
mod fixture;
mod gated;
mod golden;
mod history;
mod lies;
mod lists;
mod model;
mod overlap;
mod panics;
mod picture;
mod readers;
mod replay;
mod resolutions;
mod script;
mod statements;
mod subject;
mod sums;
mod workload;
mod wrapping;
