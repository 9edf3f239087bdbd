//! The configuration of `lastro serve`: flags, then `LASTRO_…` variables, then a TOML file, then
//! defaults.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::FalseyValueParser;
use engine_remote::LedgerAddress;
use journal::Durability;
use ledger::ClockBounds;
use serde::Deserialize;
use server::{Hosts, ListenAddress};

use crate::clock::ClockOptions;
use crate::database::DatabaseSettings;
use crate::redis::RedisConfig;

use super::faults;
use super::outbox::OutboxConfig;
use super::outgoing;
use super::payments::{
    PaymentsFile, ProcessorFile, Shown as ShownPayments, resolve as resolve_payments,
};
use super::tls::{GrpcTlsFiles, RemoteTlsFiles, TlsOptions};
use super::write_behind::{self, WriteBehindConfig};

/// How much of the disk an outbox may take where nobody says otherwise.
const OUTBOX_BYTES_MAX: u64 = 1 << 30;

/// What was asked for on the command line or in the environment.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Opens the 2024 challenge's five accounts.
    #[arg(long, env = "LASTRO_DEMO", value_parser = FalseyValueParser::new())]
    demo: bool,
    /// Where HTTP is served: `host:port` or `unix:PATH` [default: 127.0.0.1:9999].
    #[arg(long, env = "LASTRO_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// A name under which HTTP is asked for, such as that of the site before a proxy; may be given
    /// several times. Addresses, `localhost` and names without a dot need not be said.
    #[arg(long, env = "LASTRO_HOST", value_name = "NAME", value_delimiter = ',')]
    host: Vec<String>,
    /// Where metrics are served: `host:port`, `unix:PATH` or `none` [default: 127.0.0.1:9990].
    #[arg(long, env = "LASTRO_METRICS_LISTEN", value_name = "ADDR|none")]
    metrics_listen: Option<String>,
    /// Where the ledger is kept [default: ./lastro-data].
    #[arg(long, env = "LASTRO_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What an answer waits for: `disk` (survives a power cut) or `os` (survives `kill -9` only)
    /// [default: disk].
    #[arg(long, env = "LASTRO_DURABILITY", value_name = "disk|os")]
    durability: Option<String>,
    /// Which engine keeps the ledger: `embedded` (the data folder), `postgres`, or `write-behind`
    /// (Redis in front, PostgreSQL behind) [default: embedded].
    #[arg(
        long,
        env = "LASTRO_ENGINE",
        value_name = "embedded|postgres|write-behind"
    )]
    engine: Option<String>,
    /// The Redis of the engine `write-behind`: `redis://:password@host:port/number`, or `rediss://`
    /// for TLS.
    #[arg(
        long,
        env = "LASTRO_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_url: Option<String>,
    /// A file with the certificates of those who may vouch for a Redis over TLS [default: those whom
    /// this machine trusts].
    #[arg(long, env = "LASTRO_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<PathBuf>,
    /// Goes on at this start of the engine `write-behind` without answered writes that Redis and
    /// PostgreSQL have lost: the log names them.
    #[arg(long)]
    accept_data_loss: bool,
    /// The database of the engines `postgres` and `write-behind`:
    /// `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// What the process is: `all`, `ledger` (owns the ledger and serves gRPC) or `api` (serves HTTP
    /// over a ledger node or a shared database) [default: all].
    #[arg(long, env = "LASTRO_ROLE", value_name = "all|ledger|api")]
    role: Option<String>,
    /// Where gRPC is served: `host:port` or `unix:PATH`.
    #[arg(long, env = "LASTRO_GRPC_LISTEN", value_name = "ADDR")]
    grpc_listen: Option<String>,
    /// The ledger node of an API node: `host:port` or `unix:PATH` of its gRPC.
    #[arg(long, env = "LASTRO_LEDGER", value_name = "ADDR")]
    ledger: Option<String>,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    clock: ClockOptions,
    /// How much of the disk operations may take that wait to be applied; 0: none are taken
    /// [default: 1 GiB; 0 for a ledger node, and for everything in one process over a database].
    #[arg(long, env = "LASTRO_OUTBOX_BYTES_MAX", value_name = "BYTES")]
    outbox_bytes_max: Option<u64>,
    /// Leaves the database's tables as they are: `lastro migrate` has been run.
    #[arg(long, env = "LASTRO_NO_MIGRATE", value_parser = FalseyValueParser::new())]
    no_migrate: bool,
    /// A payment processor, in order of preference; may be given several times. More about each
    /// is in the file, under `[[processors]]`.
    #[arg(
        long,
        env = "LASTRO_PROCESSOR",
        value_name = "NAME=URL",
        value_delimiter = ','
    )]
    processor: Vec<String>,
    /// Lets `POST /purge-payments` give up all payments that wait: for tests.
    #[arg(long, env = "LASTRO_ENABLE_PURGE", value_parser = FalseyValueParser::new())]
    enable_purge: bool,
    /// Allows addresses beyond loopback, to anyone who can reach them, any host to be named, and a
    /// Redis on another machine without encryption.
    #[arg(long, env = "LASTRO_INSECURE", value_parser = FalseyValueParser::new())]
    insecure: bool,
    /// Lets connections that this process makes beyond loopback go unencrypted: to the ledger node,
    /// the database and the processors. `--insecure` does too.
    #[arg(long, env = "LASTRO_PLAINTEXT", value_parser = FalseyValueParser::new())]
    plaintext: bool,
    /// A TOML file with the same settings, named as the flags with underscores.
    #[arg(long, env = "LASTRO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The same settings in a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    demo: Option<bool>,
    listen: Option<String>,
    host: Option<Vec<String>>,
    metrics_listen: Option<String>,
    data_dir: Option<PathBuf>,
    durability: Option<String>,
    engine: Option<String>,
    database_url: Option<String>,
    database_ca: Option<PathBuf>,
    database_connections: Option<usize>,
    database_calls: Option<usize>,
    database_connect_timeout_ms: Option<u64>,
    database_statement_timeout_ms: Option<u64>,
    redis_url: Option<String>,
    redis_ca: Option<PathBuf>,
    outbox_bytes_max: Option<u64>,
    clock_jump_max_s: Option<u64>,
    no_migrate: Option<bool>,
    role: Option<String>,
    grpc_listen: Option<String>,
    ledger: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    ledger_tls_ca: Option<PathBuf>,
    ledger_tls_cert: Option<PathBuf>,
    ledger_tls_key: Option<PathBuf>,
    enable_purge: Option<bool>,
    insecure: Option<bool>,
    plaintext: Option<bool>,
    #[serde(default)]
    processors: Vec<ProcessorFile>,
    #[serde(default)]
    payments: PaymentsFile,
}

