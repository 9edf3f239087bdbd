//! The files of TLS: of the faces, and towards a ledger node.

use std::path::PathBuf;

use anyhow::{Context, bail};
use engine_remote::Tls;
use server::TlsFiles;

use super::settings::{GrpcSettings, HttpSettings, LedgerNodeSettings};

/// The files of each face; `None` where it is served without TLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FacesTls {
    pub(super) http: Option<TlsFiles>,
    pub(super) grpc: Option<TlsFiles>,
    pub(super) metrics: Option<TlsFiles>,
}

/// The files towards a ledger node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RemoteTlsFiles {
    ca: PathBuf,
    identity: Option<(PathBuf, PathBuf)>,
}

impl FacesTls {
    /// Every file that is read for them.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let faces = [&self.http, &self.grpc, &self.metrics];
        let files = faces.into_iter().flatten().flat_map(|files| {
            let of_face = [&files.certificate, &files.key].into_iter();
            of_face.chain(&files.client_ca).cloned()
        });
        files.collect()
    }

    /// What these settings name.
    pub(super) fn of(http: &HttpSettings, grpc: &GrpcSettings) -> anyhow::Result<Self> {
        let either = |name: &str, new: &Option<PathBuf>, old: &Option<PathBuf>| match (new, old) {
            (Some(_), Some(_)) => {
                bail!("--{name} is the older name of --grpc-{name}: give only one of them")
            }
            (given, None) | (None, given) => Ok(given.clone()),
        };
        Ok(Self {
            http: of_face(
                "http",
                &http.http_tls_cert,
                &http.http_tls_key,
                &http.http_tls_client_ca,
            )?,
            grpc: of_face(
                "grpc",
                &either("tls-cert", &grpc.grpc_tls_cert, &grpc.tls_cert)?,
                &either("tls-key", &grpc.grpc_tls_key, &grpc.tls_key)?,
                &either(
                    "tls-client-ca",
                    &grpc.grpc_tls_client_ca,
                    &grpc.tls_client_ca,
                )?,
            )?,
            metrics: of_face(
                "metrics",
                &http.metrics_tls_cert,
                &http.metrics_tls_key,
                &http.metrics_tls_client_ca,
            )?,
        })
    }
}

fn of_face(
    face: &str,
    cert: &Option<PathBuf>,
    key: &Option<PathBuf>,
    client_ca: &Option<PathBuf>,
) -> anyhow::Result<Option<TlsFiles>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles {
            certificate: cert.clone(),
            key: key.clone(),
            client_ca: client_ca.clone(),
        })),
        (None, None) if client_ca.is_some() => {
            bail!("--{face}-tls-client-ca needs --{face}-tls-cert and --{face}-tls-key")
        }
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => {
            bail!("--{face}-tls-cert and --{face}-tls-key can only be used together")
        }
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

    /// Every file that is read for them.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let identity = self.identity.iter();
        let identity = identity.flat_map(|(cert, key)| [cert, key]);
        identity.chain([&self.ca]).cloned()
    }

    pub(super) fn load(&self) -> anyhow::Result<Tls> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(cert, key)| (cert.as_path(), key.as_path()));
        Tls::new(&self.ca, identity).context("cannot use TLS with the ledger node")
    }
}
