//! TLS towards other programs: whom to trust, and who we are.
//!
//! The other side's certificate is always verified, its name too. Nothing is sent before the handshake is complete
//! (no early data).

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Whose signature makes a certificate a good one.
#[derive(Debug, Clone, Copy)]
pub enum Trusted<'a> {
    /// One of the authorities in this PEM file, and nobody else.
    Authorities(&'a Path),
    /// Any authority that this machine trusts; `SSL_CERT_FILE` names others.
    System,
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
    /// This machine has no list of authorities.
    #[error(
        "this machine trusts no authority ({0}): install its certificates (on Debian the package ca-certificates), \
         or name a file with the authority's certificate"
    )]
    NoAuthorities(String),
    /// Certificates and key do not go together.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Trusts these, and shows `identity` (the PEM files of a certificate chain and its key) where one is given.
///
/// # Errors
///
/// See [`TlsError`].
pub fn client_config(
    trusted: Trusted<'_>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(trusted)?);
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let what = |source| file_error(key, "private key", source);
            let key = PrivateKeyDer::from_pem_file(key).map_err(what)?;
            builder.with_client_auth_cert(certificates(certificate)?, key)?
        }
    })
}

fn roots(trusted: Trusted<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match trusted {
        Trusted::Authorities(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate)?;
            }
        }
        Trusted::System => {
            let found = rustls_native_certs::load_native_certs();
            // A list of hundreds may have an odd one.
            let (added_count, _) = roots.add_parsable_certificates(found.certs);
            if added_count == 0 {
                let errors = found.errors.iter().map(ToString::to_string);
                let errors: Vec<_> = errors.collect();
                let why = match errors.as_slice() {
                    [] => "there is no list of them".to_owned(),
                    errors => errors.join("; "),
                };
                return Err(TlsError::NoAuthorities(why));
            }
        }
    }
    Ok(roots)
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
