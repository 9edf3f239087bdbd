//! Encrypted connections to the database, by the `sslmode` of its URL.
//!
//! | `sslmode` | without a certificate authority | with one |
//! |---|---|---|
//! | `disable` | not encrypted | refused: the two contradict each other |
//! | `prefer`, the default | encrypted where the server can | as `verify-full` |
//! | `require` | encrypted, whoever the server is | as `verify-full` |
//! | `verify-ca`, `verify-full` | refused: there is nothing to verify by | encrypted, and the certificate is of this host and signed by the authority |
//!
//! The authority is the URL's `sslrootcert=FILE`, or the options'.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::OpenError;

/// A URL understood: how to connect, and what to verify by.
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) must_verify: bool,
}

impl Address {
    /// Reads a URL. The library below knows neither `sslrootcert` nor `verify-…`.
    pub(crate) fn of(url: &str, authority: Option<&Path>) -> Result<Self, OpenError> {
        let (start, parameters, divider) = match url.split_once("://") {
            Some(_) => match url.split_once('?') {
                Some((start, parameters)) => (format!("{start}?"), parameters, "&"),
                None => (url.to_owned(), "", "&"),
            },
            None => (String::new(), url, " "),
        };
        let mut authority = authority.map(Path::to_owned);
        let mut must_verify = false;
        let mut kept = Vec::new();
        for parameter in parameters.split(divider).filter(|it| !it.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslrootcert", file)) => {
                    authority.get_or_insert_with(|| PathBuf::from(decoded(file)));
                }
                Some(("sslmode", "verify-ca" | "verify-full")) => must_verify = true,
                _ => kept.push(parameter),
            }
        }
        let text = start + &kept.join(divider);
        let config: Config = text.parse().map_err(OpenError::Url)?;
        Ok(Self {
            config,
            authority,
            must_verify,
        })
    }

    /// What makes connections encrypted, where `sslmode` asks for that.
    pub(crate) fn connector(&mut self) -> Result<MakeRustlsConnect, OpenError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Tls(error.to_string()))?;
        let Some(file) = &self.authority else {
            if self.must_verify {
                let missing = "sslmode verifies the server, and no sslrootcert says by what";
                return Err(OpenError::Tls(missing.to_owned()));
            }
            let config = builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
            return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
        };
        if self.config.get_ssl_mode() == SslMode::Disable {
            let contradiction = "sslmode=disable, and a certificate authority is given";
            return Err(OpenError::Tls(contradiction.to_owned()));
        }
        self.config.ssl_mode(SslMode::Require);
        let config = builder.with_root_certificates(roots(file)?);
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }
}

fn roots(file: &Path) -> Result<RootCertStore, OpenError> {
    let failed = |error: &dyn std::fmt::Display| {
        OpenError::Tls(format!("the authority {}: {error}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(roots)
}

/// `%2F` and the like in a URL's parameter.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Takes every certificate: what is encrypted cannot be read on the way, by whomever it is sent to.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_below_does_not_know_is_taken_out_of_the_url() {
        let url = "postgres://me@db/bank?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=3";
        let address = Address::of(url, None).unwrap();
        assert_eq!(address.authority, Some("/etc/ca.pem".into()));
        assert!(address.must_verify);
        assert_eq!(address.config.get_dbname(), Some("bank"));
        assert!(address.config.get_connect_timeout().is_some());
        let words = "host=db sslrootcert=ca.pem sslmode=require";
        let address = Address::of(words, None).unwrap();
        assert_eq!(address.authority, Some("ca.pem".into()));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        assert!(Address::of("postgres://db/x?sslmode=maybe", None).is_err());
    }

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
    }
}
