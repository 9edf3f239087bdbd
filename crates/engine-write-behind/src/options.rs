//! How the engine is opened.

use std::path::PathBuf;
use std::time::Duration;

use engine_postgres::Uptime;
use ledger::ClockBounds;

use crate::settings::RedisDurability;

/// How the engine is opened.
#[derive(Debug, Clone)]
pub struct WriteBehindOptions {
    /// What Redis has to promise.
    pub durability: RedisDurability,
    /// How many calls may be under way at once; what arrives meanwhile goes together in the next.
    pub calls_max: usize,
    /// About how many bytes of commands may wait; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How many entries may wait to be persisted: past half of it writes slow down, at it they are
    /// `overloaded`.
    pub unpersisted_max: u64,
    /// How long Redis keeps the exact outcome of an id that is persisted.
    pub ids_kept: Duration,
    /// A file with the certificates of those who may vouch for a Redis that is reached over TLS;
    /// without it, those whom this machine trusts.
    pub redis_authority: Option<PathBuf>,
    /// How much Redis' clock is trusted.
    pub clock: ClockBounds,
    /// This machine's time, which Redis' clock is compared with; another one in tests.
    pub uptime: Uptime,
    /// Whether this start goes on with a Redis that lacks writes that a node has answered, where PostgreSQL
    /// lacks them too. They are named in the log either way; without this the start is refused, unless that
    /// Redis has only lost its newest writes and syncs once a second.
    pub accepts_data_loss: bool,
    /// How the database is reached. Its clock decides nothing here.
    pub database: engine_postgres::PostgresOptions,
}

impl Default for WriteBehindOptions {
    fn default() -> Self {
        Self {
            durability: RedisDurability::Always,
            calls_max: 2,
            queue_bytes_max: 64 << 20,
            unpersisted_max: 200_000,
            ids_kept: Duration::from_secs(60 * 60),
            redis_authority: None,
            clock: ClockBounds::default(),
            uptime: engine_postgres::uptime,
            accepts_data_loss: false,
            database: engine_postgres::PostgresOptions::default(),
        }
    }
}