/// What the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    All,
    /// Owns the ledger and serves gRPC.
    Ledger,
    /// Serves HTTP over a ledger that is elsewhere.
    Api,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ledger => "ledger",
            Self::Api => "api",
        }
    }
}

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
        options: engine_postgres::Options,
    },
    /// In another process.
    Remote {
        ledger: LedgerAddress,
        tls: Option<RemoteTlsFiles>,
    },
    /// In a Redis, and later in a PostgreSQL.
    WriteBehind(WriteBehindConfig),
}

/// What is in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) demo: bool,
    pub(crate) listen: ListenAddress,
    pub(crate) host: Vec<String>,
    pub(crate) metrics_listen: Option<ListenAddress>,
    pub(crate) data_dir: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) engine: EngineConfig,
    pub(crate) role: Role,
    pub(crate) grpc_listen: Option<ListenAddress>,
    pub(crate) grpc_tls: Option<GrpcTlsFiles>,
    pub(crate) outbox_bytes_max: u64,
    pub(crate) clock: ClockBounds,
    pub(crate) payments: Option<payments::Config>,
    pub(crate) enable_purge: bool,
    pub(crate) insecure: bool,
    pub(crate) plaintext: bool,
}

impl Config {
    /// What the options, the file they name and the defaults come to.
    pub(crate) fn resolve(options: Options) -> anyhow::Result<Self> {
        let file = match &options.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let config = Self::merge(options, file)?;
        config.check()?;
        Ok(config)
    }

