//! The settings of a ledger kept in PostgreSQL, shared by the commands that use one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::builder::FalseyValueParser;
use engine_postgres::{Beginning, PostgresOptions};
use server::ListenAddress;

use crate::secrets;
use crate::settings::settings;

settings! {
    /// How a database is used, as far as it was given.
    pub(crate) struct DatabaseSettings in "PostgreSQL" {
        /// File with the certificates of the authorities that may sign the database's certificate:
        /// connections are then encrypted, and that certificate is verified.
        database_ca: Option<PathBuf>, env "LASTRO_DATABASE_CA", value_name = "FILE";
        /// Maximum number of connections that a node keeps to the database.
        database_connections: usize = 15, env "LASTRO_DATABASE_CONNECTIONS", value_name = "N";
        /// Number of calls that a node makes to the database at the same time. Requests that arrive
        /// during a call are sent together in the next one.
        database_calls: usize = 1, env "LASTRO_DATABASE_CALLS", value_name = "N";
        /// Time limit for making a connection, in milliseconds.
        database_connect_timeout_ms: u64 = 1000, env "LASTRO_DATABASE_CONNECT_TIMEOUT_MS",
            value_name = "MS";
        /// Time limit for one statement, including its wait for locks, in milliseconds.
        database_statement_timeout_ms: u64 = 5000, env "LASTRO_DATABASE_STATEMENT_TIMEOUT_MS",
            value_name = "MS";
    }
}

impl DatabaseSettings {
    /// What they come to for this database.
    pub(crate) fn options(&self, url: &str) -> anyhow::Result<PostgresOptions> {
        engine_postgres::place(url).context("--database-url")?;
        let timeout = |name: &str, millis: u64| match millis {
            0 => bail!("--{name} must be at least 1"),
            millis => Ok(Duration::from_millis(millis)),
        };
        let options = PostgresOptions {
            connections_max: self.database_connections(),
            calls_max: self.database_calls(),
            connect_timeout: timeout(
                "database-connect-timeout-ms",
                self.database_connect_timeout_ms(),
            )?,
            statement_timeout: timeout(
                "database-statement-timeout-ms",
                self.database_statement_timeout_ms(),
            )?,
            authority: self.database_ca.clone(),
            // Only what was asked to begin a ledger begins one: the database may be the wrong one.
            beginning: Beginning::Refused,
            ..PostgresOptions::default()
        };
        ensure!(options.calls_max > 0, "--database-calls must be at least 1");
        // One for reads and one for the timer of expiries, in addition to those of the calls.
        ensure!(
            options.connections_max >= options.calls_max + 2,
            "--database-connections must be at least 2 more than --database-calls"
        );
        Ok(options)
    }
}

/// The URL of a database, given itself or in a file.
pub(crate) fn url(given: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let url = secrets::read("database-url", given, file)?;
    if let Some(url) = &url
        && engine_postgres::has_password(url).context("--database-url")?
    {
        secrets::warn("database-url", url, file);
    }
    Ok(url)
}

/// Whether connections to a database and a Redis may go unencrypted beyond this machine.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Unencrypted {
    /// Allows unencrypted connections to a database or a Redis on another machine.
    #[arg(long, env = "LASTRO_PLAINTEXT", value_parser = FalseyValueParser::new())]
    #[arg(help_heading = "Security")]
    plaintext: bool,
}

impl Unencrypted {
    /// Whether they may.
    pub(crate) const fn is_allowed(self) -> bool {
        self.plaintext
    }

    /// Fails where it would and may not.
    pub(crate) fn check(self, url: &str, options: &PostgresOptions) -> anyhow::Result<()> {
        match self.plaintext {
            true => Ok(()),
            false => check_encrypted(url, options),
        }
    }
}

/// Fails where the connection to this database could leave this machine unencrypted.
pub(crate) fn check_encrypted(url: &str, options: &PostgresOptions) -> anyhow::Result<()> {
    if engine_postgres::is_encrypted(url, options)? {
        return Ok(());
    }
    for host in engine_postgres::hosts(url)? {
        if !host.starts_with('/') && !is_loopback(&host) {
            bail!(
                "the connection to the database at {host} may be unencrypted: name the authority \
                 that signs its certificate with --database-ca, add sslmode=require to its URL, or \
                 allow it with --plaintext"
            );
        }
    }
    Ok(())
}

/// Whether a host's name or address is this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = ListenAddress::Tcp {
        host: host.to_owned(),
        port: 0,
    };
    address.is_loopback()
}

/// Prints what is in force, without a password.
pub(crate) fn print(
    f: &mut fmt::Formatter<'_>,
    url: &str,
    options: &PostgresOptions,
) -> fmt::Result {
    let place = engine_postgres::place(url).map_err(|_| fmt::Error)?;
    writeln!(f, "database        {place}")?;
    writeln!(
        f,
        "                at most {} connections, {} calls at once; {} ms to connect, {} ms a statement",
        options.connections_max,
        options.calls_max,
        options.connect_timeout.as_millis(),
        options.statement_timeout.as_millis()
    )?;
    if let Some(authority) = &options.authority {
        writeln!(f, "database_ca     {}", authority.display())?;
    }
    writeln!(f, "migrate         {}", options.migrate)
}
