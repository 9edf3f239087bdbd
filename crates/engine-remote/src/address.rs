//! Where the ledger is: `host:port` or `unix:PATH`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a ledger node serves gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerAddress {
    /// `host:port`, such as `127.0.0.1:9980` or `ledger.example:9980`.
    Tcp {
        /// A host name or an IP address, without the brackets of IPv6.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:PATH`, a Unix socket.
    Unix(PathBuf),
}

/// Why a text is not the address of a ledger node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the address of a ledger node: use `host:port` or `unix:PATH`")]
pub struct AddressInvalid {
    text: String,
}

impl FromStr for LedgerAddress {
    type Err = AddressInvalid;

    fn from_str(text: &str) -> Result<Self, AddressInvalid> {
        parse(text).ok_or_else(|| AddressInvalid {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<LedgerAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| LedgerAddress::Unix(PathBuf::from(path)));
    }
    let (host, port) = text.rsplit_once(':')?;
    let digits_only = port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| digits_only && *port > 0)?;
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().ok().map(|_| ip)?,
        None => host,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let fits = !host.is_empty() && host.chars().all(is_name);
    let host = host.to_owned();
    fits.then_some(LedgerAddress::Tcp { host, port })
}

impl fmt::Display for LedgerAddress {
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
            "127.0.0.1:1",
            "[::1]:2",
            "ledger.example:65535",
            "unix:/run/x",
        ] {
            assert_eq!(text.parse::<LedgerAddress>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "x",
            "x:",
            "x:0",
            ":1",
            "x:+1",
            "x:65536",
            "unix:",
            "a b:1",
            "http://x:1",
        ] {
            assert!(text.parse::<LedgerAddress>().is_err(), "{text}");
        }
    }
}