    fn merge(options: Options, file: File) -> anyhow::Result<Self> {
        let listen = options.listen.or(file.listen);
        let metrics_listen = options.metrics_listen.or(file.metrics_listen);
        let durability = options.durability.or(file.durability);
        let no_migrate = options.no_migrate || file.no_migrate.unwrap_or(false);
        let grpc_listen = options.grpc_listen.or(file.grpc_listen);
        let role = role(options.role.or(file.role).as_deref())?;
        let tls = options.tls.or(TlsOptions {
            tls_cert: file.tls_cert,
            tls_key: file.tls_key,
            tls_client_ca: file.tls_client_ca,
            ledger_tls_ca: file.ledger_tls_ca,
            ledger_tls_cert: file.ledger_tls_cert,
            ledger_tls_key: file.ledger_tls_key,
        });
        let database = options.database.or(&DatabaseSettings::new(
            file.database_ca,
            file.database_connections,
            file.database_calls,
            file.database_connect_timeout_ms,
            file.database_statement_timeout_ms,
        ));
        let insecure = options.insecure || file.insecure.unwrap_or(false);
        let clock = options.clock.bounds(file.clock_jump_max_s);
        let engine = engine(EngineOptions {
            role,
            name: options.engine.or(file.engine),
            url: options.database_url.or(file.database_url),
            database,
            redis_url: options.redis_url.or(file.redis_url),
            redis_ca: options.redis_ca.or(file.redis_ca),
            accepts_data_loss: options.accept_data_loss,
            insecure,
            migrate: !no_migrate,
            ledger: options.ledger.or(file.ledger),
            tls: tls.of_ledger()?,
            clock,
        })?;
        let has_clock_bounds = options.clock.is_any() || file.clock_jump_max_s.is_some();
        match engine {
            EngineConfig::Embedded
            | EngineConfig::Postgres { .. }
            | EngineConfig::WriteBehind(_) => {}
            EngineConfig::Remote { .. } if has_clock_bounds => bail!(
                "--clock-jump-max-s and --accept-clock are for the ledger node: it judges the clock"
            ),
            EngineConfig::Remote { .. } => {}
        }
        Ok(Self {
            demo: options.demo || file.demo.unwrap_or(false),
            listen: address("listen", listen.as_deref().unwrap_or("127.0.0.1:9999"))?,
            host: if options.host.is_empty() {
                file.host.unwrap_or_default()
            } else {
                options.host
            },
            metrics_listen: match metrics_listen.as_deref().unwrap_or("127.0.0.1:9990") {
                "none" => None,
                text => Some(address("metrics-listen", text)?),
            },
            data_dir: options
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| "lastro-data".into()),
            durability: durability
                .as_deref()
                .unwrap_or("disk")
                .parse()
                .context("--durability")?,
            outbox_bytes_max: options
                .outbox_bytes_max
                .or(file.outbox_bytes_max)
                .unwrap_or(match (role, &engine) {
                    // Nodes over one database may have been given one data folder.
                    (Role::All, EngineConfig::Postgres { .. } | EngineConfig::WriteBehind(_)) => 0,
                    (Role::Ledger, _) => 0,
                    (Role::All | Role::Api, _) => OUTBOX_BYTES_MAX,
                }),
            engine,
            clock,
            role,
            grpc_listen: match grpc_listen {
                Some(text) => Some(address("grpc-listen", &text)?),
                None => None,
            },
            grpc_tls: tls.of_grpc()?,
            payments: resolve_payments(&options.processor, file.processors, &file.payments)?,
            enable_purge: options.enable_purge || file.enable_purge.unwrap_or(false),
            insecure,
            plaintext: options.plaintext || file.plaintext.unwrap_or(false),
        })
    }

    /// Where operations wait to be applied; `None` where none are taken.
    pub(crate) fn outbox(&self) -> Option<OutboxConfig> {
        (self.outbox_bytes_max > 0).then(|| OutboxConfig {
            directory: self.data_dir.join("outbox"),
            bytes_max: self.outbox_bytes_max,
            durability: self.durability,
            decides_readiness: self.role == Role::Api,
        })
    }

    /// Which hosts requests may name. What is insecure is asked under whatever name the others have
    /// for this machine. A Unix socket is no exception: a proxy before it is within a page's reach.
    pub(crate) fn hosts(&self) -> Hosts {
        match self.insecure {
            true => Hosts::any(),
            false => Hosts::local_and(self.host.clone()),
        }
    }

    /// Safe by default: beyond loopback only when that was asked for by name, or when callers have
    /// to show a certificate.
    fn check(&self) -> anyhow::Result<()> {
        if self.role == Role::Api && self.payments.is_some() {
            bail!("--processor is for the process that has the ledger: it dispatches the payments");
        }
        for address in std::iter::once(&self.listen).chain(&self.metrics_listen) {
            if !address.is_loopback() && !self.insecure {
                bail!(
                    "{address} can be reached from other machines, and requests are not \
                     authenticated yet; listen on loopback, or say --insecure"
                );
            }
        }
        if !self.insecure && !self.plaintext {
            outgoing::check(self)?;
        }
        let callers_are_known = self
            .grpc_tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some());
        match &self.grpc_listen {
            Some(address) if !address.is_loopback() && !self.insecure && !callers_are_known => {
                bail!(
                    "{address} can be reached from other machines; listen on loopback, let in only \
                 callers with a certificate (--tls-client-ca), or say --insecure"
                )
            }
            Some(_) if self.role == Role::Api => {
                bail!("--grpc-listen is for ledger nodes: an API node serves HTTP")
            }
            None if self.role == Role::Ledger => {
                bail!("--role ledger needs --grpc-listen: it is reached over gRPC only")
            }
            _ if self.role == Role::Ledger && self.outbox_bytes_max > 0 => bail!(
                "--outbox-bytes-max is for nodes that serve HTTP: a ledger node takes no operations"
            ),
            None if self.grpc_tls.is_some() => bail!("--tls-cert is for --grpc-listen"),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let place = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    // Its own words quote the file, which has passwords in it.
    toml::from_str(&text).map_err(|error| {
        let fault = faults::describe(&text, &error);
        anyhow::anyhow!("{place} is no configuration: {fault}")
    })
}

