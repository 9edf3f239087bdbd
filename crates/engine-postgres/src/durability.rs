//! What a commit has waited for: the database's settings decide.

use std::fmt;

use tokio_postgres::Client;

use crate::error::OpenError;

/// What an answered write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is lost with a process or by a power cut.
    Disk,
    /// `synchronous_commit` is off: a crash of the database loses the newest writes.
    Delayed,
    /// `fsync` or `full_page_writes` is off: a power cut may destroy the database.
    Unsafe,
}

impl Durability {
    /// The word for it, as metrics and `/readyz` say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Delayed => "delayed",
            Self::Unsafe => "unsafe",
        }
    }

    /// By the settings of this session.
    pub(crate) async fn of(client: &Client) -> Result<Self, OpenError> {
        let settings = "SELECT current_setting('fsync')::boolean
                AND current_setting('full_page_writes')::boolean,
            current_setting('synchronous_commit') <> 'off'";
        let row = client.query_one(settings, &[]).await?;
        Ok(match (row.try_get(0)?, row.try_get(1)?) {
            (false, _) => Self::Unsafe,
            (true, false) => Self::Delayed,
            (true, true) => Self::Disk,
        })
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Disk => "fsync, synchronous_commit",
            Self::Delayed => "synchronous_commit is off: a crash loses the newest writes",
            Self::Unsafe => "fsync or full_page_writes is off: a power cut may destroy it",
        };
        write!(f, "{} ({why})", self.as_str())
    }
}
