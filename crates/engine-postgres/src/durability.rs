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
        f.write_str(match self {
            Self::Disk => "disk (fsync, synchronous_commit)",
            Self::Delayed => "delayed (synchronous_commit is off: a crash loses the newest writes)",
            Self::Unsafe => "unsafe (fsync or full_page_writes is off)",
        })
    }
}