fn role(name: Option<&str>) -> anyhow::Result<Role> {
    match name.unwrap_or("all") {
        "all" => Ok(Role::All),
        "ledger" => Ok(Role::Ledger),
        "api" => Ok(Role::Api),
        other => bail!("--role: {other} is none of all, ledger and api"),
    }
}

/// How much a clock is trusted, for people.
fn clock(bounds: &ClockBounds) -> String {
    let jump_max_s = bounds.jump_max.as_secs();
    let accepted = if bounds.is_accepted {
        ", believed at this start (--accept-clock)"
    } else {
        ""
    };
    format!("may jump {jump_max_s} s{accepted}")
}

/// What decides where the ledger is kept.
struct EngineOptions {
    role: Role,
    name: Option<String>,
    url: Option<String>,
    database: DatabaseSettings,
    redis_url: Option<String>,
    redis_ca: Option<PathBuf>,
    accepts_data_loss: bool,
    insecure: bool,
    migrate: bool,
    ledger: Option<String>,
    tls: Option<RemoteTlsFiles>,
    clock: ClockBounds,
}

fn engine(options: EngineOptions) -> anyhow::Result<EngineConfig> {
    if options.accepts_data_loss && options.name.as_deref() != Some("write-behind") {
        bail!("--accept-data-loss is for --engine write-behind");
    }
    if let Some(ledger) = options.ledger {
        if options.role != Role::Api {
            bail!("--ledger is for --role api: any other process has the ledger itself");
        }
        if options.name.is_some() || options.url.is_some() || options.redis_url.is_some() {
            bail!("--ledger and --engine exclude each other: the ledger node has the engine");
        }
        let ledger = ledger.parse().context("--ledger")?;
        let tls = options.tls;
        return Ok(EngineConfig::Remote { ledger, tls });
    }
    if options.tls.is_some() {
        bail!("--ledger-tls-ca is for --ledger");
    }
    let name = options.name.unwrap_or_else(|| "embedded".to_owned());
    if name == "write-behind" {
        let (Some(redis_url), Some(url)) = (options.redis_url, options.url) else {
            bail!("--engine write-behind needs a --redis-url and a --database-url");
        };
        let database = engine_postgres::Options {
            migrate: options.migrate,
            ..options.database.options(&url)?
        };
        let redis = RedisConfig {
            url: redis_url,
            authority: options.redis_ca,
            insecure: options.insecure,
        };
        redis.check()?;
        return Ok(EngineConfig::WriteBehind(WriteBehindConfig {
            redis,
            database_url: url,
            database,
            clock: options.clock,
            accepts_data_loss: options.accepts_data_loss,
        }));
    }
    if options.redis_url.is_some() || options.redis_ca.is_some() {
        bail!("--redis-url and --redis-ca are for --engine write-behind");
    }
    match (name.as_str(), options.url) {
        ("embedded", None) if options.role == Role::Api => bail!(
            "--role api keeps no ledger: name its ledger node with --ledger, or a shared database \
             with --engine postgres and --database-url"
        ),
        ("embedded", None) if options.database.is_any() => {
            bail!("the settings of a database are for --engine postgres")
        }
        ("embedded", None) => Ok(EngineConfig::Embedded),
        ("embedded", Some(_)) => bail!("--database-url is for --engine postgres"),
        ("postgres", Some(url)) => {
            let options = engine_postgres::Options {
                migrate: options.migrate,
                clock: options.clock,
                ..options.database.options(&url)?
            };
            Ok(EngineConfig::Postgres { url, options })
        }
        ("postgres", None) => bail!("--engine postgres needs a --database-url"),
        (other, _) => bail!("--engine: {other} is none of embedded, postgres and write-behind"),
    }
}

