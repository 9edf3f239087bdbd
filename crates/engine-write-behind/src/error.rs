//! What can go wrong between a node, Redis and the database.

use engine_postgres::Failure;
use ledger::{Timestamp, Unavailable};

/// Bytes in Redis that this version did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis holds data that this version did not write")]
pub(crate) struct Damaged;

/// Why the engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WriteBehindOpenError {
    /// The database could not be opened.
    #[error("the database cannot be opened")]
    Database(#[from] engine_postgres::PostgresOpenError),
    /// The database did not answer.
    #[error("the database did not answer as expected")]
    Asked(#[from] Failure),
    /// Redis could not be asked.
    #[error("Redis did not answer as expected")]
    Redis(#[from] redis::RedisError),
    /// The URL of Redis cannot be parsed, or asks for what is not supported.
    #[error("the URL of Redis is not understood: {0}")]
    Url(String),
    /// Redis is slow, or cannot be reached.
    #[error("Redis did not answer in time")]
    Late,
    /// Redis would not keep what is answered.
    #[error("{0}")]
    Unsafe(String),
    /// Redis and the database do not agree, and bringing them to agree would lose data.
    #[error("Redis and the database disagree: {0}")]
    Disagree(String),
    /// Another node compares the stores or rebuilds Redis.
    #[error(
        "another node compares the stores or rebuilds Redis at the same time: start this one again"
    )]
    Busy,
    /// It is not known of this Redis whether other nodes go on with it.
    #[error(
        "Redis was started again, or its URL led to another one, while it was compared with the database; \
         nothing was applied: a node that runs compares them again by itself, a start has to be repeated"
    )]
    OtherRedis,
}

impl WriteBehindOpenError {
    /// Whether the ledger may be opened a moment later, although nobody mends anything here: Redis or the database is
    /// being started, or cannot be reached now.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => error.may_pass(),
            Self::Asked(failure) => failure.may_pass_at_a_start(),
            Self::Redis(error) => {
                let is_starting = ["LOADING", "BUSY", "MASTERDOWN", "READONLY", "NOREPLICAS"];
                match error.code() {
                    Some(code) => is_starting.contains(&code),
                    None => error.is_io_error() || error.is_timeout(),
                }
            }
            Self::Late | Self::Busy | Self::OtherRedis => true,
            Self::Url(_) | Self::Unsafe(_) | Self::Disagree(_) => false,
        }
    }
}

impl From<tokio_postgres::Error> for WriteBehindOpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Asked(error.into())
    }
}

impl From<Damaged> for WriteBehindOpenError {
    fn from(damaged: Damaged) -> Self {
        Self::Disagree(damaged.to_string())
    }
}

