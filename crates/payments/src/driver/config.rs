//! What the driver is told about processors beyond what the dispatcher has to know.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::answer::Definite;
use crate::policy::Policy;

/// How payments are dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the dispatcher chooses.
    pub policy: Policy,
    /// How each of the policy's processors is reached, in the same order.
    pub processors: Vec<ProcessorConfig>,
}

/// How a processor is reached, and what its answers mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorConfig {
    /// Where it is.
    pub url: ProcessorUrl,
    /// What it takes of each payment, in hundredths of a percent.
    pub cost_basis_points: u32,
    /// How long a request may take. The policy's lease has to be longer.
    pub timeout: Duration,
    /// Which server errors mean that nothing was recorded.
    pub definite: Vec<Definite>,
    /// The path of its health report below the URL.
    pub health_path: String,
}

/// Where a processor is: `http://host[:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorUrl {
    /// `host:port`, the value of `Host` and where to connect.
    pub(crate) authority: String,
    pub(crate) connect_to: String,
    /// The path that all others come after, without a slash at its end.
    pub(crate) base_path: String,
}

/// Why a text is no URL of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a processor's URL is http://host[:port][/path], without user, query or fragment")]
pub struct UrlInvalid;

impl FromStr for ProcessorUrl {
    type Err = UrlInvalid;

    fn from_str(text: &str) -> Result<Self, UrlInvalid> {
        let uri: hyper::Uri = text.parse().map_err(|_| UrlInvalid)?;
        let authority = uri.authority().ok_or(UrlInvalid)?.as_str();
        let is_plain = uri.scheme_str() == Some("http")
            && uri.query().is_none()
            && !authority.contains('@')
            && !text.contains('#');
        let host = uri.host().filter(|host| is_plain && !host.is_empty());
        let host = host.ok_or(UrlInvalid)?;
        Ok(Self {
            authority: authority.to_owned(),
            connect_to: format!("{host}:{}", uri.port_u16().unwrap_or(80)),
            base_path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl ProcessorUrl {
    /// The host, without the brackets of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.connect_to.rsplit_once(':');
        let host = host.map_or(&*self.connect_to, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for ProcessorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_http() {
        let url: ProcessorUrl = "http://localhost:8001/api/".parse().unwrap();
        assert_eq!(url.to_string(), "http://localhost:8001/api");
        assert_eq!(url.connect_to, "localhost:8001");
        let url: ProcessorUrl = "http://[::1]".parse().unwrap();
        assert_eq!((&*url.connect_to, url.host()), ("[::1]:80", "::1"));
        for bad in [
            "",
            "localhost:8001",
            "https://localhost",
            "http://",
            "http://me@host",
            "http://host/?a=b",
            "http://host/#x",
            "ftp://host",
        ] {
            assert_eq!(bad.parse::<ProcessorUrl>(), Err(UrlInvalid), "{bad}");
        }
    }
}
