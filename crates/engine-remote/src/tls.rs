//! TLS towards the ledger: whom to trust, and who we are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How to speak TLS with the ledger.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ClientConfig>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or has nothing of the kind in it.
    #[error("{path} has no {what}")]
    File {
        /// Which file.
        path: String,
        /// What it should have.
        what: &'static str,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificates and key do not go together.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts ledgers whose certificate one of `ca` has signed (a PEM file), and shows `identity`
    /// (the PEM files of a certificate chain and its key) where one is given.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn new(ca: &Path, identity: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let what = |source| file_error(key, "private key", source);
                let key = PrivateKeyDer::from_pem_file(key).map_err(what)?;
                builder.with_client_auth_cert(certificates(certificate)?, key)?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = |source| file_error(path, "certificate", source);
    let found = CertificateDer::pem_file_iter(path).map_err(what)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(what)?;
    if found.is_empty() {
        return Err(what(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn file_error(path: &Path, what: &'static str, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File {
        path: path.display().to_string(),
        what,
        source,
    }
}
