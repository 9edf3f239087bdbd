//! `lastro copy`: a ledger into another engine, event by event, and compared at the end.

mod compare;
mod events_of_journal;
mod mark;
mod report;
mod shown;
mod to_database;
mod to_folder;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use engine_postgres::PostgresOptions;

use crate::database::{DatabaseSettings, Unencrypted};

pub(crate) use mark::unfinished;

#[derive(clap::Args)]
pub(crate) struct CopyOptions {
    /// The data folder to copy. Nobody may serve it meanwhile.
    #[arg(long, value_name = "DIR", conflicts_with = "from_database_url")]
    from_data_dir: Option<PathBuf>,
    /// The PostgreSQL to copy it into: empty, or with an unfinished copy of the same ledger.
    #[arg(
        long,
        env = "LASTRO_TO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    to_database_url: Option<String>,
    /// The PostgreSQL whose ledger is copied: `postgres://user:password@host:port/name`. Nobody may
    /// serve it meanwhile.
    #[arg(
        long,
        env = "LASTRO_FROM_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    from_database_url: Option<String>,
    /// The data folder to copy it into: new, empty, or with an unfinished copy of the same ledger.
    #[arg(long, value_name = "DIR", conflicts_with = "to_database_url")]
    to_data_dir: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
    /// Writes the result as JSON into this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Both ends, as they were asked for.
enum Way<'a> {
    ToDatabase(&'a Path, &'a str),
    ToFolder(&'a str, &'a Path),
}

impl CopyOptions {
    fn way(&self) -> anyhow::Result<Way<'_>> {
        let folders = (self.from_data_dir.as_deref(), self.to_data_dir.as_deref());
        let urls = (
            self.from_database_url.as_deref(),
            self.to_database_url.as_deref(),
        );
        match (folders, urls) {
            ((Some(from), None), (None, Some(to))) => Ok(Way::ToDatabase(from, to)),
            ((None, Some(to)), (Some(from), None)) => Ok(Way::ToFolder(from, to)),
            _ => bail!(
                "name what to copy and where to: --from-data-dir DIR --to-database-url URL, or \
                 --from-database-url URL --to-data-dir DIR"
            ),
        }
    }

    fn postgres(&self, url: &str) -> anyhow::Result<PostgresOptions> {
        let options = self.database.options(url)?;
        self.unencrypted.check(url, &options)?;
        Ok(options)
    }
}

pub(crate) fn run(options: &CopyOptions) -> anyhow::Result<ExitCode> {
    let way = options.way()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = match way {
        Way::ToDatabase(from, to) => {
            let postgres = options.postgres(to)?;
            runtime.block_on(to_database::run(from, to, &postgres))?
        }
        Way::ToFolder(from, to) => {
            let postgres = options.postgres(from)?;
            runtime.block_on(to_folder::run(from, &postgres, to))?
        }
    };
    report.print(options.json.as_deref())?;
    Ok(match report.is_equal() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
