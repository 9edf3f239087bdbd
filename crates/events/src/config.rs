//! Endpoints as they are configured.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use crate::addresses::{AddressRefused, check_literal, literal};
use crate::queue::Policy;

/// The longest name of an endpoint, in characters.
const NAME_LENGTH_MAX: usize = 32;

/// The name of an endpoint: 1 to 32 characters of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointName(String);

/// The text is no name of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name of a webhook endpoint: use 1 to 32 characters of A-Z a-z 0-9 _ -")]
pub struct EndpointNameInvalid(String);

impl FromStr for EndpointName {
    type Err = EndpointNameInvalid;

    fn from_str(text: &str) -> Result<Self, EndpointNameInvalid> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        match (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_of_name) {
            true => Ok(Self(text.to_owned())),
            false => Err(EndpointNameInvalid(text.to_owned())),
        }
    }
}

impl EndpointName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where events are sent: `https://host[:port][/path][?query]`, or `http://`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a text is no URL for webhooks. It quotes nothing of the URL but its host, since a path can have a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum UrlInvalid {
    /// It has another form.
    #[error(
        "the URL of a webhook is https://host[:port][/path][?query] or http://…, without user, password and fragment"
    )]
    Form,
    /// It names an address that may not be used.
    #[error("{}", .0)]
    Address(String),
}

impl From<AddressRefused> for UrlInvalid {
    fn from(refused: AddressRefused) -> Self {
        Self::Address(refused.to_string())
    }
}

impl WebhookUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// If it has another form, or names a private address and that is not allowed.
    pub fn new(text: &str, allows_private: bool) -> Result<Self, UrlInvalid> {
        let url: Url = text.parse().map_err(|_| UrlInvalid::Form)?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(UrlInvalid::Form)?;
        let is_of_form = ["https", "http"].contains(&url.scheme())
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if !is_of_form {
            return Err(UrlInvalid::Form);
        }
        if !allows_private {
            check_literal(host)?;
        }
        Ok(Self(url))
    }

    /// The host, without the brackets of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.host_as_written();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it leads to this machine alone, as far as the URL says.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host_as_written();
        host == "localhost" || literal(host).is_some_and(|address| address.is_loopback())
    }

    fn host_as_written(&self) -> &str {
        match self.0.host_str() {
            Some(host) => host,
            None => unreachable!("`new` takes no URL without a host"),
        }
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.0
    }
}

/// Without the query, in which others keep secrets.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        write!(f, "{shown}")?;
        match self.0.query() {
            Some(_) => f.write_str("?…"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a new endpoint begins. One that was there before goes on where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstFrom {
    /// With what is decided from its first start on.
    Latest,
    /// With the ledger's first event.
    Beginning,
}

/// A receiver of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Its name: in lists, in the log, in metrics, and of the file that its position is kept in.
    pub name: EndpointName,
    /// Where events are sent.
    pub url: WebhookUrl,
    /// Whether its addresses may be private.
    pub allows_private: bool,
    /// PEM file with the certificates of the authorities that may sign its certificate; the machine's where there is none.
    pub ca: Option<PathBuf>,
    /// Where it begins when it is new.
    pub first_from: FirstFrom,
    /// Whether nothing is sent to it, whatever operators say over the API.
    pub is_disabled: bool,
    /// How it is sent to.
    pub policy: Policy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_files_too() {
        for name in ["a", "orders-2", "A_b", &"x".repeat(32)] {
            assert_eq!(name.parse::<EndpointName>().unwrap().as_str(), name);
        }
        for wrong in ["", ".", "..", "a.b", "a/b", "a b", "é", &"x".repeat(33)] {
            assert!(wrong.parse::<EndpointName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn urls_are_of_http_and_name_no_private_address() {
        let read = |text: &str, allows_private| WebhookUrl::new(text, allows_private);
        for (text, shown) in [
            ("https://hooks.example.com", "https://hooks.example.com/"),
            ("http://8.8.8.8:81/a/b", "http://8.8.8.8:81/a/b"),
            ("https://a.b/c?token=s3cret", "https://a.b/c?…"),
        ] {
            let url = read(text, false).unwrap();
            assert_eq!(
                (url.to_string(), format!("{url:?}")),
                (shown.to_owned(), shown.to_owned())
            );
        }
        for wrong in [
            "",
            "hooks.example.com",
            "ftp://a.b",
            "unix:/run/a",
            "https://",
            "https://me@a.b",
            "https://me:s3cret@a.b",
            "https://a.b/#c",
        ] {
            let error = read(wrong, true).unwrap_err();
            assert!(matches!(error, UrlInvalid::Form), "{wrong}");
            assert!(!error.to_string().contains("s3cret"));
        }
        // However an address is written.
        for private in [
            "http://127.0.0.1",
            "http://127.1:80",
            "http://0x7f000001/",
            "http://2130706433",
            "http://017700000001",
            "https://[::1]:9",
            "https://[::ffff:10.0.0.1]",
            "http://169.254.169.254/latest",
        ] {
            let error = read(private, false).unwrap_err();
            assert!(matches!(error, UrlInvalid::Address(_)), "{private}");
            assert!(read(private, true).is_ok(), "{private}");
        }
        for (text, expected) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
            ("http://a.b", false),
        ] {
            assert_eq!(read(text, true).unwrap().is_loopback(), expected, "{text}");
        }
    }
}
