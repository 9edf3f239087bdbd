//! Authorities of a test's own, and the certificates that they sign.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// How long a certificate is valid if nothing else is asked for.
const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// An authority.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub pem: String,
    /// Its private key.
    pub key: String,
}

/// The files of a certificate.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// An authority with this name.
    ///
    /// # Panics
    ///
    /// When the library makes none.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let made = (|| {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate()?;
            let pem = params.self_signed(&key)?.pem();
            let issuer = Issuer::new(params, key);
            Ok::<_, rcgen::Error>(Self { pem, issuer })
        })();
        made.expect("an authority is made of random numbers alone")
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate of these hosts or addresses, valid for 90 days.
    #[must_use]
    pub fn certify(&self, hosts: &[&str]) -> Certificate {
        self.certify_until(hosts, SystemTime::now() + VALID_FOR)
    }

    /// The same, valid until then, and for 90 days before.
    ///
    /// # Panics
    ///
    /// When a host is no name for a certificate.
    #[must_use]
    pub fn certify_until(&self, hosts: &[&str], expires_at: SystemTime) -> Certificate {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let made = (|| {
            let mut params = CertificateParams::new(hosts)?;
            params.not_before = (expires_at - VALID_FOR).into();
            params.not_after = expires_at.into();
            let key = KeyPair::generate()?;
            let signed = params.signed_by(&key, &self.issuer)?;
            Ok::<_, rcgen::Error>(Certificate {
                pem: signed.pem(),
                key: key.serialize_pem(),
            })
        })();
        made.expect("each host is a name or an address")
    }
}

impl Certificate {
    /// Writes `<name>.pem` and `<name>.key`, each in the place of the former one at once.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn write(&self, folder: &Path, name: &str) -> std::io::Result<CertificateFiles> {
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        for (path, text) in [(&files.certificate, &self.pem), (&files.key, &self.key)] {
            let new = path.with_extension("new");
            std::fs::write(&new, text)?;
            std::fs::rename(&new, path)?;
        }
        Ok(files)
    }
}
