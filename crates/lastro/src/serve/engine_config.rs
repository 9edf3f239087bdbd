//! Which engine keeps the ledger, and where.

use std::path::PathBuf;

use anyhow::{Context, bail};
use engine_postgres::Beginning;
use engine_remote::LedgerAddress;
use ledger::ClockBounds;

use super::role::Role;
use super::settings::ServeSettings;
use super::tls::RemoteTlsFiles;
use crate::redis::RedisConfig;
use crate::settings::Settings as _;

/// Where the ledger is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EngineConfig {
    /// In the data folder.
    Embedded,
    /// In a PostgreSQL.
    Postgres {
        /// Where it is.
        url: String,
        /// How it is used.
        options: engine_postgres::PostgresOptions,
    },
    /// In another process.
    Remote {
        ledger: LedgerAddress,
        tls: Option<RemoteTlsFiles>,
        /// The file with the secret that is shown to it.
        key: Option<PathBuf>,
    },
    /// In a Redis, and later in a PostgreSQL.
    WriteBehind(WriteBehindConfig),
}

/// A Redis and the PostgreSQL behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WriteBehindConfig {
    pub(crate) redis: RedisConfig,
    pub(crate) database_url: String,
    /// How the database is used.
    pub(crate) database: engine_postgres::PostgresOptions,
    /// How much the clock of Redis is trusted.
    pub(crate) clock: ClockBounds,
    /// Whether this start goes on without answered writes that both stores have lost.
    pub(crate) accepts_data_loss: bool,
}

impl EngineConfig {
    /// The engine that these settings ask for. Refuses settings of another one.
    pub(super) fn resolve(
        settings: &ServeSettings,
        role: Role,
        clock: ClockBounds,
        accepts_data_loss: bool,
    ) -> anyhow::Result<Self> {
        let engine = settings.engine.engine.as_deref();
        if accepts_data_loss && engine != Some("write-behind") {
            bail!("--accept-data-loss can only be used with --engine write-behind");
        }
        if let Some(ledger) = &settings.ledger_node.ledger {
            return Self::remote(settings, ledger, role);
        }
        if RemoteTlsFiles::of(&settings.ledger_node)?.is_some() {
            bail!("--ledger-tls-ca can only be used with --ledger");
        }
        if settings.ledger_node.ledger_key.is_some() {
            bail!("--ledger-key can only be used with --ledger");
        }
        match engine.unwrap_or("embedded") {
            "embedded" => Self::embedded(settings, role),
            "postgres" => Self::postgres(settings, clock),
            "write-behind" => Self::write_behind(settings, clock, accepts_data_loss),
            other => {
                bail!("--engine: unknown engine {other}: use embedded, postgres or write-behind")
            }
        }
    }

    fn remote(settings: &ServeSettings, ledger: &str, role: Role) -> anyhow::Result<Self> {
        if role != Role::Api {
            bail!(
                "--ledger can only be used with --role api: other roles have the ledger themselves"
            );
        }
        let has_store = settings.engine.engine.is_some()
            || settings.database_url.database_url.is_some()
            || settings.redis.redis_url.is_some();
        if has_store {
            bail!("--ledger and --engine exclude each other: the ledger node has the engine");
        }
        Ok(Self::Remote {
            ledger: ledger.parse().context("--ledger")?,
            tls: RemoteTlsFiles::of(&settings.ledger_node)?,
            key: settings.ledger_node.ledger_key.clone(),
        })
    }

    fn embedded(settings: &ServeSettings, role: Role) -> anyhow::Result<Self> {
        refuse_redis(settings)?;
        if settings.database_url.database_url.is_some() {
            bail!("--database-url needs --engine postgres or --engine write-behind");
        }
        if role == Role::Api {
            bail!(
                "--role api keeps no ledger: name its ledger node with --ledger, or a shared \
                 database with --engine postgres and --database-url"
            );
        }
        if settings.database.is_any() {
            bail!("the settings of a database need --engine postgres or --engine write-behind");
        }
        Ok(Self::Embedded)
    }

    fn postgres(settings: &ServeSettings, clock: ClockBounds) -> anyhow::Result<Self> {
        refuse_redis(settings)?;
        let Some(url) = settings.database_url.database_url.clone() else {
            bail!("--engine postgres needs --database-url");
        };
        let options = engine_postgres::PostgresOptions {
            migrate: !settings.database_url.no_migrate,
            beginning: beginning(settings),
            clock,
            ..settings.database.options(&url)?
        };
        Ok(Self::Postgres { url, options })
    }

    fn write_behind(
        settings: &ServeSettings,
        clock: ClockBounds,
        accepts_data_loss: bool,
    ) -> anyhow::Result<Self> {
        let redis_url = settings.redis.redis_url.clone();
        let database_url = settings.database_url.database_url.clone();
        let (Some(redis_url), Some(database_url)) = (redis_url, database_url) else {
            bail!("--engine write-behind needs --redis-url and --database-url");
        };
        let database = engine_postgres::PostgresOptions {
            migrate: !settings.database_url.no_migrate,
            beginning: beginning(settings),
            ..settings.database.options(&database_url)?
        };
        let redis = RedisConfig {
            url: redis_url,
            authority: settings.redis.redis_ca.clone(),
            plaintext: settings.security.plaintext,
        };
        redis.check()?;
        Ok(Self::WriteBehind(WriteBehindConfig {
            redis,
            database_url,
            database,
            clock,
            accepts_data_loss,
        }))
    }
}

/// Only a demo begins a ledger in a database that has none: it may be the wrong database.
const fn beginning(settings: &ServeSettings) -> Beginning {
    match settings.role.demo {
        true => Beginning::Allowed,
        false => Beginning::Refused,
    }
}

fn refuse_redis(settings: &ServeSettings) -> anyhow::Result<()> {
    if settings.redis.is_any() {
        bail!("--redis-url and --redis-ca can only be used with --engine write-behind");
    }
    Ok(())
}
