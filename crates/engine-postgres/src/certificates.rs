//! Which certificates of a database are taken, and how they are verified.
//!
//! - Without an authority every certificate is taken: what is encrypted cannot be read on the way, by
//!   whomever it is sent to. That the server has the certificate's key is proved all the same, since
//!   a password may be bound to the certificate (SCRAM-SHA-256-PLUS).
//! - With one, as browsers do it; and a certificate that is in the authority's file itself is trusted
//!   as it is, while it is valid and, where that is asked for, of this host.
//! - Certificates of X.509 version 1, which have no extensions, are read here: the library below
//!   refuses them.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::address::Verification;

/// Takes every certificate.
#[derive(Debug)]
pub(crate) struct Anybody(pub(crate) Arc<CryptoProvider>);

/// Takes what an authority has signed, and what its file holds.
#[derive(Debug)]
pub(crate) struct Trusted {
    authority: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
    verification: Verification,
    provider: Arc<CryptoProvider>,
}

impl Trusted {
    pub(crate) fn new(
        roots: RootCertStore,
        certificates: Vec<CertificateDer<'static>>,
        verification: Verification,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Ok(Self {
            authority: builder.build()?,
            certificates,
            verification,
            provider: Arc::clone(provider),
        })
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.iter().any(|own| own == certificate) {
            let parsed = parsed(certificate)?;
            check_time(&parsed, now)?;
            if self.verification == Verification::Full && !is_of(&parsed, name) {
                return Err(CertificateError::NotValidForName.into());
            }
            return Ok(ServerCertVerified::assertion());
        }
        let verified =
            self.authority
                .verify_server_cert(certificate, intermediates, name, ocsp, now);
        match verified {
            // The name is looked at last: all else is verified.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.verification == Verification::Authority => {
                Ok(ServerCertVerified::assertion())
            }
            Err(_) if is_of_version_1(certificate) => Err(Error::General(
                "the database's certificate is of X.509 version 1, which an authority cannot \
                 vouch for: make one of version 3, or give this very certificate as the authority"
                    .to_owned(),
            )),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12(&self.provider, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13(&self.provider, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes(&self.provider)
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12(&self.0, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13(&self.0, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes(&self.0)
    }
}

fn schemes(provider: &CryptoProvider) -> Vec<SignatureScheme> {
    provider
        .signature_verification_algorithms
        .supported_schemes()
}

fn verify_tls12(
    provider: &CryptoProvider,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = &provider.signature_verification_algorithms;
    if !is_of_version_1(certificate) {
        return rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms);
    }
    let key = parsed(certificate)?.tbs_certificate.subject_public_key_info;
    let algorithm = key.algorithm.to_der().map_err(|_| unreadable())?;
    let known = algorithms.mapping.iter();
    let known = known.filter(|(scheme, _)| *scheme == signed.scheme);
    // An identifier there is the content of a sequence: without its tag and length.
    let mut fitting = known
        .flat_map(|(_, algorithms)| algorithms.iter())
        .filter(|known| algorithm.ends_with(known.public_key_alg_id().as_ref()));
    let is_valid = fitting.any(|known| {
        let key = key.subject_public_key.raw_bytes();
        known
            .verify_signature(key, message, signed.signature())
            .is_ok()
    });
    match is_valid {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(CertificateError::BadSignature.into()),
    }
}

fn verify_tls13(
    provider: &CryptoProvider,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = &provider.signature_verification_algorithms;
    if !is_of_version_1(certificate) {
        return rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms);
    }
    let key = parsed(certificate)?.tbs_certificate.subject_public_key_info;
    let key = SubjectPublicKeyInfoDer::from(key.to_der().map_err(|_| unreadable())?);
    let is_offered = schemes(provider).contains(&signed.scheme);
    if !is_offered {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

fn unreadable() -> Error {
    CertificateError::BadEncoding.into()
}

fn parsed(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| unreadable())
}

fn is_of_version_1(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate)
        .is_ok_and(|parsed| parsed.tbs_certificate.version == x509_cert::Version::V1)
}

fn check_time(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether a certificate is of this host: by its alternative names, and where it has none by its
/// common name, as the database's own tools do.
fn is_of(certificate: &Certificate, name: &ServerName<'_>) -> bool {
    let wanted = name.to_str();
    let alternatives = certificate.tbs_certificate.get::<SubjectAltName>();
    if let Ok(Some((_, names))) = alternatives {
        return names.0.iter().any(|alternative| match (alternative, name) {
            (GeneralName::DnsName(dns), ServerName::DnsName(_)) => fits(dns.as_str(), &wanted),
            (GeneralName::IpAddress(bytes), ServerName::IpAddress(address)) => {
                match std::net::IpAddr::from(*address) {
                    std::net::IpAddr::V4(address) => bytes.as_bytes() == address.octets(),
                    std::net::IpAddr::V6(address) => bytes.as_bytes() == address.octets(),
                }
            }
            _ => false,
        });
    }
    let subject = &certificate.tbs_certificate.subject;
    let mut attributes = subject.0.iter().flat_map(|part| part.0.iter());
    attributes.any(|attribute| {
        let value = &attribute.value;
        let utf8 = Utf8StringRef::try_from(value);
        let printable = PrintableStringRef::try_from(value);
        let ascii = Ia5StringRef::try_from(value);
        let text = match (&utf8, &printable, &ascii) {
            (Ok(text), ..) => text.as_str(),
            (_, Ok(text), _) => text.as_str(),
            (.., Ok(text)) => text.as_str(),
            _ => return false,
        };
        let fits = match name {
            ServerName::DnsName(_) => fits(text, &wanted),
            _ => text == wanted,
        };
        attribute.oid == CN && fits
    })
}

/// Whether a name of a certificate covers a host's: `*` stands for the first part alone.
fn fits(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(parent), Some((_, rest))) => {
            parent.contains('.') && parent.eq_ignore_ascii_case(rest)
        }
        _ => pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_part() {
        for (pattern, host, expected) in [
            ("db.bank.example", "DB.bank.example.", true),
            ("*.bank.example", "db.bank.example", true),
            ("*.bank.example", "bank.example", false),
            ("*.bank.example", "a.db.bank.example", false),
            ("*.example", "bank.example", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            assert_eq!(fits(pattern, host), expected, "{pattern} {host}");
        }
    }
}
