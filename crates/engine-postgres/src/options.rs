//! How the engine is opened.

use std::path::PathBuf;
use std::time::Duration;

use ledger::ClockBounds;

use crate::primary::Newest;

/// What becomes of a database in which there is no ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// One is begun there.
    Allowed,
    /// One is begun there, and a database that has one already is refused.
    Required,
    /// It is refused: it may be the wrong database.
    Refused,
}

/// How the engine is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// How many connections there are at most.
    pub connections_max: usize,
    /// How many calls may be under way at once; what arrives meanwhile goes together in the next.
    pub calls_max: usize,
    /// About how many bytes of commands may wait; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How long one attempt to connect to one host may take; the URL's `connect_timeout` goes before
    /// it.
    pub connect_timeout: Duration,
    /// How long one statement may take, waiting for locks included.
    pub statement_timeout: Duration,
    /// A file with the certificates of those who may vouch for the database; connections are
    /// encrypted then, and the database's certificate is verified.
    pub authority: Option<PathBuf>,
    /// Whether the database is migrated first; else it has to be at the right migration.
    pub migrate: bool,
    /// What becomes of a database in which there is no ledger, where it is migrated first.
    pub beginning: Beginning,
    /// How much the database's clock is trusted.
    pub clock: ClockBounds,
    /// What those who have these options, or a copy of them, have met together: none of them uses a
    /// primary that another one knows to be superseded.
    pub newest: Newest,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections_max: 15,
            calls_max: 1,
            queue_bytes_max: 64 << 20,
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(5),
            authority: None,
            migrate: true,
            beginning: Beginning::Allowed,
            clock: ClockBounds::default(),
            newest: Newest::default(),
        }
    }
}
