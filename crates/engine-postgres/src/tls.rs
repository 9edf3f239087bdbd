//! Encrypted connections to the database, by the `sslmode` of its URL.
//!
//! | `sslmode` | without a certificate authority | with one |
//! |---|---|---|
//! | `disable` | not encrypted | refused: the two contradict each other |
//! | `prefer`, the default | encrypted where the server can | as `verify-full` |
//! | `require` | encrypted, without knowing the server | as `verify-full` |
//! | `verify-ca` | refused: there is nothing to verify by | encrypted, and the certificate is signed by the authority |
//! | `verify-full` | refused likewise | so, and the certificate is of this host |
//!
//! The authority is the URL's `sslrootcert=FILE`, or the options'. Over a Unix socket nothing is
//! encrypted. [`crate::certificates`] says which certificates are taken.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Verification};
use crate::certificates::{Anybody, Trusted};
use crate::error::PostgresOpenError;

/// What a server that is spoken to encrypted from the first byte on has to agree to.
const PROTOCOL: &[u8] = b"postgresql";

impl Address {
    /// What makes connections encrypted, where `sslmode` asks for that.
    pub(crate) fn connector(&mut self) -> Result<MakeRustlsConnect, PostgresOpenError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match &self.authority {
            None if self.verification.is_some() => {
                let missing = "sslmode verifies the server, and no sslrootcert says by what";
                return Err(PostgresOpenError::Tls(missing.to_owned()));
            }
            None => Arc::new(Anybody(Arc::clone(&provider))),
            Some(_) if self.config.get_ssl_mode() == SslMode::Disable => {
                let contradiction = "sslmode=disable, and a certificate authority is given";
                return Err(PostgresOpenError::Tls(contradiction.to_owned()));
            }
            Some(file) => {
                self.config.ssl_mode(SslMode::Require);
                let (roots, certificates) = roots(file)?;
                let verification = self.verification.unwrap_or(Verification::Full);
                let trusted = Trusted::new(roots, certificates, verification, &provider);
                Arc::new(trusted.map_err(|error| PostgresOpenError::Tls(error.to_string()))?)
            }
        };
        let is_direct = self.config.get_ssl_negotiation() == SslNegotiation::Direct;
        if is_direct && self.config.get_ssl_mode() == SslMode::Prefer {
            let weak = "sslnegotiation=direct begins encrypted: use sslmode=require or stronger";
            return Err(PostgresOpenError::Tls(weak.to_owned()));
        }
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| PostgresOpenError::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        if is_direct {
            config.alpn_protocols = vec![PROTOCOL.to_vec()];
        }
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Those who may vouch for a server, and their certificates as they are in the file.
fn roots(file: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), PostgresOpenError> {
    let failed = |error: &dyn std::fmt::Display| {
        PostgresOpenError::Tls(format!("the authority {}: {error}", file.display()))
    };
    let (mut roots, mut certificates) = (RootCertStore::empty(), Vec::new());
    let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots
            .add(certificate.clone())
            .map_err(|error| failed(&error))?;
        certificates.push(certificate);
    }
    if roots.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok((roots, certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused() {
        let connector = |url: &str, authority: Option<&str>| {
            let mut address = Address::of(url, authority.map(Path::new)).unwrap();
            address.connector().map(drop)
        };
        assert!(connector("postgres://db/x?sslmode=require", None).is_ok());
        assert!(connector("postgres://db/x?sslmode=verify-full", None).is_err());
        assert!(connector("postgres://db/x?sslmode=disable", Some("ca.pem")).is_err());
        assert!(connector("postgres://db/x", Some("/no/such/file")).is_err());
        assert!(connector("postgres://db/x?sslnegotiation=direct", None).is_err());
        let direct = "postgres://db/x?sslmode=require&sslnegotiation=direct";
        assert!(connector(direct, None).is_ok());
    }
}
