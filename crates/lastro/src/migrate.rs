//! `lastro migrate`: brings a database to the tables that this version uses.

use std::process::ExitCode;

use anyhow::Context;

use crate::database::DatabaseSettings;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The database: `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let database = options.database.options(&options.database_url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let migrated = runtime
        .block_on(engine_postgres::migrate(&options.database_url, &database))
        .context("the database was not migrated")?;
    println!("migration {} → {}", migrated.from, migrated.to);
    Ok(ExitCode::SUCCESS)
}
