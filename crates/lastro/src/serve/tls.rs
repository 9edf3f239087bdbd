//! The files of TLS: of the gRPC listener, and towards a ledger node.

use std::path::PathBuf;

use anyhow::{Context, bail};
use engine_remote::Tls;
use server::ServerTls;

use super::settings::{GrpcSettings, LedgerNodeSettings};

/// The files of the gRPC listener.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrpcTlsFiles {
    cert: PathBuf,
    key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// The files towards a ledger node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RemoteTlsFiles {
    ca: PathBuf,
    identity: Option<(PathBuf, PathBuf)>,
}

impl GrpcTlsFiles {
    /// What these settings name; `None` where gRPC is served without TLS.
    pub(super) fn of(settings: &GrpcSettings) -> anyhow::Result<Option<Self>> {
        match (&settings.tls_cert, &settings.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(Self {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: settings.tls_client_ca.clone(),
            })),
            (None, None) if settings.tls_client_ca.is_some() => {
                bail!("--tls-client-ca needs --tls-cert and --tls-key")
            }
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                bail!("--tls-cert and --tls-key can only be used together")
            }
        }
    }

    pub(super) fn load(&self) -> anyhow::Result<ServerTls> {
        ServerTls::new(&self.cert, &self.key, self.client_ca.as_deref())
            .context("cannot serve gRPC over TLS")
    }
}

impl RemoteTlsFiles {
    /// What these settings name; `None` where the ledger node is reached without TLS.
    pub(super) fn of(settings: &LedgerNodeSettings) -> anyhow::Result<Option<Self>> {
        let identity = match (&settings.ledger_tls_cert, &settings.ledger_tls_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                bail!("--ledger-tls-cert and --ledger-tls-key can only be used together")
            }
        };
        match (&settings.ledger_tls_ca, identity) {
            (Some(ca), identity) => Ok(Some(Self {
                ca: ca.clone(),
                identity,
            })),
            (None, Some(_)) => bail!("--ledger-tls-cert needs --ledger-tls-ca"),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn load(&self) -> anyhow::Result<Tls> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(cert, key)| (cert.as_path(), key.as_path()));
        Tls::new(&self.ca, identity).context("cannot use TLS with the ledger node")
    }
}
