//! The configuration of `lastro serve`: flags, then `LASTRO_…` variables, then a TOML file, then
//! defaults.

mod shown;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use journal::Durability;
use ledger::{ClockBounds, LedgerId};
use outbox::OutboxOptions;
use server::{Hosts, ListenAddress, ServerTls, SocketAccess, TlsFiles};

use super::engine_config::EngineConfig;
use super::outbox::OutboxConfig;
use super::payments::PaymentsConfig;
use super::role::Role;
use super::settings::{FileSettings, ServeOptions};
use super::tls::FacesTls;
use super::traces::Collector;
use super::webhooks::WebhookConfig;
use super::{outgoing, payments, sockets, urls, webhooks};
use crate::keys::KeysPlace;
use crate::log::LogConfig;
use crate::settings::Settings as _;

/// The disk space that an outbox may take if no setting gives another.
const OUTBOX_BYTES_MAX: u64 = 1 << 30;

/// What is in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) demo: bool,
    /// How long the start waits for what it needs of others.
    pub(crate) wait: Duration,
    pub(crate) listen: ListenAddress,
    pub(crate) host: Vec<String>,
    pub(crate) metrics_listen: Option<ListenAddress>,
    pub(crate) data_dir: PathBuf,
    pub(crate) expect_ledger: Option<LedgerId>,
    pub(crate) durability: Durability,
    pub(crate) engine: EngineConfig,
    pub(crate) role: Role,
    pub(crate) grpc_listen: Option<ListenAddress>,
    pub(crate) tls: FacesTls,
    pub(crate) outbox_bytes_max: u64,
    pub(crate) clock: ClockBounds,
    pub(crate) payments: Option<PaymentsConfig>,
    pub(crate) webhooks: Vec<WebhookConfig>,
    pub(crate) enable_purge: bool,
    pub(crate) log: LogConfig,
    pub(super) collector: Option<Collector>,
    pub(crate) keys: Option<KeysPlace>,
    pub(crate) open_challenge: bool,
    pub(crate) listen_public: bool,
    pub(crate) metrics_public: bool,
    pub(crate) plaintext: bool,
    /// Who may connect to the Unix sockets among the addresses.
    pub(crate) sockets: SocketAccess,
    /// What is allowed, and an operator should know of.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// What the options, the file they name and the defaults come to.
    pub(crate) fn resolve(options: ServeOptions) -> anyhow::Result<Self> {
        let file = match &options.config {
            Some(path) => FileSettings::open(path)?,
            None => FileSettings::default(),
        };
        let mut config = Self::of_layers(options, file)?;
        config.check()?;
        config.warn_of_keys_in_clear();
        Ok(config)
    }

    fn warn_of_keys_in_clear(&mut self) {
        if self.keys.is_none() {
            return;
        }
        let faces = [
            ("http", Some(&self.listen), &self.tls.http),
            ("grpc", self.grpc_listen.as_ref(), &self.tls.grpc),
            ("metrics", self.metrics_listen.as_ref(), &self.tls.metrics),
        ];
        for (face, address, tls) in faces {
            if let Some(address) = address
                && !address.is_loopback()
                && tls.is_none()
            {
                self.warnings.push(format!(
                    "{address} can be reached from other machines without TLS: keys can be read on their way. Give \
                     --{face}-tls-cert and --{face}-tls-key, or listen on loopback behind a proxy with TLS"
                ));
            }
        }
    }

    fn of_layers(options: ServeOptions, file: FileSettings) -> anyhow::Result<Self> {
        let of_file = file.settings.clone();
        let mut settings = options.settings.over(file.settings);
        if settings.security.insecure {
            bail!(
                "--insecure is no longer known, since it allowed four things at once: ask for those that you \
                 need with --listen-public (HTTP and gRPC beyond loopback for callers that are not identified), \
                 --metrics-public (likewise metrics), --host '*' (requests with any host name) and --plaintext \
                 (unencrypted connections to other machines)"
            );
        }
        let config_file = options.config.as_deref();
        let warnings = urls::read(&mut settings, &of_file, config_file)?;
        let role = Role::read(&settings.role.role())?;
        let clock = settings.clock.bounds(options.accept_clock);
        let engine = EngineConfig::resolve(&settings, role, clock, options.accept_data_loss)?;
        let has_clock_bounds = settings.clock.is_any() || options.accept_clock;
        if has_clock_bounds && matches!(engine, EngineConfig::Remote { .. }) {
            bail!(
                "--clock-jump-max-s and --accept-clock belong to the ledger node: it checks the clock"
            );
        }
        let metrics_listen = match settings.http.metrics_listen().as_str() {
            "none" => None,
            text => Some(address("metrics-listen", text)?),
        };
        let grpc_listen = match &settings.grpc.grpc_listen {
            Some(text) => Some(address("grpc-listen", text)?),
            None => None,
        };
        let listen = address("listen", &settings.http.listen())?;
        let is_socket = |address: &ListenAddress| address.unix_path().is_some();
        let has_socket = is_socket(&listen)
            || grpc_listen.as_ref().is_some_and(is_socket)
            || metrics_listen.as_ref().is_some_and(is_socket);
        let outbox_bytes_max = match settings.outbox.outbox_bytes_max {
            Some(bytes) => bytes,
            None => outbox_bytes_max(role, &engine),
        };
        Ok(Self {
            demo: settings.role.demo,
            wait: Duration::from_secs(settings.role.wait_s()),
            sockets: sockets::access(&settings.http, has_socket)?,
            warnings,
            listen,
            metrics_listen,
            data_dir: settings.engine.data_dir(),
            expect_ledger: match &settings.engine.expect_ledger {
                Some(text) => Some(text.parse().context("--expect-ledger")?),
                None => None,
            },
            durability: settings
                .engine
                .durability()
                .parse()
                .context("--durability")?,
            outbox_bytes_max,
            engine,
            clock,
            role,
            grpc_listen,
            tls: FacesTls::of(&settings.http, &settings.grpc)?,
            payments: payments::resolve(&options.processor, file.payments)?,
            webhooks: webhooks::resolve(file.webhooks)?,
            enable_purge: settings.purge.enable_purge,
            log: LogConfig::resolve(&settings.log)?,
            collector: Collector::of(&settings.traces)?,
            keys: settings.security.keys.map(KeysPlace::from),
            open_challenge: settings.security.open_challenge,
            listen_public: settings.security.listen_public,
            metrics_public: settings.security.metrics_public,
            plaintext: settings.security.plaintext,
            host: settings.http.host,
        })
    }

    /// Reads the certificates that the settings name, to see whether they can be used.
    pub(crate) fn load_certificates(&self) -> anyhow::Result<()> {
        for files in [&self.tls.http, &self.tls.metrics].into_iter().flatten() {
            ServerTls::of_http(files.clone())?;
        }
        if let Some(files) = &self.tls.grpc {
            ServerTls::of_grpc(files.clone())?;
        }
        if let EngineConfig::Remote {
            tls: Some(files), ..
        } = &self.engine
        {
            files.load()?;
        }
        Ok(())
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

    /// Fails if another ledger is expected.
    pub(crate) fn check_ledger(&self, found: LedgerId) -> anyhow::Result<()> {
        match self.expect_ledger {
            Some(expected) if expected != found => bail!(
                "this is ledger {found}, and --expect-ledger expects {expected}: check which disk or \
                 database is used here"
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Which hosts requests may name. A Unix socket is no exception: a web page can reach a proxy in front of it.
    pub(crate) fn hosts(&self) -> Hosts {
        match self.host.iter().any(|host| host == "*") {
            true => Hosts::any(),
            false => Hosts::local_and(self.host.clone()),
        }
    }

    /// What can be told without starting anything.
    fn check(&self) -> anyhow::Result<()> {
        if let Some(outbox) = self.outbox() {
            OutboxOptions::within(outbox.bytes_max).context("--outbox-bytes-max")?;
        }
        if self.role == Role::Api && self.payments.is_some() {
            bail!(
                "--processor belongs to the process that has the ledger: it dispatches the payments"
            );
        }
        self.check_webhooks()?;
        self.check_keys()?;
        self.doors().iter().try_for_each(Door::check)?;
        if !self.plaintext {
            outgoing::check(&self.engine, self.payments.as_ref(), &self.webhooks)?;
            if let Some(collector) = &self.collector {
                collector.check_encrypted()?;
            }
        }
        match &self.grpc_listen {
            Some(_) if self.role == Role::Api => {
                bail!("--grpc-listen cannot be used with --role api: an API node serves HTTP")
            }
            None if self.role == Role::Ledger => {
                bail!("--role ledger needs --grpc-listen: it is reached over gRPC only")
            }
            _ if self.role == Role::Ledger && self.outbox_bytes_max > 0 => bail!(
                "--outbox-bytes-max cannot be used with --role ledger: a ledger node takes no operations"
            ),
            None if self.tls.grpc.is_some() => {
                bail!("--grpc-tls-cert can only be used with --grpc-listen")
            }
            None | Some(_) => {}
        }
        if self.metrics_listen.is_none() && self.tls.metrics.is_some() {
            bail!("--metrics-tls-cert cannot be used with --metrics-listen none");
        }
        Ok(())
    }

    fn doors(&self) -> [Door<'_>; 3] {
        let has_keys = self.keys.is_some();
        [
            Door {
                address: Some(&self.listen),
                // Without a key everybody may use the challenge's routes then.
                callers_are_identified: (has_keys && !self.open_challenge)
                    || has_client_ca(self.tls.http.as_ref()),
                client_ca: "--http-tls-client-ca",
                is_public: self.listen_public,
                public: "--listen-public",
            },
            Door {
                address: self.grpc_listen.as_ref(),
                callers_are_identified: has_keys || has_client_ca(self.tls.grpc.as_ref()),
                client_ca: "--grpc-tls-client-ca",
                is_public: self.listen_public,
                public: "--listen-public",
            },
            Door {
                address: self.metrics_listen.as_ref(),
                callers_are_identified: has_keys || has_client_ca(self.tls.metrics.as_ref()),
                client_ca: "--metrics-tls-client-ca",
                is_public: self.metrics_public,
                public: "--metrics-public",
            },
        ]
    }
}

/// An address that callers come in by.
struct Door<'a> {
    address: Option<&'a ListenAddress>,
    /// Whether callers have to show who they are.
    callers_are_identified: bool,
    /// The flag that has them show a certificate.
    client_ca: &'static str,
    /// Whether callers may come in that nobody knows.
    is_public: bool,
    /// The flag for that.
    public: &'static str,
}

impl Door<'_> {
    /// Safe by default: beyond loopback only callers that are identified, or all of them if that was asked for
    /// by name.
    fn check(&self) -> anyhow::Result<()> {
        match self.address {
            Some(address)
                if !address.is_loopback() && !self.callers_are_identified && !self.is_public =>
            {
                bail!(
                    "{address} can be reached from other machines, and callers there are not identified: listen \
                     on loopback, ask for keys with --keys, admit only callers with a certificate ({}), or allow \
                     it with {}",
                    self.client_ca,
                    self.public
                )
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Config {
    /// Webhooks are sent from the feed of a ledger in this process.
    fn check_webhooks(&self) -> anyhow::Result<()> {
        match &self.engine {
            _ if self.webhooks.is_empty() => Ok(()),
            EngineConfig::Embedded
            | EngineConfig::Postgres { .. }
            | EngineConfig::WriteBehind(_) => Ok(()),
            EngineConfig::Remote { .. } => {
                bail!("[webhooks] belongs to the process that has the ledger: it sends the events")
            }
        }
    }

    fn check_keys(&self) -> anyhow::Result<()> {
        let has_database = match &self.engine {
            EngineConfig::Postgres { .. } | EngineConfig::WriteBehind(_) => true,
            EngineConfig::Embedded | EngineConfig::Remote { .. } => false,
        };
        match &self.keys {
            Some(KeysPlace::Database) if !has_database => bail!(
                "--keys database needs --engine postgres or --engine write-behind: name a file instead"
            ),
            None if self.open_challenge => {
                bail!(
                    "--open-challenge can only be used with --keys: without keys every route is open"
                )
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn has_client_ca(files: Option<&TlsFiles>) -> bool {
    files.is_some_and(|files| files.client_ca.is_some())
}

/// The disk space that an outbox may take in this role, if no setting gives another.
const fn outbox_bytes_max(role: Role, engine: &EngineConfig) -> u64 {
    match (role, engine) {
        // Several nodes over one database may have been given one data folder.
        (Role::All, EngineConfig::Postgres { .. } | EngineConfig::WriteBehind(_))
        | (Role::Ledger, _) => 0,
        (Role::All, EngineConfig::Embedded | EngineConfig::Remote { .. }) | (Role::Api, _) => {
            OUTBOX_BYTES_MAX
        }
    }
}

fn address(name: &str, text: &str) -> anyhow::Result<ListenAddress> {
    text.parse().with_context(|| format!("--{name}"))
}

#[cfg(test)]
mod tests;
