//! Where to listen: `host:port` or `unix:PATH`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `host:port`, such as `127.0.0.1:9999`, `[::1]:0` or `localhost:8080`.
    Tcp {
        /// A host name or an IP address, without the brackets of IPv6.
        host: String,
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// `unix:PATH`, a Unix socket.
    Unix(PathBuf),
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address to listen on: {reason}; use `host:port` or `unix:PATH`")]
pub struct AddressInvalid {
    text: String,
    reason: &'static str,
}

impl ListenAddress {
    /// Whether only this machine can reach the address: a loopback IP, `localhost` or a Unix
    /// socket. Other host names are not looked up: they count as reachable from outside.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
        }
    }

    /// The socket's path, where it is a Unix socket.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp { .. } => None,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressInvalid;

    fn from_str(text: &str) -> Result<Self, AddressInvalid> {
        parse(text).map_err(|reason| AddressInvalid {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<ListenAddress, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err("the path is missing");
        }
        return Ok(ListenAddress::Unix(PathBuf::from(path)));
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    let digits_only = port.bytes().all(|b| b.is_ascii_digit());
    let port = match port.parse() {
        Ok(port) if digits_only => port,
        _ => return Err("the port is not a number from 0 to 65535"),
    };
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(ip) if ip.parse::<std::net::Ipv6Addr>().is_ok() => ip,
        Some(_) => return Err("what is in brackets is not an IPv6 address"),
        None if host.is_empty() => return Err("the host is missing"),
        None if host.contains(':') => return Err("an IPv6 address stands in brackets"),
        None if host.contains(|c: char| c.is_whitespace() || c == '/') => {
            return Err("the host is not a valid name");
        }
        None => host,
    };
    Ok(ListenAddress::Tcp {
        host: host.to_owned(),
        port,
    })
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_are_written() {
        for text in [
            "127.0.0.1:9999",
            "0.0.0.0:0",
            "[::1]:8080",
            "localhost:1",
            "unix:/run/lastro.sock",
            "unix:relative.sock",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, reason) in [
            ("", "port is missing"),
            ("localhost", "port is missing"),
            (":80", "host is missing"),
            ("localhost:", "not a number"),
            ("localhost:+1", "not a number"),
            ("localhost:65536", "not a number"),
            ("::1:80", "brackets"),
            ("[127.0.0.1]:80", "not an IPv6"),
            ("http://localhost:80", "brackets"),
            ("a b:80", "not a valid name"),
            ("unix:", "path is missing"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_what_only_this_machine_reaches() {
        for (text, expected) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost:1", true),
            ("LOCALHOST:1", true),
            ("unix:/tmp/x", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
            ("localhost.example.com:1", false),
            ("bank:1", false),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.is_loopback(), expected, "{text}");
        }
    }
}
