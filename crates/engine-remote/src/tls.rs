//! TLS towards the ledger: whom to trust, and who we are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use stdx::tls::{Trusted, client_config};
use tokio_rustls::rustls::ClientConfig;

pub use stdx::tls::TlsError;

/// How to speak TLS with the ledger.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ClientConfig>,
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
        let mut config = client_config(Trusted::Authorities(ca), identity)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            config: Arc::new(config),
        })
    }
}
