//! The default engine: the rules in memory over the journal.
//!
//! - One writer thread decides, writes, syncs, publishes and answers, in this order. Under load a
//!   second thread writes and syncs a frame while the next is decided.
//! - Reads see what is published, which is what is durable; they never wait for a sync. What is not
//!   in memory is read in threads for that alone: no thread of a caller's waits for the disk.
//!
//! | what | cost |
//! |---|---|
//! | an account | about 145 bytes of memory |
//! | a settled payment | about 60 bytes of memory in the newest segment, none worth mentioning in older ones |
//! | a used id | about 42 bytes of memory in the newest segments, about 2 in older ones |
//! | a statement line | one small read |
//! | a place in a list | 24 bytes of memory in the newest segments; in older ones about 2 for each different list |
//! | an entry by its number | at most 256 small reads |
//! | a page of a list | one page of each table that may have the list, one for each 170 places, and some four small reads for each transfer or payment |
//! | a page of accounts | a look at each, in memory |
//! | a page of events | one small read, and one of 64 KiB for as many bytes of records |
//! | opening | the newest snapshot, and one pass over the journal from there on |
//!
//! **Architecture Invariant:** readers and the writer share published state only; what is decided
//! and not durable lives in the writer's draft.
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod accounts;
mod beside;
mod books;
mod changes;
mod draft;
mod engine;
mod events;
mod feed;
mod history;
mod ids;
mod keeper;
mod lists;
mod lookup;
mod metrics;
mod names;
mod offline;
mod offline_lists;
mod open;
mod options;
mod progress;
mod published;
mod queue;
mod read;
mod record;
mod replay;
mod shards;
mod shared;
mod snapshot;
mod sums;
mod syncer;
mod traced;
mod verify;
mod working;
mod writer;

pub use engine::EmbeddedEngine;
pub use events::{EventsError, LockedJournal};
pub use metrics::METRICS;
pub use offline::OfflineLedger;
pub use offline_lists::{OfflineError, OfflineLists};
pub use open::{OpenError, Recovery};
pub use options::EmbeddedOptions;
pub use progress::OpeningProgress;
pub use record::RecordError;
pub use replay::ReplayError;
pub use shared::Status;
pub use verify::{
    Audit, Expected, Finding, SortError, Verified, VerifiedSince, verify, verify_expecting,
    verify_since,
};
