//! What `lastro bench` is asked to measure.

use std::path::PathBuf;

use anyhow::Context;
use engine_remote::{LedgerAddress, LedgerKey, RemoteOptions};
use journal::Durability;

use super::ids::IdKind;
use crate::database::{DatabaseSettings, Unencrypted};
use crate::keys::read_secret;

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
    /// Gives each transfer a reference of its own, of about 20 characters.
    #[arg(long)]
    pub(super) references: bool,
    /// How ids of transfers are made: random (UUID v4), or in the order of their times (UUID v7).
    #[arg(long, value_enum, default_value_t = IdKind::V4)]
    pub(super) ids: IdKind,
    /// Goes on over one ledger, and prints a row of figures for each million transfers (ten million, if there are
    /// more than fifty). With --data-dir, the ledger of an earlier benchmark goes on.
    #[arg(long, conflicts_with = "database_url")]
    pub(super) sustain: bool,
    /// Transfers in a row of --sustain [default: 1000000, or 10000000 for more than 50000000].
    #[arg(long, value_name = "COUNT", requires = "sustain")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) row_transfers: Option<u64>,
    /// With --sustain --grpc: process id of the ledger node, whose memory is measured.
    #[arg(long, value_name = "PID", requires_all = ["sustain", "grpc"])]
    pub(super) node_pid: Option<u32>,
    /// With --sustain --grpc: data folder of the ledger node, whose size on the disk is measured.
    #[arg(long, value_name = "DIR", requires_all = ["sustain", "grpc"])]
    pub(super) node_data_dir: Option<PathBuf>,
    /// What an answer waits for: `disk` or `os`.
    #[arg(long, default_value_t = Durability::Disk)]
    pub(super) durability: Durability,
    /// Measures the engine over this PostgreSQL instead, in a database without a ledger:
    /// `postgres://user:password@host:port/name`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["durability", "data_dir"])]
    pub(super) database_url: Option<String>,
    /// File with the value of `--database-url` as its only line: for a URL with a password, which other users
    /// of the machine could read on the command line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["durability", "data_dir", "sustain"])]
    pub(super) database_url_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) database: DatabaseSettings,
    #[command(flatten)]
    pub(super) unencrypted: Unencrypted,
    /// Drives the ledger node that serves gRPC at this address instead: `host:port` or `unix:PATH`.
    #[arg(long, value_name = "ADDRESS")]
    #[arg(conflicts_with_all = ["durability", "data_dir", "database_url", "database_url_file"])]
    pub(super) grpc: Option<LedgerAddress>,
    /// File with the secret of the key that is shown to the ledger node, if that has `--keys`. The key needs the
    /// scopes `write` and `operate`, since accounts with credit are opened.
    #[arg(long, value_name = "FILE", requires = "grpc")]
    pub(super) key_file: Option<PathBuf>,
    /// Where to write; must be new or empty, unless --sustain goes on there. By default a fresh folder under the current one,
    /// removed at the end.
    #[arg(long)]
    pub(super) data_dir: Option<PathBuf>,
    /// Seed of the random choices.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<PathBuf>,
    /// Writes the report of --sustain as one self-contained page to this file.
    #[arg(long, value_name = "FILE", requires = "sustain")]
    pub(super) html: Option<PathBuf>,
}

impl BenchOptions {
    /// How the ledger node is spoken with.
    pub(super) fn remote(&self) -> anyhow::Result<RemoteOptions> {
        let key = match &self.key_file {
            Some(path) => Some(LedgerKey::new(&read_secret(path)?).context("--key-file")?),
            None => None,
        };
        Ok(RemoteOptions {
            key,
            ..RemoteOptions::default()
        })
    }
}
