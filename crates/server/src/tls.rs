//! TLS of the gRPC face: who we are, and whom we let in.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How to speak TLS with callers.
#[derive(Clone)]
pub struct ServerTls(TlsAcceptor);

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// A file that cannot be read, or has nothing of the kind in it.
    #[error("{path} does not contain a {what}")]
    File {
        /// Which file.
        path: String,
        /// What it should have.
        what: &'static str,
        /// Why not.
        #[source]
        source: PemError,
    },
    /// Certificates and key do not go together.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The certificates of `client_ca` cannot judge callers.
    #[error("the callers' certificates cannot be checked")]
    ClientCa(#[from] VerifierBuilderError),
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerTls {
    /// Shows the certificate chain of one PEM file, with the key of another. With `client_ca` only
    /// callers are let in whose certificate one of those there has signed.
    ///
    /// # Errors
    ///
    /// See [`ServerTlsError`].
    pub fn new(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Self, ServerTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate)?;
                }
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let what = |source| file_error(key, "private key", source);
        let key = PrivateKeyDer::from_pem_file(key).map_err(what)?;
        let mut config = builder.with_single_cert(certificates(certificate)?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerTlsError> {
    let what = |source| file_error(path, "certificate", source);
    let found = CertificateDer::pem_file_iter(path).map_err(what)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(what)?;
    if found.is_empty() {
        return Err(what(PemError::NoItemsFound));
    }
    Ok(found)
}

fn file_error(path: &Path, what: &'static str, source: PemError) -> ServerTlsError {
    ServerTlsError::File {
        path: path.display().to_string(),
        what,
        source,
    }
}
