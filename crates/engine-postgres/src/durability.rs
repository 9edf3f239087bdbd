//! What a commit has waited for: the database's settings decide.

use std::fmt;

use std::sync::atomic::{AtomicU8, Ordering};

use tokio_postgres::Row;

use crate::error::Failure;

/// The settings that decide it, as text.
pub(crate) const SETTINGS: &str = "
    SELECT current_setting('fsync'), current_setting('full_page_writes'),
        current_setting('synchronous_commit')";

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

    /// By the settings `fsync`, `full_page_writes` and `synchronous_commit`.
    pub(crate) fn by(fsync: &str, full_page_writes: &str, synchronous_commit: &str) -> Self {
        match (fsync, full_page_writes, synchronous_commit) {
            ("on", "on", "off") => Self::Delayed,
            ("on", "on", _) => Self::Disk,
            _ => Self::Unsafe,
        }
    }

    /// By a row of [`SETTINGS`].
    pub(crate) fn of(row: &Row) -> Result<Self, Failure> {
        Ok(Self::by(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    }
}

/// What was last seen of it: an operator, or a failover, may change it at any time.
#[derive(Debug)]
pub(crate) struct Watched(AtomicU8);

impl Watched {
    pub(crate) fn new(durability: Durability) -> Self {
        Self(AtomicU8::new(number(durability)))
    }

    pub(crate) fn now(&self) -> Durability {
        match self.0.load(Ordering::Relaxed) {
            0 => Durability::Disk,
            1 => Durability::Delayed,
            _ => Durability::Unsafe,
        }
    }

    pub(crate) fn see(&self, durability: Durability) {
        let before = self.now();
        self.0.store(number(durability), Ordering::Relaxed);
        if durability == before {
            return;
        }
        if durability == Durability::Disk {
            tracing::warn!(%before, %durability, "the database's durability was changed");
        } else {
            tracing::error!(
                %before,
                %durability,
                "the database's durability was changed: answered writes may be lost by a crash; \
                 set fsync, full_page_writes and synchronous_commit on"
            );
        }
    }
}

const fn number(durability: Durability) -> u8 {
    match durability {
        Durability::Disk => 0,
        Durability::Delayed => 1,
        Durability::Unsafe => 2,
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
