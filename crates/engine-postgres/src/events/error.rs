//! Why events could not be read, and what an earlier version did not keep of them.

use std::io;

use crate::error::PostgresOpenError;

/// Why the events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The database could not be read.
    #[error(transparent)]
    Open(#[from] PostgresOpenError),
    /// The file that they are sorted in could not be written or read.
    #[error("the events could not be sorted on the disk")]
    Sort(#[from] io::Error),
    /// A row cannot be understood.
    #[error(
        "{row} is not what this version writes: `lastro verify --database-url` finds what is damaged"
    )]
    Damaged {
        /// The row.
        row: String,
    },
    /// Something happened that no table has, because an earlier version decided it.
    #[error("{what}")]
    NotKept {
        /// What is missing.
        what: String,
    },
}

impl From<tokio_postgres::Error> for EventsError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Open(error.into())
    }
}

/// What the database does not have of events that an earlier version decided. All other counts of a ledger
/// are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotKept {
    /// Refusals and failed batches without a time: they are given the time 0.
    pub undated: u64,
    /// Expiries without a time: they are given the time at which they were due.
    pub expiries: u64,
    /// Changes of limits, closings and states of payments that later events show, and that are made up
    /// from these. Counted while the events are taken.
    pub changes: u64,
}
