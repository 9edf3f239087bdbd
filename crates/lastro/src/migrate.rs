//! `lastro migrate`: brings a database to the tables that this version uses.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::database::{DatabaseSettings, Unencrypted};
use crate::redis::RedisOptions;

#[derive(clap::Args)]
pub(crate) struct MigrateOptions {
    /// The database: `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "database_url_file"
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
    /// Removes the Redis in front of the database (`--engine write-behind`): persists what it
    /// has answered, and leaves the database to the engine `postgres`. Stop all nodes before.
    #[arg(long)]
    detach: bool,
    /// Puts into the lists of transfers and payments what nodes of a version before lists have written since the
    /// database was migrated. Once, after all nodes were renewed; nodes go on meanwhile.
    #[arg(long, conflicts_with = "detach")]
    fill_lists: bool,
    #[command(flatten)]
    redis: RedisOptions,
    /// With `--detach`: the Redis is lost, and with it what it answered but did not persist.
    /// A URL in the environment is ignored.
    #[arg(long, requires = "detach")]
    redis_lost: bool,
}

/// `given` is where the options came from.
pub(crate) fn run(
    options: &MigrateOptions,
    given: Option<(&str, &ArgMatches)>,
) -> anyhow::Result<ExitCode> {
    let file = options.database_url_file.as_deref();
    let Some(url) = crate::database::url(options.database_url.as_deref(), file)? else {
        bail!("lastro migrate needs --database-url");
    };
    let database = options.database.options(&url)?;
    options.unencrypted.check(&url, &database)?;
    let redis_url_is_from = given.and_then(|(_, given)| given.value_source("redis_url"));
    if options.redis_lost && redis_url_is_from == Some(ValueSource::CommandLine) {
        bail!(
            "--redis-lost and --redis-url exclude each other: with --redis-lost no Redis is read"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    if options.detach {
        return runtime.block_on(detach(options, &url, database));
    }
    let migrated = runtime
        .block_on(engine_postgres::migrate(&url, &database))
        .context("the database was not migrated")?;
    println!("migration {} → {}", migrated.from, migrated.to);
    if options.fill_lists {
        runtime
            .block_on(engine_postgres::fill_lists(&url, &database))
            .context("the lists were not filled")?;
        println!("all transfers and payments are in their lists");
    }
    Ok(ExitCode::SUCCESS)
}

async fn detach(
    options: &MigrateOptions,
    database_url: &str,
    database: engine_postgres::PostgresOptions,
) -> anyhow::Result<ExitCode> {
    let redis = match options.redis_lost {
        true => None,
        false => options.redis.config(options.unencrypted)?,
    };
    if redis.is_none() && !options.redis_lost {
        bail!(
            "--detach needs --redis-url, to persist what that Redis has answered; if it is lost for good, \
             use --redis-lost, which gives up what was not persisted"
        );
    }
    let (url, redis_authority) = match redis {
        Some(redis) => (Some(redis.url), redis.authority),
        None => (None, None),
    };
    let options_behind = engine_write_behind::WriteBehindOptions {
        // What it is set to no longer matters much: it is only read from.
        durability: engine_write_behind::RedisDurability::Everysec,
        redis_authority,
        database,
        ..engine_write_behind::WriteBehindOptions::default()
    };
    let detached = engine_write_behind::detach(url.as_deref(), database_url, &options_behind)
        .await
        .context("the database is still behind its Redis")?;
    let position = detached.position;
    if url.is_some() {
        println!("detached at position {position}: all that was answered is in the database");
        println!("the keys `lastro:*` in Redis are no longer needed");
    } else {
        println!("detached at position {position}: what Redis had answered after it is lost");
        if let Some(engine_write_behind::Dropped { from, to }) = detached.lost {
            println!(
                "DATA LOSS: answered writes at positions {from} to {to} were in that Redis alone, by the \
                 nodes' reports, and their ids are free again: compare what callers were answered with what \
                 the ledger has"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
