//! Where a load goes: a server on this machine, and only there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};

/// The server that a load drives: `http://` and a loopback address.
///
/// Loads are refused for any other host: what they do to a server that somebody uses, or that
/// somebody else owns, is an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    address: SocketAddr,
    authority: String,
    key: Option<Key>,
}

/// The secret that requests show, which nobody prints.
#[derive(Clone, PartialEq, Eq)]
struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Target {
    /// The target at an address, which must be a loopback one.
    pub fn at(address: SocketAddr) -> anyhow::Result<Self> {
        ensure!(
            address.ip().is_loopback(),
            "loads only go to loopback addresses (127.0.0.1, [::1], localhost), not to {address}"
        );
        Ok(Self {
            address,
            authority: address.to_string(),
            key: None,
        })
    }

    /// The same for callers who show this secret of a key.
    #[must_use]
    pub fn with_key(mut self, secret: Option<String>) -> Self {
        self.key = secret.map(Key);
        self
    }

    /// The address to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The header lines that every request to it has.
    #[must_use]
    pub fn head(&self) -> String {
        let host = format!("Host: {}\r\n", self.authority);
        match &self.key {
            None => host,
            Some(Key(secret)) => format!("{host}Authorization: Bearer {secret}\r\n"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.authority)
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    /// Reads `http://127.0.0.1:9999`; the scheme may be left out.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        ensure!(
            !text.starts_with("https://"),
            "{text}: loads go over plain HTTP"
        );
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(
            !authority.contains(['/', '?', '#', '@']),
            "{text}: a target is http://HOST:PORT and nothing more"
        );
        let (host, port) = split(authority);
        let port = match port {
            Some(port) => port
                .parse()
                .with_context(|| format!("{text}: {port:?} is no port"))?,
            None => 80,
        };
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => match host.trim_matches(['[', ']']).parse() {
                Ok(ip) => ip,
                Err(_) => bail!(
                    "{text}: loads only go to loopback addresses (127.0.0.1, [::1], localhost), \
                     not to {host:?}"
                ),
            },
        };
        Self::at(SocketAddr::new(ip, port))
    }
}

/// Host and port; the colons of a bare IPv6 address belong to the host.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn loopback_is_read() {
        for (text, expected) in [
            ("http://127.0.0.1:9999", "http://127.0.0.1:9999"),
            ("http://127.0.0.1:9999/", "http://127.0.0.1:9999"),
            ("127.0.0.7:80", "http://127.0.0.7:80"),
            ("http://localhost:1", "http://127.0.0.1:1"),
            ("localhost", "http://127.0.0.1:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn requests_show_the_key_and_nothing_else_does() {
        let target: Target = "127.0.0.1:1".parse().unwrap();
        assert_eq!(target.head(), "Host: 127.0.0.1:1\r\n");
        let target = target.with_key(Some("lastro_1".to_owned()));
        let expected = "Host: 127.0.0.1:1\r\nAuthorization: Bearer lastro_1\r\n";
        assert_eq!(target.head(), expected);
        assert!(!format!("{target:?} {target}").contains("lastro_1"));
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, expected) in [
            ("http://10.0.0.1:9999", "loopback"),
            ("http://0.0.0.0:9999", "loopback"),
            ("http://example.com", "loopback"),
            ("http://[2001:db8::1]:80", "loopback"),
            ("https://127.0.0.1", "plain HTTP"),
            ("http://127.0.0.1:9999/path", "nothing more"),
            ("http://user@127.0.0.1", "nothing more"),
            ("http://127.0.0.1:port", "no port"),
            ("http://127.0.0.1:99999", "no port"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{text}: {error:#}");
        }
    }
}
