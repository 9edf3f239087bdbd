//! What `lastro bench` is asked to measure.

use std::path::PathBuf;

use engine_remote::LedgerAddress;
use journal::Durability;

use crate::database::{DatabaseSettings, Unencrypted};

#[derive(clap::Args)]
pub(crate) struct BenchOptions {
    /// Number of transfers.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) transfers: u64,
    /// Number of accounts.
    #[arg(long, default_value_t = 10_000)]
    pub(super) accounts: u64,
    /// Transfers in a call.
    #[arg(long, default_value_t = 1_000)]
    pub(super) batch: usize,
    /// Calls in progress at the same time.
    #[arg(long, default_value_t = 4)]
    pub(super) concurrency: usize,
    /// Debits one limited account with every transfer; 1 % of the transfers exceed its limit.
    #[arg(long)]
    pub(super) hot: bool,
    /// What an answer waits for: `disk` or `os`.
    #[arg(long, default_value_t = Durability::Disk)]
    pub(super) durability: Durability,
    /// Measures the engine over this PostgreSQL instead, in a database without a ledger:
    /// `postgres://user:password@host:port/name`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["durability", "data_dir"])]
    pub(super) database_url: Option<String>,
    #[command(flatten)]
    pub(super) database: DatabaseSettings,
    #[command(flatten)]
    pub(super) unencrypted: Unencrypted,
    /// Drives the ledger node that serves gRPC at this address instead: `host:port` or `unix:PATH`.
    #[arg(long, value_name = "ADDRESS")]
    #[arg(conflicts_with_all = ["durability", "data_dir", "database_url"])]
    pub(super) grpc: Option<LedgerAddress>,
    /// Where to write; must be new or empty. By default a fresh folder under the current one,
    /// removed at the end.
    #[arg(long)]
    pub(super) data_dir: Option<PathBuf>,
    /// Seed of the random choices.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<PathBuf>,
}
