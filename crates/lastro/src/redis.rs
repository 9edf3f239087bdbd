//! Where the Redis of a ledger is, shared by the commands that use one.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::builder::FalseyValueParser;

/// A Redis, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisConfig {
    pub(crate) url: String,
    /// File with the certificates of the authorities that may sign its certificate.
    pub(crate) authority: Option<PathBuf>,
    /// Whether it may be on another machine without encryption.
    pub(crate) insecure: bool,
}

impl RedisConfig {
    /// Refuses a URL that is not understood, and what leaves this machine unencrypted unasked.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let is_exposed = engine_write_behind::is_exposed(&self.url).context("--redis-url")?;
        ensure!(
            self.insecure || !is_exposed,
            "--redis-url names another machine, and the connection to it is not encrypted: use \
             rediss:// (with --redis-ca if an authority of your own signs its certificate), or allow \
             it with --insecure"
        );
        ensure!(
            self.authority.is_none()
                || self.url.starts_with("rediss:")
                || self.url.starts_with("valkeys:"),
            "--redis-ca can only be used with a --redis-url that begins with rediss://"
        );
        Ok(())
    }
}

/// What was asked for on the command line or in the environment, where Redis is optional.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RedisOptions {
    /// Redis in front of the database: `redis://:password@host:port/number`, or `rediss://` for TLS.
    #[arg(
        long,
        help_heading = "Redis",
        env = "LASTRO_REDIS_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "database_url"
    )]
    redis_url: Option<String>,
    /// File with the certificates of the authorities that may sign the certificate of Redis.
    #[arg(
        long,
        env = "LASTRO_REDIS_CA",
        value_name = "FILE",
        help_heading = "Redis"
    )]
    redis_ca: Option<PathBuf>,
    /// Allows an unencrypted connection to a Redis on another machine.
    #[arg(long, env = "LASTRO_INSECURE", value_parser = FalseyValueParser::new())]
    #[arg(help_heading = "Security")]
    insecure: bool,
}

impl RedisOptions {
    /// Whether connections beyond this machine may go unencrypted.
    pub(crate) const fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The Redis, if one was named.
    pub(crate) fn config(&self) -> anyhow::Result<Option<RedisConfig>> {
        let Some(url) = &self.redis_url else {
            ensure!(
                self.redis_ca.is_none(),
                "--redis-ca can only be used with --redis-url"
            );
            return Ok(None);
        };
        let config = RedisConfig {
            url: url.clone(),
            authority: self.redis_ca.clone(),
            insecure: self.insecure,
        };
        config.check()?;
        Ok(Some(config))
    }
}
