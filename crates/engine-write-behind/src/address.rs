//! Where Redis is, by its URL: everything in it is honoured, or refused by name.
//!
//! | URL | what |
//! |---|---|
//! | `redis://user:password@host:port/3` | not encrypted; database number 3, also as `?db=3` |
//! | `rediss://…` | encrypted; the certificate has to be of this host, signed by the given authority or else by one that this machine trusts |
//! | `redis+unix:///path?db=3&user=…&pass=…` | a Unix socket |

use std::net::IpAddr;
use std::path::Path;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates, parse_redis_url,
};

use crate::error::WriteBehindOpenError;

/// What a URL may say after its `?`.
const OVER_TCP: [&str; 2] = ["db", "protocol"];
const OVER_UNIX: [&str; 4] = ["db", "protocol", "user", "pass"];

/// Where the Redis of this URL is, without a password: what a start may print.
///
/// # Errors
///
/// When it is no URL of a Redis.
pub fn place(url: &str) -> Result<String, WriteBehindOpenError> {
    let info = read(url)?;
    let number = info.redis_settings().db();
    let tls = match info.addr() {
        ConnectionAddr::TcpTls { .. } => " over TLS",
        _ => "",
    };
    Ok(format!("{}/{number}{tls}", info.addr()))
}

/// Whether what is said to the Redis of this URL can be read by others on the way: it is on another
/// machine, and the connection is not encrypted.
///
/// # Errors
///
/// When it is no URL of a Redis.
pub fn is_exposed(url: &str) -> Result<bool, WriteBehindOpenError> {
    Ok(match read(url)?.addr() {
        ConnectionAddr::Tcp(host, _) => !is_loopback(host),
        _ => false,
    })
}

/// Whether this URL has a password in it.
///
/// # Errors
///
/// When it is no URL of a Redis.
pub fn has_password(url: &str) -> Result<bool, WriteBehindOpenError> {
    Ok(read(url)?.redis_settings().password().is_some())
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// The client of this URL; the authority is a file with the certificates of those who may vouch for
/// Redis.
pub(crate) fn client(
    url: &str,
    authority: Option<&Path>,
    settings: redis::io::tcp::TcpSettings,
) -> Result<Client, WriteBehindOpenError> {
    let info = read(url)?.set_tcp_settings(settings);
    let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let Some(file) = authority else {
        return Ok(Client::open(info)?);
    };
    if !is_encrypted {
        return refuse(
            "a certificate authority is given, and the URL is not encrypted: use rediss://",
        );
    }
    let root_cert = std::fs::read(file).map_err(|error| {
        WriteBehindOpenError::Url(format!("cannot read {}: {error}", file.display()))
    })?;
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(root_cert),
    };
    Ok(Client::build_with_tls(info, certificates)?)
}

fn refuse<T>(why: &str) -> Result<T, WriteBehindOpenError> {
    Err(WriteBehindOpenError::Url(why.to_owned()))
}

/// Reads a URL. The library below overlooks what it does not know.
fn read(url: &str) -> Result<ConnectionInfo, WriteBehindOpenError> {
    let Some(parsed) = parse_redis_url(url) else {
        return refuse(
            "it has to be redis://host:port/number, rediss:// for TLS, or redis+unix:///path",
        );
    };
    if let Some(fragment) = parsed.fragment() {
        return Err(WriteBehindOpenError::Url(format!(
            "`#{fragment}` is not known; a Redis with a certificate of one's own is verified by the \
             authority that signed it"
        )));
    }
    let info = url.into_connection_info()?;
    let is_unix = matches!(info.addr(), ConnectionAddr::Unix(_));
    let known: &[&str] = if is_unix { &OVER_UNIX } else { &OVER_TCP };
    let mut number = None;
    for (name, value) in parsed.query_pairs() {
        if !known.contains(&&*name) {
            return Err(WriteBehindOpenError::Url(format!(
                "its parameter `{name}` is not known"
            )));
        }
        if name == "db" {
            let Ok(given) = value.parse::<u32>() else {
                return Err(WriteBehindOpenError::Url(format!(
                    "db={value} is not a database number"
                )));
            };
            number = Some(i64::from(given));
        }
    }
    let by_path = info.redis_settings().db();
    let has_path = !is_unix && !parsed.path().trim_matches('/').is_empty();
    match number {
        Some(number) if has_path && number != by_path => Err(WriteBehindOpenError::Url(format!(
            "it names two database numbers, {by_path} and {number}"
        ))),
        Some(number) => {
            let settings = info.redis_settings().clone().set_db(number);
            Ok(info.set_redis_settings(settings))
        }
        None => Ok(info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_number_is_honoured_wherever_it_stands() {
        for (url, said) in [
            ("redis://me:secret@one:7000/3", "one:7000/3"),
            ("redis://one", "one:6379/0"),
            ("redis://one?db=7", "one:6379/7"),
            ("redis://one/7?db=7", "one:6379/7"),
            ("rediss://one:7000/2", "one:7000/2 over TLS"),
            ("redis+unix:///run/r.sock?db=4", "/run/r.sock/4"),
        ] {
            assert_eq!(place(url).unwrap(), said);
        }
    }

    #[test]
    fn passwords_are_seen() {
        for (url, expected) in [
            ("redis://me:secret@one", true),
            ("redis://:secret@one", true),
            ("redis+unix:///run/r.sock?pass=secret", true),
            ("redis://one", false),
        ] {
            assert_eq!(has_password(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (url, says) in [
            ("http://one", "redis://host:port/number"),
            ("redis://one/7?db=3", "7 and 3"),
            ("redis://one?db=x", "db=x"),
            ("redis://one?db=-1", "db=-1"),
            ("redis://one?database=7", "`database`"),
            ("redis://one?timeout=3s", "`timeout`"),
            ("rediss://one#insecure", "#insecure"),
            ("redis://me:secret@one?user=me", "`user`"),
        ] {
            let error = place(url).unwrap_err().to_string();
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_unencrypted_is_exposed() {
        for (url, exposed) in [
            ("redis://127.0.0.1:7000", false),
            ("redis://[::1]", false),
            ("redis://localhost", false),
            ("redis+unix:///run/redis.sock", false),
            ("rediss://redis.bank.example", false),
            ("redis://redis.bank.example", true),
            ("redis://localhost.bank.example", true),
            ("redis://10.0.0.7", true),
        ] {
            assert_eq!(is_exposed(url).unwrap(), exposed, "{url}");
        }
    }

    #[test]
    fn an_authority_is_for_what_is_encrypted() {
        let settings = redis::io::tcp::TcpSettings::default;
        let asked = |url: &str| client(url, Some(Path::new("/no/such/file")), settings());
        let error = asked("redis://one").unwrap_err().to_string();
        assert!(error.contains("rediss://"), "{error}");
        let error = asked("rediss://one").unwrap_err().to_string();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
