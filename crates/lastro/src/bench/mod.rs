//! `lastro bench`: durable transfers per second, driven in process.
//!
//! By default over the embedded engine, with the disk's own floor beside the figures: the floor is what the disk takes for the same bytes: frames of the same sizes, written and
//! synced one by one into the same kind of storage, with no ledger at all. With `--database-url` over
//! a PostgreSQL, whose settings decide what an answer waits for. With `--grpc` over a ledger node.

mod drive;
mod embedded;
mod floor;
mod folder;
mod grpc;
mod postgres;
mod report;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use engine_remote::LedgerAddress;
use journal::Durability;

use crate::database::{DatabaseSettings, Unencrypted};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many transfers.
    #[arg(long, default_value_t = 1_000_000)]
    transfers: u64,
    /// Between how many accounts.
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    /// How many transfers a call has.
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// How many calls are in flight.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Debits one limited account with every transfer; 1 % of them pass its limit.
    #[arg(long)]
    hot: bool,
    /// What an answer waits for: `disk` or `os`.
    #[arg(long, default_value_t = Durability::Disk)]
    durability: Durability,
    /// Measures the engine over this PostgreSQL instead, in a database without a ledger:
    /// `postgres://user:password@host:port/name`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["durability", "data_dir"])]
    database_url: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
    /// Drives the ledger node that serves gRPC at this address instead: `host:port` or `unix:PATH`.
    #[arg(long, value_name = "ADDRESS")]
    #[arg(conflicts_with_all = ["durability", "data_dir", "database_url"])]
    grpc: Option<LedgerAddress>,
    /// Where to write; must be new or empty. By default a fresh folder under the current one,
    /// removed at the end.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// What the random choices begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(options.transfers > 0, "--transfers must be at least 1");
    ensure!(options.concurrency > 0, "--concurrency must be at least 1");
    ensure!(options.accounts > 1, "--accounts must be at least 2");
    let batch_max = ledger::BATCH_COMMANDS_MAX;
    ensure!(
        (1..=batch_max).contains(&options.batch),
        "--batch must be 1 to {batch_max}"
    );
    let report = match (&options.database_url, &options.grpc) {
        (Some(url), _) => postgres::measure(options, url)?,
        (None, Some(address)) => grpc::measure(options, address)?,
        (None, None) => {
            let settings = "the settings of a database are for --database-url";
            ensure!(!options.database.is_any(), settings);
            embedded::measure(options)?
        }
    };
    report.print();
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}
