//! What the driver is told about processors beyond what the dispatcher has to know.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;

use super::access::ProcessorAccess;
use crate::answer::Definite;
use crate::policy::Policy;
use crate::template::Template;

/// How old a connection to a processor gets if nothing else is asked for.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);
/// How long a request may take if nothing else is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    /// What it is shown, and whom to trust there.
    pub access: ProcessorAccess,
    /// No request begins on an older connection: so a new address of its name is used.
    pub connection_age_max: Duration,
    /// What it takes of each payment, in hundredths of a percent.
    pub cost_basis_points: u32,
    /// How long a request may take. The policy's lease has to be longer.
    pub timeout: Duration,
    /// Which server errors mean that nothing was recorded.
    pub definite: Vec<Definite>,
    /// How it is spoken to.
    pub template: Template,
    /// The path of its health report below the URL.
    pub health_path: String,
}

impl ProcessorConfig {
    /// One of the default template that promises nothing, with the default of every other setting.
    #[must_use]
    pub fn new(url: ProcessorUrl) -> Self {
        let template = Template::default();
        Self {
            url,
            access: ProcessorAccess::default(),
            connection_age_max: CONNECTION_AGE_MAX,
            cost_basis_points: 0,
            timeout: TIMEOUT,
            definite: Vec::new(),
            health_path: template.health_path().unwrap_or("none").to_owned(),
            template,
        }
    }
}

/// Where a processor is: `http[s]://host[:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorUrl {
    /// `host:port`, the value of `Host` and where to connect.
    pub(crate) authority: String,
    pub(crate) connect_to: String,
    /// The path that all others come after, without a slash at its end.
    pub(crate) base_path: String,
    /// Whom its certificate has to be of; `None` without TLS.
    pub(crate) server_name: Option<ServerName<'static>>,
}

/// Why a text is no URL of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a processor's URL is https://host[:port][/path] or http://…, without user, query or fragment"
)]
pub struct UrlInvalid;

impl FromStr for ProcessorUrl {
    type Err = UrlInvalid;

    fn from_str(text: &str) -> Result<Self, UrlInvalid> {
        let uri: hyper::Uri = text.parse().map_err(|_| UrlInvalid)?;
        let authority = uri.authority().ok_or(UrlInvalid)?.as_str();
        let (is_https, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            Some(_) | None => return Err(UrlInvalid),
        };
        if uri.query().is_some() || authority.contains('@') || text.contains('#') {
            return Err(UrlInvalid);
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or(UrlInvalid)?;
        let mut url = Self {
            authority: authority.to_owned(),
            connect_to: format!("{host}:{}", uri.port_u16().unwrap_or(default_port)),
            base_path: uri.path().trim_end_matches('/').to_owned(),
            server_name: None,
        };
        if is_https {
            let name = ServerName::try_from(url.host().to_owned());
            url.server_name = Some(name.map_err(|_| UrlInvalid)?);
        }
        Ok(url)
    }
}

impl ProcessorUrl {
    /// Whether requests are encrypted.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.server_name.is_some()
    }

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
        let scheme = if self.is_https() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_one_form() {
        let url: ProcessorUrl = "http://localhost:8001/api/".parse().unwrap();
        assert_eq!(url.to_string(), "http://localhost:8001/api");
        assert_eq!(url.connect_to, "localhost:8001");
        let url: ProcessorUrl = "http://[::1]".parse().unwrap();
        assert_eq!((&*url.connect_to, url.host()), ("[::1]:80", "::1"));
        assert!(!url.is_https());
        let url: ProcessorUrl = "https://pay.example/v2".parse().unwrap();
        assert_eq!(
            (&*url.connect_to, url.is_https()),
            ("pay.example:443", true)
        );
        assert_eq!(url.to_string(), "https://pay.example/v2");
        let url: ProcessorUrl = "https://[::1]:8443".parse().unwrap();
        assert_eq!(url.server_name, Some(ServerName::try_from("::1").unwrap()));
        for bad in [
            "",
            "localhost:8001",
            "https://a_b!",
            "https://",
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
