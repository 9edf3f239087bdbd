//! Where the Redis of a ledger is, shared by the commands that use one.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::builder::FalseyValueParser;

/// A Redis, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisConfig {
    pub(crate) url: String,
    /// A file with the certificates of those who may vouch for it.
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
            "--redis-url is of another machine, and what is said to it is not encrypted: use \
             rediss:// (with --redis-ca where its certificate is one of your own), or say --insecure"
        );
        ensure!(
            self.authority.is_none()
                || self.url.starts_with("rediss:")
                || self.url.starts_with("valkeys:"),
            "--redis-ca is for a --redis-url with rediss://"
        );
        Ok(())
    }
}

/// What was asked for on the command line or in the environment, where Redis is optional.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RedisOptions {
    /// The Redis before the database: `redis://:password@host:port/number`, or `rediss://` for TLS.
    #[arg(
        long,
        env = "LASTRO_REDIS_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "database_url"
    )]
    redis_url: Option<String>,
    /// A file with the certificates of those who may vouch for Redis.
    #[arg(long, env = "LASTRO_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<PathBuf>,
    /// Allows a Redis on another machine without encryption.
    #[arg(long, env = "LASTRO_INSECURE", value_parser = FalseyValueParser::new())]
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
            ensure!(self.redis_ca.is_none(), "--redis-ca is for --redis-url");
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
