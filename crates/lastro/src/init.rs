//! `lastro init`: begins a ledger in a folder or in a database.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use journal::{FileStorage, Journal};

use crate::data_folder::{has_journal, is_backup, obstacle};
use crate::database::{DatabaseSettings, Unencrypted};

#[derive(clap::Args)]
pub(crate) struct InitOptions {
    /// The data folder of the new ledger. It is made if it is not there; nothing may be in it but
    /// `lost+found`.
    #[arg(long, env = "LASTRO_DATA_DIR", default_value = "lastro-data")]
    data_dir: PathBuf,
    /// Begins the ledger in this PostgreSQL instead, also for `--engine write-behind`:
    /// `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// File with the value of `--database-url` as its only line: for a URL with a password, which other users
    /// of the machine could read on the command line.
    #[arg(long, env = "LASTRO_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    unencrypted: Unencrypted,
}

pub(crate) fn run(options: &InitOptions) -> anyhow::Result<ExitCode> {
    let file = options.database_url_file.as_deref();
    match crate::database::url(options.database_url.as_deref(), file)? {
        Some(url) => in_database(options, &url)?,
        None => in_folder(&options.data_dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn in_folder(data_dir: &Path) -> anyhow::Result<()> {
    let place = data_dir.display();
    ensure!(
        !is_backup(data_dir),
        "{place} is a backup: `lastro restore --from {place} --to` a new folder"
    );
    if let Some(other) = obstacle(data_dir)? {
        ensure!(
            !has_journal(data_dir),
            "there is a ledger in {place} already: nothing was changed"
        );
        bail!("{place} is not empty ({other} is in it): choose a new folder");
    }
    let storage = FileStorage::open(data_dir).with_context(|| format!("cannot open {place}"))?;
    // As the engine opens it, so that the segments have the size that it wants.
    let options = engine_embedded::EmbeddedOptions::default().journal;
    let (_journal, opened) = Journal::open(storage, options, |_| Ok::<(), Infallible>(()))
        .with_context(|| format!("cannot begin a ledger in {place}"))?;
    ensure!(
        opened.created,
        "there is a ledger in {place} already, {}: nothing was changed",
        opened.id
    );
    println!("began ledger {} in {place}", opened.id);
    Ok(())
}

fn in_database(options: &InitOptions, url: &str) -> anyhow::Result<()> {
    let database = options.database.options(url)?;
    options.unencrypted.check(url, &database)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ledger_id = runtime
        .block_on(engine_postgres::begin(url, &database))
        .context("no ledger was begun")?;
    println!(
        "began ledger {ledger_id} in {}",
        engine_postgres::place(url)?
    );
    Ok(())
}
