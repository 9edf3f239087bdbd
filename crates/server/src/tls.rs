//! TLS of a face: the certificate that it shows, and the callers that it admits.
//!
//! What is in force can be replaced while the face serves. A connection keeps what it began with: its
//! requests go on. New connections get the new files, and no session from before is resumed: a caller whose
//! authority was taken away has to show its certificate again.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{self, Decode};

use crate::connection::HttpVersion;

const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The files that TLS is spoken with, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain that callers are shown, the face's own certificate first.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
    /// The authorities of callers: with them only callers are admitted whose certificate one of them
    /// has signed.
    pub client_ca: Option<PathBuf>,
}

/// How a face speaks TLS with callers. Clones share what is in force.
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    protocols: &'static [&'static [u8]],
    in_force: RwLock<InForce>,
}

struct InForce {
    acceptor: TlsAcceptor,
    expires_at: SystemTime,
}

/// Why TLS cannot be spoken with these files.
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
    /// The key is another certificate's.
    #[error("the private key in {key} does not belong to the certificate in {certificate}")]
    KeyOfAnother {
        /// The file with the certificate.
        certificate: String,
        /// The file with the key.
        key: String,
    },
    /// A certificate or its key is not of a kind that TLS is spoken with.
    #[error("the certificates in {path} cannot be used")]
    Unusable {
        /// The file with the certificates.
        path: String,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// A certificate that does not say until when it is valid.
    #[error("a certificate in {path} cannot be read")]
    Unreadable {
        /// The file with the certificates.
        path: String,
        /// Why not.
        #[source]
        source: der::Error,
    },
    /// The certificates of `client_ca` cannot judge callers.
    #[error("the callers' certificates cannot be checked with {path}")]
    ClientCa {
        /// The file with the authorities.
        path: String,
        /// Why not.
        #[source]
        source: VerifierBuilderError,
    },
    /// This build does not support a protocol version of TLS.
    #[error("TLS cannot be used")]
    Versions(#[source] rustls::Error),
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.files).finish()
    }
}

impl ServerTls {
    /// For HTTP and metrics: the caller chooses HTTP/2 or HTTP/1.1.
    ///
    /// # Errors
    ///
    /// See [`ServerTlsError`].
    pub fn of_http(files: TlsFiles) -> Result<Self, ServerTlsError> {
        Self::new(files, &[HTTP_2, HTTP_1])
    }

    /// For gRPC: HTTP/2 alone.
    ///
    /// # Errors
    ///
    /// See [`ServerTlsError`].
    pub fn of_grpc(files: TlsFiles) -> Result<Self, ServerTlsError> {
        Self::new(files, &[HTTP_2])
    }

    fn new(files: TlsFiles, protocols: &'static [&'static [u8]]) -> Result<Self, ServerTlsError> {
        let in_force = RwLock::new(InForce::read(&files, protocols)?);
        Ok(Self(Arc::new(Shared {
            files,
            protocols,
            in_force,
        })))
    }

    /// Reads the files again: for connections from now on.
    ///
    /// # Errors
    ///
    /// See [`ServerTlsError`]; then what was in force stays in force.
    pub fn reload(&self) -> Result<(), ServerTlsError> {
        let read = InForce::read(&self.0.files, self.0.protocols)?;
        *self.0.in_force.write() = read;
        Ok(())
    }

    /// The files that it is made of.
    #[must_use]
    pub fn files(&self) -> &TlsFiles {
        &self.0.files
    }

    /// When the first certificate of the chain expires that is shown now. An expired one is shown all the same:
    /// callers decide whether they take it.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.in_force.read().expires_at
    }

    /// The handshake. Takes as long as the caller likes.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accept = self.0.in_force.read().acceptor.accept(stream);
        accept.await
    }
}

/// Which HTTP the two ends have agreed upon.
pub(crate) fn version_of<S>(stream: &TlsStream<S>) -> HttpVersion {
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => HttpVersion::Http2,
        Some(_) | None => HttpVersion::Http1,
    }
}

impl InForce {
    fn read(files: &TlsFiles, protocols: &'static [&'static [u8]]) -> Result<Self, ServerTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ServerTlsError::Versions)?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    let added = roots.add(certificate);
                    added.map_err(|source| unusable(path, source))?;
                }
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build();
                let verifier = verifier.map_err(|source| ServerTlsError::ClientCa {
                    path: path.display().to_string(),
                    source,
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = certificates(&files.certificate)?;
        let expires_at = expiry(&files.certificate, &chain)?;
        let key = PrivateKeyDer::from_pem_file(&files.key);
        let key = key.map_err(|source| file_error(&files.key, "private key", source))?;
        let config = builder.with_single_cert(chain, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => ServerTlsError::KeyOfAnother {
                certificate: files.certificate.display().to_string(),
                key: files.key.display().to_string(),
            },
            source => unusable(&files.certificate, source),
        })?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            expires_at,
        })
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

/// When the first of these certificates expires. There is at least one.
fn expiry(path: &Path, chain: &[CertificateDer<'_>]) -> Result<SystemTime, ServerTlsError> {
    let mut first = None;
    for certificate in chain {
        // `Raw`: authorities of companies' own give serial numbers of any length.
        let read = CertificateInner::<Raw>::from_der(certificate);
        let read = read.map_err(|source| ServerTlsError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        let expires_at = read.tbs_certificate.validity.not_after.to_system_time();
        if first.is_none_or(|first| expires_at < first) {
            first = Some(expires_at);
        }
    }
    first.ok_or_else(|| file_error(path, "certificate", PemError::NoItemsFound))
}

fn file_error(path: &Path, what: &'static str, source: PemError) -> ServerTlsError {
    ServerTlsError::File {
        path: path.display().to_string(),
        what,
        source,
    }
}

fn unusable(path: &Path, source: rustls::Error) -> ServerTlsError {
    ServerTlsError::Unusable {
        path: path.display().to_string(),
        source,
    }
}
