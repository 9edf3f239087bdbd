//! `lastro copy`: a ledger from a data folder into PostgreSQL, event by event, and compared at the end.

mod compare;
mod events_of_journal;
mod report;
mod shown;
mod to_database;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use engine_postgres::{Beginning, PostgresOptions};

use crate::database::{DatabaseSettings, Unencrypted};

#[derive(clap::Args)]
pub(crate) struct CopyOptions {
    /// The data folder to copy. No node may serve it meanwhile.
    #[arg(long, value_name = "DIR")]
    from_data_dir: PathBuf,
    /// The PostgreSQL to copy it into: `postgres://user:password@host:port/name`. It is empty, or has
    /// an unfinished copy of the same ledger. No node may serve it meanwhile.
    #[arg(
        long,
        env = "LASTRO_TO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    to_database_url: String,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
    /// Writes the result as JSON into this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &CopyOptions) -> anyhow::Result<ExitCode> {
    let url = &options.to_database_url;
    let postgres = PostgresOptions {
        // The copy is the ledger that is begun there.
        beginning: Beginning::Allowed,
        ..options.database.options(url)?
    };
    options.unencrypted.check(url, &postgres)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let copy = to_database::run(&options.from_data_dir, url, &postgres);
    let report = runtime.block_on(copy)?;
    report.print(options.json.as_deref())?;
    Ok(match report.is_equal() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
