//! The configuration of `lastro serve`: flags, then `LASTRO_…` variables, then a TOML file, then
//! defaults.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::FalseyValueParser;
use journal::Durability;
use serde::Deserialize;
use server::{Hosts, ListenAddress};

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
    /// Which engine keeps the ledger: `embedded` (the data folder) or `postgres`
    /// [default: embedded].
    #[arg(long, env = "LASTRO_ENGINE", value_name = "embedded|postgres")]
    engine: Option<String>,
    /// The database of the engine `postgres`: `postgres://user:password@host:port/name`.
    #[arg(
        long,
        env = "LASTRO_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// Leaves the database's tables as they are: `lastro migrate` has been run.
    #[arg(long, env = "LASTRO_NO_MIGRATE", value_parser = FalseyValueParser::new())]
    no_migrate: bool,
    /// Allows addresses beyond loopback, to anyone who can reach them, and any host to be named.
    #[arg(long, env = "LASTRO_INSECURE", value_parser = FalseyValueParser::new())]
    insecure: bool,
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
    no_migrate: Option<bool>,
    insecure: Option<bool>,
}

/// Where the ledger is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EngineConfig {
    /// In the data folder.
    Embedded,
    /// In a PostgreSQL, migrated at the start or not.
    Postgres { url: String, migrate: bool },
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
    pub(crate) insecure: bool,
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
        let engine = engine(
            options.engine.or(file.engine).as_deref(),
            options.database_url.or(file.database_url),
            !no_migrate,
        )?;
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
            engine,
            insecure: options.insecure || file.insecure.unwrap_or(false),
        })
    }

    /// Which hosts requests may name. A Unix socket is out of any page's reach, and what is
    /// insecure is asked under whatever name the others have for this machine.
    pub(crate) fn hosts(&self) -> Hosts {
        if self.insecure || matches!(self.listen, ListenAddress::Unix(_)) {
            Hosts::any()
        } else {
            Hosts::local_and(self.host.clone())
        }
    }

    /// Safe by default: beyond loopback only when that was asked for by name.
    fn check(&self) -> anyhow::Result<()> {
        for address in std::iter::once(&self.listen).chain(&self.metrics_listen) {
            if !address.is_loopback() && !self.insecure {
                bail!(
                    "{address} can be reached from other machines, and requests are not \
                     authenticated yet; listen on loopback, or say --insecure"
                );
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let place = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    toml::from_str(&text).with_context(|| format!("{place} is no configuration"))
}

fn engine(name: Option<&str>, url: Option<String>, migrate: bool) -> anyhow::Result<EngineConfig> {
    match (name.unwrap_or("embedded"), url) {
        ("embedded", None) => Ok(EngineConfig::Embedded),
        ("embedded", Some(_)) => bail!("--database-url is for --engine postgres"),
        ("postgres", Some(url)) => {
            engine_postgres::place(&url).context("--database-url")?;
            Ok(EngineConfig::Postgres { url, migrate })
        }
        ("postgres", None) => bail!("--engine postgres needs a --database-url"),
        (other, _) => bail!("--engine: {other} is neither embedded nor postgres"),
    }
}

fn address(name: &str, text: &str) -> anyhow::Result<ListenAddress> {
    text.parse().with_context(|| format!("--{name}"))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            }
            EngineConfig::Postgres { url, migrate } => {
                writeln!(f, "engine          postgres")?;
                let place = engine_postgres::place(url).unwrap_or_default();
                writeln!(f, "database        {place}")?;
                writeln!(f, "migrate         {migrate}")?;
            }
        }
        writeln!(f, "demo            {}", self.demo)?;
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
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            demo: false,
            listen: None,
            host: Vec::new(),
            metrics_listen: None,
            data_dir: None,
            durability: None,
            engine: None,
            database_url: None,
            no_migrate: false,
            insecure: false,
            config: None,
        }
    }

    #[test]
    fn the_defaults_are_loopback_and_durable() {
        let config = Config::resolve(options()).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:9999");
        assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9990");
        assert_eq!(config.durability, Durability::Disk);
        assert!(!config.insecure && !config.demo);
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let file = "listen = '127.0.0.1:1'\nmetrics_listen = 'none'\ndurability = 'os'\n";
        let flags = Options {
            listen: Some("127.0.0.1:2".to_owned()),
            ..options()
        };
        let config = Config::merge(flags, toml::from_str(file).unwrap()).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:2");
        assert_eq!(
            (config.metrics_listen, config.durability),
            (None, Durability::Os)
        );
    }

    #[test]
    fn other_machines_are_let_in_only_by_name() {
        for (listen, metrics_listen) in [("0.0.0.0:1", "none"), ("127.0.0.1:1", "[::]:2")] {
            let asked = |insecure| Options {
                listen: Some(listen.to_owned()),
                metrics_listen: Some(metrics_listen.to_owned()),
                insecure,
                ..options()
            };
            assert!(
                Config::resolve(asked(false)).is_err(),
                "{listen} {metrics_listen}"
            );
            assert!(
                Config::resolve(asked(true)).is_ok(),
                "{listen} {metrics_listen}"
            );
        }
    }

    #[test]
    fn hosts_are_checked_unless_that_is_pointless() {
        let asked = |listen: &str, insecure| {
            let asked = Options {
                listen: Some(listen.to_owned()),
                insecure,
                ..options()
            };
            let file = toml::from_str("host = ['bank.example']").unwrap();
            Config::merge(asked, file).unwrap().hosts()
        };
        let named = Hosts::local_and(vec!["bank.example".to_owned()]);
        assert_eq!(asked("127.0.0.1:1", false), named);
        assert_eq!(asked("127.0.0.1:1", true), Hosts::any());
        assert_eq!(asked("unix:/run/x", false), Hosts::any());
    }

    #[test]
    fn an_engine_and_a_database_go_together() {
        let url = "postgres://me:secret@db:5432/bank";
        let asked = |engine: &str, url: Option<&str>| {
            Config::resolve(Options {
                engine: Some(engine.to_owned()),
                database_url: url.map(str::to_owned),
                ..options()
            })
        };
        let config = asked("postgres", Some(url)).unwrap();
        let printed = config.to_string();
        assert!(printed.contains("db:5432/bank") && !printed.contains("secret"));
        for (engine, url) in [
            ("postgres", None),
            ("embedded", Some(url)),
            ("x", Some(url)),
        ] {
            assert!(asked(engine, url).is_err(), "{engine} {url:?}");
        }
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        let error = toml::from_str::<File>("listne = 'x'").err().unwrap();
        assert!(error.to_string().contains("listne"), "{error}");
        let bad = Options {
            durability: Some("usually".to_owned()),
            ..options()
        };
        assert!(Config::resolve(bad).is_err());
    }
}
