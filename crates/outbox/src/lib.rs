//! Operations accepted now and applied later.
//!
//! An operation is a [`ledger::Command`] with an id of its own: a transfer, pend, post or void. It
//! is accepted once it is durable in this node's own journal, also while the ledger is down, and
//! applied later through [`ledger::Engine::submit`] until the ledger has answered. Ids make every
//! repetition safe: after a crash whatever is not known to be applied is given again.
//!
//! | step | cost |
//! |---|---|
//! | accepting | one record; a write and a sync for all that arrived meanwhile |
//! | a queued operation | about 90 bytes of memory; its content stays on the disk |
//! | applying | one small read; a micro-batch is one call of the engine |
//! | what was applied | a mark in a later frame; segments without anything queued are removed |
//!
//! Operations are applied as one stream of micro-batches, each only after the one before it was
//! answered: whatever accounts they share, their order is the one this node accepted them in. Load
//! makes micro-batches larger instead of making operations wait longer.
//!
//! The records are described in `docs/outbox-records.md`.
//!
//! **Architecture Invariant:** the outbox decides nothing about money: it judges an operation's
//! form with the ledger's own rules, keeps it, and believes the ledger alone about its outcome.

mod drain;
mod log;
mod metrics;
mod operation;
mod options;
mod outbox;
mod queue;
mod record;
mod shared;
mod status;
mod verify;
mod writer;

pub use log::{OutboxOpenError, OutboxRecovery, ReplayError};
pub use metrics::METRICS;
pub use operation::{Accepted, NotAccepted, NotAnOperation, Operation, OperationState, Operations};
pub use options::{OptionsInvalid, OutboxOptions};
pub use outbox::Outbox;
pub use record::RecordError;
pub use status::OutboxStatus;
pub use verify::{VerifiedOutbox, is_outbox, verify};
