//! The settings of a ledger kept in PostgreSQL, shared by the commands that use one.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::builder::FalseyValueParser;
use engine_postgres::Options;
use server::ListenAddress;

/// What was asked for on the command line or in the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DatabaseSettings {
    /// A file with the certificates of those who may vouch for the database: connections are
    /// encrypted then, and its certificate is verified.
    #[arg(long, env = "LASTRO_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// How many connections to the database a node keeps at most [default: 15].
    #[arg(long, env = "LASTRO_DATABASE_CONNECTIONS", value_name = "N")]
    database_connections: Option<usize>,
    /// How many calls to the database a node makes at once; what arrives meanwhile goes together in
    /// the next one [default: 1].
    #[arg(long, env = "LASTRO_DATABASE_CALLS", value_name = "N")]
    database_calls: Option<usize>,
    /// How long making a connection may take, in milliseconds [default: 1000].
    #[arg(long, env = "LASTRO_DATABASE_CONNECT_TIMEOUT_MS", value_name = "MS")]
    database_connect_timeout_ms: Option<u64>,
    /// How long one statement may take, waiting for locks included, in milliseconds
    /// [default: 5000].
    #[arg(long, env = "LASTRO_DATABASE_STATEMENT_TIMEOUT_MS", value_name = "MS")]
    database_statement_timeout_ms: Option<u64>,
}

impl DatabaseSettings {
    /// The same from a file.
    pub(crate) fn new(
        ca: Option<PathBuf>,
        connections: Option<usize>,
        calls: Option<usize>,
        connect_timeout_ms: Option<u64>,
        statement_timeout_ms: Option<u64>,
    ) -> Self {
        Self {
            database_ca: ca,
            database_connections: connections,
            database_calls: calls,
            database_connect_timeout_ms: connect_timeout_ms,
            database_statement_timeout_ms: statement_timeout_ms,
        }
    }

    /// These, and where they say nothing, the others.
    pub(crate) fn or(self, others: &Self) -> Self {
        Self {
            database_ca: self.database_ca.or_else(|| others.database_ca.clone()),
            database_connections: self.database_connections.or(others.database_connections),
            database_calls: self.database_calls.or(others.database_calls),
            database_connect_timeout_ms: self
                .database_connect_timeout_ms
                .or(others.database_connect_timeout_ms),
            database_statement_timeout_ms: self
                .database_statement_timeout_ms
                .or(others.database_statement_timeout_ms),
        }
    }

    /// Whether one was given.
    pub(crate) fn is_any(&self) -> bool {
        self.database_ca.is_some()
            || self.database_connections.is_some()
            || self.database_calls.is_some()
            || self.database_connect_timeout_ms.is_some()
            || self.database_statement_timeout_ms.is_some()
    }

    /// What they come to for this database.
    pub(crate) fn options(&self, url: &str) -> anyhow::Result<Options> {
        engine_postgres::place(url).context("--database-url")?;
        let defaults = Options::default();
        let millis = |name: &str, given: Option<u64>, default: Duration| match given {
            Some(0) => anyhow::bail!("--{name} must be at least 1"),
            Some(millis) => Ok(Duration::from_millis(millis)),
            None => Ok(default),
        };
        let options = Options {
            connections_max: self
                .database_connections
                .unwrap_or(defaults.connections_max),
            calls_max: self.database_calls.unwrap_or(defaults.calls_max),
            connect_timeout: millis(
                "database-connect-timeout-ms",
                self.database_connect_timeout_ms,
                defaults.connect_timeout,
            )?,
            statement_timeout: millis(
                "database-statement-timeout-ms",
                self.database_statement_timeout_ms,
                defaults.statement_timeout,
            )?,
            authority: self.database_ca.clone(),
            ..defaults
        };
        ensure!(options.calls_max > 0, "--database-calls must be at least 1");
        // One for reads, and one for the expiries' timer, beside those of the calls.
        ensure!(
            options.connections_max >= options.calls_max + 2,
            "--database-connections must be at least 2 more than --database-calls"
        );
        Ok(options)
    }
}

/// Whether the connection to a database may go unencrypted beyond this machine.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Unencrypted {
    /// Lets the connection to a database on another machine go unencrypted.
    #[arg(long, env = "LASTRO_PLAINTEXT", value_parser = FalseyValueParser::new())]
    plaintext: bool,
}

impl Unencrypted {
    /// Likewise where something else allows it.
    pub(crate) const fn or(self, is_allowed: bool) -> Self {
        Self {
            plaintext: self.plaintext || is_allowed,
        }
    }

    /// Fails where it would and may not.
    pub(crate) fn check(self, url: &str, options: &Options) -> anyhow::Result<()> {
        match self.plaintext {
            true => Ok(()),
            false => check_encrypted(url, options),
        }
    }
}

/// Fails where the connection to this database could leave this machine unencrypted.
pub(crate) fn check_encrypted(url: &str, options: &Options) -> anyhow::Result<()> {
    if engine_postgres::is_encrypted(url, options)? {
        return Ok(());
    }
    for host in engine_postgres::hosts(url)? {
        if !host.starts_with('/') && !is_loopback(&host) {
            bail!(
                "the connection to the database at {host} may go unencrypted: name who vouches for \
                 it with --database-ca, write sslmode=require into its URL, or say --plaintext"
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
pub(crate) fn print(f: &mut fmt::Formatter<'_>, url: &str, options: &Options) -> fmt::Result {
    let place = engine_postgres::place(url).unwrap_or_default();
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