fn address(name: &str, text: &str) -> anyhow::Result<ListenAddress> {
    text.parse().with_context(|| format!("--{name}"))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "role            {}", self.role.as_str())?;
        writeln!(f, "listen          {}", self.listen)?;
        if !self.host.is_empty() {
            writeln!(f, "host            {}", self.host.join(", "))?;
        }
        match &self.metrics_listen {
            Some(address) => writeln!(f, "metrics_listen  {address}")?,
            None => writeln!(f, "metrics_listen  none")?,
        }
        match &self.engine {
            EngineConfig::Embedded => {
                writeln!(f, "engine          embedded")?;
                writeln!(f, "data_dir        {}", self.data_dir.display())?;
                writeln!(f, "durability      {}", durability(self.durability))?;
                writeln!(f, "clock           {}", clock(&self.clock))?;
            }
            EngineConfig::Postgres { url, options } => {
                writeln!(f, "engine          postgres")?;
                crate::database::print(f, url, options)?;
            }
            EngineConfig::Remote { ledger, tls } => {
                let tls = if tls.is_some() { " over TLS" } else { "" };
                writeln!(f, "ledger          {ledger}{tls}")?;
            }
            EngineConfig::WriteBehind(config) => {
                writeln!(f, "engine          write-behind")?;
                let place = engine_write_behind::place(&config.redis.url).unwrap_or_default();
                writeln!(f, "redis           {place}")?;
                crate::database::print(f, &config.database_url, &config.database)?;
                writeln!(
                    f,
                    "durability      {}",
                    write_behind::promise(self.durability)
                )?;
                writeln!(f, "clock           {}, that of Redis", clock(&config.clock))?;
                if config.accepts_data_loss {
                    writeln!(
                        f,
                        "data loss       accepted at this start (--accept-data-loss)"
                    )?;
                }
            }
        }
        if let Some(address) = &self.grpc_listen {
            let tls = match &self.grpc_tls {
                None => "",
                Some(tls) if tls.client_ca.is_some() => " over TLS, callers show a certificate",
                Some(_) => " over TLS",
            };
            writeln!(f, "grpc_listen     {address}{tls}")?;
        }
        match self.outbox() {
            Some(outbox) => writeln!(
                f,
                "outbox          {}, {} bytes at the most, durability {}",
                outbox.directory.display(),
                outbox.bytes_max,
                outbox.durability
            )?,
            None => writeln!(f, "outbox          none")?,
        }
        write!(f, "{}", ShownPayments(self.payments.as_ref()))?;
        writeln!(f, "enable_purge    {}", self.enable_purge)?;
        writeln!(f, "demo            {}", self.demo)?;
        writeln!(f, "plaintext       {}", self.plaintext)?;
        write!(f, "insecure        {}", self.insecure)
    }
}

const fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "disk (an answered write survives a power cut)",
        Durability::Os => "os (an answered write survives kill -9, but NOT a power cut)",
    }
}

#[cfg(test)]
mod tests;
