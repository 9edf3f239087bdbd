//! How to reach the server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Identity, Url};
use stdx::ErrorChain;

use crate::retry::Retry;

/// The time for a connection, the handshake of TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept without a request: shorter than the 75 s of the server and the 60 s of common proxies,
/// so that no request meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(50);
/// What a request over a Unix socket is addressed to.
const URL_OF_SOCKETS: &str = "http://localhost";
const USER_AGENT: &str = concat!("lastro-client/", env!("CARGO_PKG_VERSION"));

/// How to reach the server, and how long to ask.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The server's: `http://127.0.0.1:9999`, `https://host[:port][/path]`, or `unix:PATH` for a Unix socket.
    pub url: String,
    /// The key that the server asks for.
    pub key: Option<ClientKey>,
    /// PEM file with the authorities that may sign the server's certificate; without it those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// PEM file with a certificate and its private key, for a server that admits only callers with one.
    pub identity_file: Option<PathBuf>,
    /// How long to ask.
    pub retry: Retry,
}

impl ClientOptions {
    /// The server at this URL, without a key.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: None,
            ca_file: None,
            identity_file: None,
            retry: Retry::default(),
        }
    }

    /// The URL that requests begin with, and what sends them. Proxies of the environment are not used, and redirects
    /// are not followed: a request with a key goes to the server that was named, or nowhere.
    pub(crate) fn http(&self) -> Result<(Url, reqwest::Client), OptionsInvalid> {
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE)
            .connect_timeout(CONNECT_TIMEOUT.min(self.retry.attempt));
        let url = match self.url.strip_prefix("unix:") {
            Some(socket) => {
                builder = builder.unix_socket(Path::new(socket).to_owned());
                URL_OF_SOCKETS
            }
            None => &self.url,
        };
        if let Some(ClientKey(key)) = &self.key {
            let header = HeaderValue::try_from(format!("Bearer {key}"));
            let mut header = header.map_err(|_| OptionsInvalid::Key)?;
            header.set_sensitive(true);
            builder = builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, header)]));
        }
        if let Some(path) = &self.ca_file {
            let pem = read(path)?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(unusable(path))?;
            if authorities.is_empty() {
                return Err(OptionsInvalid::NoCertificate(path.clone()));
            }
            builder = builder.tls_built_in_root_certs(false);
            for authority in authorities {
                builder = builder.add_root_certificate(authority);
            }
        }
        if let Some(path) = &self.identity_file {
            let identity = Identity::from_pem(&read(path)?).map_err(unusable(path))?;
            builder = builder.identity(identity);
        }
        let http = builder.build();
        let http = http.map_err(|error| OptionsInvalid::Http(ErrorChain(&error).to_string()))?;
        Ok((
            base(url).ok_or_else(|| OptionsInvalid::Url(self.url.clone()))?,
            http,
        ))
    }
}

/// The URL of a server, if this is one.
fn base(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_fine = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_fine.then_some(url)
}

fn read(path: &Path) -> Result<Vec<u8>, OptionsInvalid> {
    std::fs::read(path).map_err(|error| OptionsInvalid::File {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn unusable(path: &Path) -> impl FnOnce(reqwest::Error) -> OptionsInvalid {
    |error| OptionsInvalid::File {
        path: path.to_owned(),
        why: ErrorChain(&error).to_string(),
    }
}

/// The secret of a key, which `lastro key create` printed. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey(String);

impl ClientKey {
    /// The key with this secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The key whose secret is the only line of this file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has another number of lines.
    pub fn from_file(path: &Path) -> Result<Self, OptionsInvalid> {
        let bytes = read(path)?;
        let text = String::from_utf8(bytes).map_err(|_| OptionsInvalid::Key)?;
        let mut lines = text.trim().lines();
        match (lines.next(), lines.next()) {
            (Some(secret), None) => Ok(Self::new(secret)),
            (None | Some(_), _) => Err(OptionsInvalid::Key),
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(…)")
    }
}

/// Why there is no client with these options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsInvalid {
    /// The URL is not one of a server.
    #[error("{0:?} is not the URL of a server: use http://host:port, https://host, or unix:PATH")]
    Url(String),
    /// The key cannot be sent.
    #[error("the key cannot be used: it is one line, as `lastro key create` printed it")]
    Key,
    /// A file cannot be used.
    #[error("cannot use {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of authorities has none.
    #[error("cannot use {}: it has no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// The HTTP library refuses them.
    #[error("cannot speak HTTP: {0}")]
    Http(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_taken_and_others_are_not() {
        for url in [
            "http://127.0.0.1:9999",
            "https://bank.example/ledger/",
            "unix:/run/lastro.sock",
        ] {
            assert!(ClientOptions::new(url).http().is_ok(), "{url}");
        }
        for url in [
            "",
            "localhost:9999",
            "ftp://a",
            "http://u:p@a",
            "http://a?b",
            "http://a#b",
        ] {
            let error = ClientOptions::new(url).http().unwrap_err();
            assert_eq!(error, OptionsInvalid::Url(url.to_owned()));
        }
    }

    #[test]
    fn a_key_is_the_only_line_of_its_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();
        let key = ClientKey::from_file(&path).unwrap();
        assert_eq!(key, ClientKey::new("s3cret"));
        let options = ClientOptions {
            key: Some(key),
            ..ClientOptions::new("http://a")
        };
        assert!(!format!("{options:?}").contains("s3cret"));
        for text in ["", "a\nb\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(ClientKey::from_file(&path), Err(OptionsInvalid::Key));
        }
        assert!(ClientKey::from_file(Path::new("/nowhere")).is_err());
        let options = ClientOptions {
            key: Some(ClientKey::new("a\nb")),
            ..ClientOptions::new("http://a")
        };
        assert_eq!(options.http().unwrap_err(), OptionsInvalid::Key);
    }

    #[test]
    fn a_file_without_an_authority_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing").unwrap();
        let options = ClientOptions {
            ca_file: Some(path.clone()),
            ..ClientOptions::new("https://a")
        };
        assert_eq!(
            options.http().unwrap_err(),
            OptionsInvalid::NoCertificate(path)
        );
    }
}
