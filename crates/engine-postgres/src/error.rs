//! What can go wrong between a node and the database, and what to do about it.

use deadpool_postgres::PoolError;
use ledger::Unavailable;
use tokio_postgres::error::SqlState;

/// Why the engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection string is none.
    #[error("the database's URL is not understood")]
    Url(#[source] tokio_postgres::Error),
    /// Connections cannot be encrypted as it was asked for.
    #[error("no encrypted connection to the database: {0}")]
    Tls(String),
    /// The pool could not be made.
    #[error("the connection pool could not be made")]
    Pool(#[from] deadpool_postgres::BuildError),
    /// The database could not be asked.
    #[error("the database does not answer")]
    Database(#[from] tokio_postgres::Error),
    /// No connection could be had.
    #[error("there is no connection to the database")]
    Connection(#[from] PoolError),
    /// Another version of Lastro has been here.
    #[error(
        "the database is at migration {found}, this version knows {known}: use a newer version"
    )]
    Newer {
        /// The newest migration there.
        found: i32,
        /// The newest migration known.
        known: i32,
    },
    /// What is answered is in a Redis first.
    #[error(
        "a Redis stands in front of this database, and what it has answered may not be here yet: \
         serve it with --engine write-behind, or end that with `lastro migrate --detach`"
    )]
    Behind,
    /// There are migrations to run first.
    #[error("the database is at migration {found} of {known}: run `lastro migrate`")]
    Older {
        /// The newest migration there.
        found: i32,
        /// The newest migration known.
        known: i32,
    },
}

/// Why an attempt of a call or a read failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database refused, or the connection ended.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// There is no connection.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The attempt took longer than the caller waits.
    #[error("the deadline passed")]
    Late,
    /// The commit was sent and its answer lost.
    #[error("whether the transaction was committed is not known")]
    CommitUnknown,
    /// What is there cannot be understood.
    #[error("{0} in the database is not what this version writes")]
    Damaged(&'static str),
}

impl Failure {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Database(error) => match error.code() {
                Some(code) => is_passing(code),
                // No answer of the server's: the connection is gone.
                None => true,
            },
            Self::Late | Self::CommitUnknown | Self::Damaged(_) => false,
        }
    }

    /// What the caller is told.
    #[must_use]
    pub fn unavailable(&self) -> Unavailable {
        match self {
            Self::Damaged(_) => Unavailable::StorageDamaged,
            Self::Late => Unavailable::Timeout,
            Self::Database(error) if error.code() == Some(&SqlState::DISK_FULL) => {
                Unavailable::StorageFull
            }
            _ => Unavailable::LedgerUnavailable,
        }
    }
}

/// Conflicts with other nodes (the loser's whole transaction was rolled back), and a server that
/// stops, starts, stands by or is short of something.
fn is_passing(code: &SqlState) -> bool {
    let conflicts = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    let class = code.code().get(..2).unwrap_or_default();
    conflicts.contains(code)
        || ["08", "57"].contains(&class)
        || (class == "53" && *code != SqlState::DISK_FULL)
}
