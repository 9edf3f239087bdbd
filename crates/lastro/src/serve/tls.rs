//! The files of TLS: of the gRPC listener, and towards a ledger node.

use std::path::PathBuf;

use anyhow::{Context, bail};
use engine_remote::Tls;
use server::ServerTls;

/// What was asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TlsOptions {
    /// The certificate chain that gRPC shows, a PEM file: it is served over TLS then.
    #[arg(long, env = "LASTRO_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The key of `--tls-cert`, a PEM file.
    #[arg(long, env = "LASTRO_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Lets in only gRPC callers with a certificate that one of these has signed, a PEM file.
    #[arg(long, env = "LASTRO_TLS_CLIENT_CA", value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// Speaks TLS with the ledger node, whose certificate one of these has signed, a PEM file.
    #[arg(long, env = "LASTRO_LEDGER_TLS_CA", value_name = "FILE")]
    pub(super) ledger_tls_ca: Option<PathBuf>,
    /// The certificate chain that is shown to the ledger node, a PEM file.
    #[arg(long, env = "LASTRO_LEDGER_TLS_CERT", value_name = "FILE")]
    pub(super) ledger_tls_cert: Option<PathBuf>,
    /// The key of `--ledger-tls-cert`, a PEM file.
    #[arg(long, env = "LASTRO_LEDGER_TLS_KEY", value_name = "FILE")]
    pub(super) ledger_tls_key: Option<PathBuf>,
}

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

impl TlsOptions {
    /// These, and where they do not say, the others.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_client_ca: self.tls_client_ca.or(other.tls_client_ca),
            ledger_tls_ca: self.ledger_tls_ca.or(other.ledger_tls_ca),
            ledger_tls_cert: self.ledger_tls_cert.or(other.ledger_tls_cert),
            ledger_tls_key: self.ledger_tls_key.or(other.ledger_tls_key),
        }
    }

    pub(super) fn of_grpc(&self) -> anyhow::Result<Option<GrpcTlsFiles>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(GrpcTlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: self.tls_client_ca.clone(),
            })),
            (None, None) if self.tls_client_ca.is_some() => {
                bail!("--tls-client-ca needs a --tls-cert and its --tls-key")
            }
            (None, None) => Ok(None),
            _ => bail!("--tls-cert and --tls-key go together"),
        }
    }

    pub(super) fn of_ledger(&self) -> anyhow::Result<Option<RemoteTlsFiles>> {
        let identity = match (&self.ledger_tls_cert, &self.ledger_tls_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => bail!("--ledger-tls-cert and --ledger-tls-key go together"),
        };
        match (&self.ledger_tls_ca, identity) {
            (Some(ca), identity) => Ok(Some(RemoteTlsFiles {
                ca: ca.clone(),
                identity,
            })),
            (None, Some(_)) => bail!("--ledger-tls-cert needs a --ledger-tls-ca"),
            (None, None) => Ok(None),
        }
    }
}

impl GrpcTlsFiles {
    pub(super) fn load(&self) -> anyhow::Result<ServerTls> {
        ServerTls::new(&self.cert, &self.key, self.client_ca.as_deref())
            .context("gRPC cannot be served over TLS")
    }
}

impl RemoteTlsFiles {
    pub(super) fn load(&self) -> anyhow::Result<Tls> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(cert, key)| (cert.as_path(), key.as_path()));
        Tls::new(&self.ca, identity).context("TLS cannot be spoken with the ledger node")
    }
}
