//! Where the Redis of a ledger is, shared by the commands that use one.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::database::Unencrypted;
use crate::secrets;

/// A Redis, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisConfig {
    pub(crate) url: String,
    /// File with the certificates of the authorities that may sign its certificate.
    pub(crate) authority: Option<PathBuf>,
    /// Whether it may be on another machine without encryption.
    pub(crate) plaintext: bool,
}

impl RedisConfig {
    /// Refuses a URL that is not understood, and what leaves this machine unencrypted unasked.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let is_exposed = engine_write_behind::is_exposed(&self.url).context("--redis-url")?;
        ensure!(
            self.plaintext || !is_exposed,
            "--redis-url names another machine, and the connection to it is not encrypted: use \
             rediss:// (with --redis-ca if an authority of your own signs its certificate), or allow \
             it with --plaintext"
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
        hide_env_values = true
    )]
    redis_url: Option<String>,
    /// File with the value of `--redis-url` as its only line.
    #[arg(
        long,
        env = "LASTRO_REDIS_URL_FILE",
        value_name = "FILE",
        help_heading = "Redis"
    )]
    redis_url_file: Option<PathBuf>,
    /// File with the certificates of the authorities that may sign the certificate of Redis.
    #[arg(
        long,
        env = "LASTRO_REDIS_CA",
        value_name = "FILE",
        help_heading = "Redis"
    )]
    redis_ca: Option<PathBuf>,
}

impl RedisOptions {
    /// The Redis, if one was named.
    pub(crate) fn config(&self, unencrypted: Unencrypted) -> anyhow::Result<Option<RedisConfig>> {
        let file = self.redis_url_file.as_deref();
        let Some(url) = secrets::read("redis-url", self.redis_url.as_deref(), file)? else {
            ensure!(
                self.redis_ca.is_none(),
                "--redis-ca can only be used with --redis-url"
            );
            return Ok(None);
        };
        if engine_write_behind::has_password(&url).context("--redis-url")? {
            secrets::warn("redis-url", &url, file);
        }
        let config = RedisConfig {
            url,
            authority: self.redis_ca.clone(),
            plaintext: unencrypted.is_allowed(),
        };
        config.check()?;
        Ok(Some(config))
    }
}