/// Why Redis did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nothing was applied: what it holds has to be compared with the database first.
    #[error(
        "Redis is empty, was restarted, went back to an older state, or was compared by another node"
    )]
    Stale,
    /// It was not dropped: it has calls that the database does not have.
    #[error("Redis has calls that are not persisted, and was not rebuilt")]
    Unpersisted,
    /// Nothing was applied: its clock said this time, which is not believed.
    #[error(
        "Redis' clock jumped forward and is not believed: set it right and the ledger goes on by \
         itself; if it is right, restart each node with --accept-clock"
    )]
    ClockJumped(Timestamp),
    /// Nothing was applied: it has no memory left.
    #[error("Redis has no memory left")]
    Full(#[source] redis::RedisError),
    /// Nothing was applied: it cannot write its file.
    #[error("Redis cannot write its file")]
    Stuck(#[source] redis::RedisError),
    /// Nothing was applied, and soon it may be.
    #[error("Redis accepts no writes now")]
    Refused(#[source] redis::RedisError),
    /// Whether it was applied is not known.
    #[error("Redis does not answer")]
    Lost(#[source] redis::RedisError),
    /// Whether it was applied is not known: the deadline passed.
    #[error("the deadline passed")]
    Late,
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl From<redis::RedisError> for Trouble {
    fn from(error: redis::RedisError) -> Self {
        let says = |text: &str| error.detail().is_some_and(|detail| detail.contains(text));
        match error.code() {
            Some("OOM") => Self::Full(error),
            Some("MISCONF") => Self::Stuck(error),
            Some("READONLY" | "LOADING" | "BUSY" | "MASTERDOWN" | "NOREPLICAS") => {
                Self::Refused(error)
            }
            Some("ERR") if says("Function not found") => Self::Stale,
            // Functions pass on what a command in them said.
            Some("ERR") if says("OOM") => Self::Full(error),
            Some(_) => Self::Stuck(error),
            None => Self::Lost(error),
        }
    }
}

impl Trouble {
    /// Whether this Redis, still the one that was compared, answered and refused.
    pub(crate) const fn is_answer(&self) -> bool {
        match self {
            Self::ClockJumped(_) | Self::Full(_) | Self::Stuck(_) | Self::Refused(_) => true,
            Self::Stale | Self::Unpersisted | Self::Lost(_) | Self::Late | Self::Damaged(_) => {
                false
            }
        }
    }

    /// Whether this Redis, which takes no writes, still answers reads for certain.
    pub(crate) fn reads_go_on(&self) -> bool {
        match self {
            Self::ClockJumped(_) | Self::Full(_) => true,
            Self::Stuck(error) => error.code() == Some("MISCONF"),
            Self::Refused(error) => error.code() == Some("NOREPLICAS"),
            Self::Stale | Self::Unpersisted | Self::Lost(_) | Self::Late | Self::Damaged(_) => {
                false
            }
        }
    }

    /// Whether another attempt may succeed.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Lost(_))
    }

    /// Whether what was asked for may have been applied all the same.
    pub(crate) const fn may_be_applied(&self) -> bool {
        match self {
            Self::Stale
            | Self::Unpersisted
            | Self::ClockJumped(_)
            | Self::Full(_)
            | Self::Refused(_) => false,
            // An error of no known name may have come after it was applied, and an answer that is not
            // understood did.
            Self::Stuck(_) | Self::Lost(_) | Self::Late | Self::Damaged(_) => true,
        }
    }

    /// Whether another connection may do better: this one is lost or hangs, or leads to a Redis that
    /// has become a replica.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Late => true,
            Self::Refused(error) => matches!(error.code(), Some("READONLY" | "MASTERDOWN")),
            Self::Stale
            | Self::Unpersisted
            | Self::ClockJumped(_)
            | Self::Full(_)
            | Self::Stuck(_)
            | Self::Damaged(_) => false,
        }
    }

    /// What the caller is told.
    pub(crate) const fn unavailable(&self) -> Unavailable {
        match self {
            Self::ClockJumped(_) => Unavailable::ClockJumped,
            Self::Full(_) => Unavailable::StorageFull,
            Self::Stuck(_) => Unavailable::StorageFailed,
            Self::Late => Unavailable::Timeout,
            Self::Damaged(_) => Unavailable::StorageDamaged,
            Self::Stale | Self::Unpersisted | Self::Refused(_) | Self::Lost(_) => {
                Unavailable::LedgerUnavailable
            }
        }
    }
}

/// What stops a start.
pub(crate) fn trouble(trouble: Trouble) -> WriteBehindOpenError {
    match trouble {
        Trouble::Lost(error)
        | Trouble::Refused(error)
        | Trouble::Stuck(error)
        | Trouble::Full(error) => WriteBehindOpenError::Redis(error),
        Trouble::Damaged(damaged) => damaged.into(),
        // Only commands are judged by the clock, and a start gives none.
        Trouble::ClockJumped(_) => Damaged.into(),
        // It is not the one that was judged: the next comparison finds what it is now.
        Trouble::Stale | Trouble::Unpersisted => WriteBehindOpenError::Busy,
        Trouble::Late => WriteBehindOpenError::Late,
    }
}
