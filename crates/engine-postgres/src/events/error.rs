//! Why events could not be read.

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
        "{row} is not what this version writes: it is damaged, which `lastro verify --database-url` finds, \
         or of an earlier version, which did not keep all events"
    )]
    Damaged {
        /// The row.
        row: String,
    },
}

impl From<tokio_postgres::Error> for EventsError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Open(error.into())
    }
}
