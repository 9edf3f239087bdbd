//! The configuration of `lastro serve`: flags, then `LASTRO_…` variables, then a TOML file, then
//! defaults.

mod shown;

use std::path::PathBuf;

use anyhow::{Context, bail};
use journal::Durability;
use ledger::ClockBounds;
use outbox::OutboxOptions;
use server::{Hosts, ListenAddress};

use super::engine_config::EngineConfig;
use super::outbox::OutboxConfig;
use super::role::Role;
use super::settings::{FileSettings, ServeOptions};
use super::tls::GrpcTlsFiles;
use super::{outgoing, payments};
use crate::log::LogConfig;
use crate::settings::Settings as _;

/// The disk space that an outbox may take if no setting gives another.
const OUTBOX_BYTES_MAX: u64 = 1 << 30;

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
    pub(crate) payments: Option<::payments::Config>,
    pub(crate) enable_purge: bool,
    pub(crate) log: LogConfig,
    pub(crate) insecure: bool,
    pub(crate) plaintext: bool,
}

impl Config {
    /// What the options, the file they name and the defaults come to.
    pub(crate) fn resolve(options: ServeOptions) -> anyhow::Result<Self> {
        let file = match &options.config {
            Some(path) => FileSettings::open(path)?,
            None => FileSettings::default(),
        };
        let config = Self::of_layers(options, file)?;
        config.check()?;
        Ok(config)
    }

    fn of_layers(options: ServeOptions, file: FileSettings) -> anyhow::Result<Self> {
        let settings = options.settings.over(file.settings);
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
        let outbox_bytes_max = match settings.outbox.outbox_bytes_max {
            Some(bytes) => bytes,
            None => outbox_bytes_max(role, &engine),
        };
        Ok(Self {
            demo: settings.role.demo,
            listen: address("listen", &settings.http.listen())?,
            metrics_listen,
            data_dir: settings.engine.data_dir(),
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
            grpc_tls: GrpcTlsFiles::of(&settings.grpc)?,
            payments: payments::resolve(&options.processor, file.payments)?,
            enable_purge: settings.purge.enable_purge,
            log: LogConfig::resolve(&settings.log)?,
            insecure: settings.security.insecure,
            plaintext: settings.security.plaintext,
            host: settings.http.host,
        })
    }

    /// Reads the certificates that the settings name, to see whether they can be used.
    pub(crate) fn load_certificates(&self) -> anyhow::Result<()> {
        if let Some(files) = &self.grpc_tls {
            files.load()?;
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

    /// Which hosts requests may name; with `--insecure` any host, since other machines may have their own
    /// names for this one. A Unix socket is no exception: a web page can reach a proxy in front of it.
    pub(crate) fn hosts(&self) -> Hosts {
        match self.insecure {
            true => Hosts::any(),
            false => Hosts::local_and(self.host.clone()),
        }
    }

    /// What can be told without starting anything. Safe by default: beyond loopback only if that was asked for by name, or if callers need a
    /// certificate.
    fn check(&self) -> anyhow::Result<()> {
        if let Some(outbox) = self.outbox() {
            OutboxOptions::within(outbox.bytes_max).context("--outbox-bytes-max")?;
        }
        if self.role == Role::Api && self.payments.is_some() {
            bail!(
                "--processor belongs to the process that has the ledger: it dispatches the payments"
            );
        }
        for address in std::iter::once(&self.listen).chain(&self.metrics_listen) {
            if !address.is_loopback() && !self.insecure {
                bail!(
                    "{address} can be reached from other machines, and requests are not \
                     authenticated yet: listen on loopback, or allow it with --insecure"
                );
            }
        }
        if !self.insecure && !self.plaintext {
            outgoing::check(&self.engine, self.payments.as_ref())?;
        }
        let callers_are_known = self
            .grpc_tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some());
        match &self.grpc_listen {
            Some(address) if !address.is_loopback() && !self.insecure && !callers_are_known => {
                bail!(
                    "{address} can be reached from other machines: listen on loopback, admit only \
                     callers with a certificate (--tls-client-ca), or allow it with --insecure"
                )
            }
            Some(_) if self.role == Role::Api => {
                bail!("--grpc-listen cannot be used with --role api: an API node serves HTTP")
            }
            None if self.role == Role::Ledger => {
                bail!("--role ledger needs --grpc-listen: it is reached over gRPC only")
            }
            _ if self.role == Role::Ledger && self.outbox_bytes_max > 0 => bail!(
                "--outbox-bytes-max cannot be used with --role ledger: a ledger node takes no operations"
            ),
            None if self.grpc_tls.is_some() => {
                bail!("--tls-cert can only be used with --grpc-listen")
            }
            _ => Ok(()),
        }
    }
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
