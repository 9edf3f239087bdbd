//! The database's URL understood: what it carries is honoured, or refused by name.
//!
//! The library below reads `postgres://…` and `key=value …`, and knows most parameters. Beside them:
//!
//! | parameter | what becomes of it |
//! |---|---|
//! | `sslrootcert`, `sslmode=verify-…` | see [`crate::tls`] |
//! | `application_name`, `fallback_application_name` | the name of the connections; `lastro` without one |
//! | `connect_timeout` | in place of the options' bound for one attempt at one host |
//! | `target_session_attrs` | `primary` is `read-write`, `standby` is `read-only`, `prefer-standby` is `any` |
//! | `options` | sent with ours, unless they set what is ours to set |
//! | `keepalives_count` | what the library calls `keepalives_retries` |
//! | `gssencmode`, `client_encoding`, `sslcompression` | taken where they ask for what is so anyway |

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::PostgresOpenError;

/// After how long without a word the kernel asks whether the other end is there, how often, and how
/// often it asks: unless the URL says something else.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);
/// How long what was sent may stay unacknowledged before the connection counts as lost.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// One of the hosts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Option<Host>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

/// How a server's certificate is verified where there is an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// It is signed by the authority, and of this host.
    Full,
    /// It is signed by the authority.
    Authority,
}

/// A URL understood: where to connect, how, and what to verify by.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) authority: Option<PathBuf>,
    /// What `sslmode=verify-…` asks for.
    pub(crate) verification: Option<Verification>,
    /// The name of connections without one in the URL.
    fallback_name: Option<String>,
}

impl Address {
    /// Reads a URL; the authority's file, if there is one, goes before the URL's.
    pub(crate) fn of(url: &str, authority: Option<&Path>) -> Result<Self, PostgresOpenError> {
        let (start, parameters, divider) = split(url)?;
        let mut address = Self {
            config: Config::new(),
            endpoints: Vec::new(),
            authority: authority.map(Path::to_owned),
            verification: None,
            fallback_name: None,
        };
        let mut kept = Vec::new();
        for parameter in parameters {
            kept.extend(address.take(parameter)?);
        }
        let text = start + &kept.join(divider);
        address.config = text.parse().map_err(PostgresOpenError::Url)?;
        address.endpoints = endpoints(&address.config)?;
        address.keep_alive();
        Ok(address)
    }

    /// Understands what the library below does not; gives back what it does.
    fn take(&mut self, parameter: Parameter) -> Result<Option<String>, PostgresOpenError> {
        let Parameter { key, value, raw } = parameter;
        let refused = |why: &str| {
            Err(PostgresOpenError::Parameter(format!(
                "{key}={value}: {why}"
            )))
        };
        match (key.as_str(), value.as_str()) {
            ("sslrootcert", "system") => {
                return refused(
                    "name the file of the system's certificates, such as \
                     /etc/ssl/certs/ca-certificates.crt",
                );
            }
            ("sslrootcert", file) => {
                self.authority.get_or_insert_with(|| PathBuf::from(file));
            }
            ("sslmode", "verify-ca") => self.verification = Some(Verification::Authority),
            ("sslmode", "verify-full") => self.verification = Some(Verification::Full),
            ("target_session_attrs", "primary") => return Ok(Some(raw.with("read-write"))),
            ("target_session_attrs", "standby") => return Ok(Some(raw.with("read-only"))),
            ("target_session_attrs", "prefer-standby") => return Ok(Some(raw.with("any"))),
            ("keepalives_count", count) => {
                return Ok(Some(raw.with_key("keepalives_retries", count)));
            }
            ("fallback_application_name", name) => self.fallback_name = Some(name.to_owned()),
            ("gssencmode", "disable" | "prefer") | ("sslcompression", _) => {}
            ("gssencmode", _) => return refused("GSSAPI is not supported"),
            ("client_encoding", encoding) => {
                let encoding = encoding.to_ascii_lowercase();
                if !["auto", "utf8", "utf-8", "unicode"].contains(&encoding.as_str()) {
                    return refused("Lastro speaks UTF-8");
                }
            }
            _ => return Ok(Some(raw.0)),
        }
        Ok(None)
    }

    fn keep_alive(&mut self) {
        let (idle, interval, retries) = KEEPALIVE;
        let config = &mut self.config;
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(idle);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(interval);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(retries);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(USER_TIMEOUT);
        }
    }

    /// What connections call themselves: as the URL says, else as it says to say else, else this.
    pub(crate) fn name(&self, own: &str) -> String {
        let name = self.config.get_application_name();
        let name = name.or(self.fallback_name.as_deref());
        name.unwrap_or(own).to_owned()
    }

    /// How one of the hosts is connected to, at this address where its name has several.
    pub(crate) fn config_of(&self, endpoint: &Endpoint, address: Option<IpAddr>) -> Config {
        let from = &self.config;
        let mut config = Config::new();
        match &endpoint.host {
            Some(Host::Tcp(name)) => drop(config.host(name)),
            Some(Host::Unix(path)) => drop(config.host_path(path)),
            None => {}
        }
        if let Some(address) = address.or(endpoint.address) {
            config.hostaddr(address);
        }
        if let Some(user) = from.get_user() {
            config.user(user);
        }
        if let Some(password) = from.get_password() {
            config.password(password);
        }
        if let Some(name) = from.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = from.get_options() {
            config.options(options);
        }
        if let Some(name) = from.get_application_name() {
            config.application_name(name);
        }
        if let Some(timeout) = from.get_tcp_user_timeout() {
            config.tcp_user_timeout(*timeout);
        }
        if let Some(interval) = from.get_keepalives_interval() {
            config.keepalives_interval(interval);
        }
        if let Some(retries) = from.get_keepalives_retries() {
            config.keepalives_retries(retries);
        }
        // As with the database's own tools: what goes over a socket of this machine is not encrypted.
        let is_local = matches!(endpoint.host, Some(Host::Unix(_)));
        config
            .port(endpoint.port)
            .keepalives(from.get_keepalives())
            .keepalives_idle(from.get_keepalives_idle())
            .ssl_negotiation(from.get_ssl_negotiation())
            .ssl_mode(match is_local {
                true => SslMode::Disable,
                false => from.get_ssl_mode(),
            })
            .channel_binding(from.get_channel_binding())
            .target_session_attrs(from.get_target_session_attrs());
        config
    }
}

impl Endpoint {
    /// As a person would write it.
    pub(crate) fn place(&self) -> String {
        match (&self.host, self.address) {
            (Some(Host::Tcp(name)), _) => format!("{name}:{}", self.port),
            (Some(Host::Unix(path)), _) => format!("{}:{}", path.display(), self.port),
            (None, Some(address)) => format!("{address}:{}", self.port),
            (None, None) => self.port.to_string(),
        }
    }
}

/// The hosts, paired with their addresses and ports as the library below pairs them.
fn endpoints(config: &Config) -> Result<Vec<Endpoint>, PostgresOpenError> {
    let refused = |why: &str| Err(PostgresOpenError::Parameter(why.to_owned()));
    let (hosts, addresses, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return refused("it names no host");
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return refused("it names as many addresses (hostaddr) as hosts, or none");
    }
    if ports.len() > 1 && ports.len() != count {
        return refused("it names one port, or as many as hosts");
    }
    let endpoint = |index| Endpoint {
        host: hosts.get(index).cloned(),
        address: addresses.get(index).copied(),
        port: *ports.get(index).or(ports.first()).unwrap_or(&5432),
    };
    Ok((0..count).map(endpoint).collect())
}

/// A parameter as it was written.
struct Raw(String);

impl Raw {
    /// The same parameter with a value that needs no quotes.
    fn with(&self, value: &str) -> String {
        let key = self.0.split_once('=').map_or("", |(key, _)| key);
        format!("{key}={value}")
    }

    /// Another one, with a value that may.
    fn with_key(&self, key: &str, value: &str) -> String {
        match self.0.split_once('=') {
            Some((_, raw)) => format!("{key}={raw}"),
            None => format!("{key}={value}"),
        }
    }
}

struct Parameter {
    key: String,
    value: String,
    raw: Raw,
}

type Split<'a> = (String, Vec<Parameter>, &'static str);

fn split(url: &str) -> Result<Split<'_>, PostgresOpenError> {
    let is_url = ["postgres://", "postgresql://"];
    if !is_url.iter().any(|prefix| url.starts_with(prefix)) {
        return Ok((String::new(), words(url)?, " "));
    }
    // A password may hold a question mark: parameters begin behind it.
    let behind_password = url.find('@').unwrap_or(0);
    let Some(at) = url[behind_password..].find('?') else {
        return Ok((url.to_owned(), Vec::new(), "&"));
    };
    let (start, parameters) = url.split_at(behind_password + at + 1);
    let parameters = parameters.split('&').filter(|it| !it.is_empty());
    let parameters = parameters.map(|raw| {
        let (key, value) = raw.split_once('=').unwrap_or((raw, ""));
        Parameter {
            key: decoded(key),
            value: decoded(value),
            raw: Raw(raw.to_owned()),
        }
    });
    Ok((start.to_owned(), parameters.collect(), "&"))
}

/// `key=value key = 'a value' …`: blanks divide, quotes hold together, a backslash takes what follows
/// as it is.
fn words(text: &str) -> Result<Vec<Parameter>, PostgresOpenError> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((key, behind)) = rest.split_once('=') else {
            return Err(PostgresOpenError::Parameter(format!(
                "{} has no value",
                rest.trim()
            )));
        };
        let behind = behind.trim_start();
        let quoted = behind.strip_prefix('\'');
        let mut value = String::new();
        let mut left = quoted.unwrap_or(behind).chars();
        let mut is_ended = quoted.is_none();
        let mut end = left.as_str();
        while let Some(next) = left.next() {
            match next {
                '\\' => value.extend(left.next()),
                '\'' if quoted.is_some() => {
                    is_ended = true;
                    end = left.as_str();
                    break;
                }
                blank if quoted.is_none() && blank.is_whitespace() => break,
                other => value.push(other),
            }
            end = left.as_str();
        }
        let key = key.trim();
        if !is_ended {
            return Err(PostgresOpenError::Parameter(format!(
                "{key}: the quote is not closed"
            )));
        }
        let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
        parameters.push(Parameter {
            key: key.to_owned(),
            raw: Raw(format!("{key}='{escaped}'")),
            value,
        });
        rest = end.trim_start();
    }
    Ok(parameters)
}

/// `%2F` and the like in a URL's parameter.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Address, PostgresOpenError> {
        Address::of(url, None)
    }

    #[test]
    fn what_the_library_below_does_not_know_is_understood_here() {
        let url = "postgres://me@db/bank?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&\
                   connect_timeout=3&gssencmode=disable&client_encoding=UTF8&keepalives_count=7&\
                   application_name=mine&target_session_attrs=primary";
        let address = of(url).unwrap();
        assert_eq!(address.authority, Some("/etc/ca.pem".into()));
        assert_eq!(address.verification, Some(Verification::Full));
        let config = &address.config;
        assert_eq!(config.get_dbname(), Some("bank"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(config.get_keepalives_retries(), Some(7));
        assert_eq!(address.name("lastro"), "mine");
        let words = "host=db sslrootcert=ca.pem sslmode=require fallback_application_name=mine";
        let address = of(words).unwrap();
        assert_eq!(address.authority, Some("ca.pem".into()));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(address.name("lastro"), "mine");
        assert_eq!(of("host=db").unwrap().name("lastro"), "lastro");
    }

    #[test]
    fn passwords_stay_as_they_are() {
        for (url, password) in [
            ("host=db password='a  b   c' user=me", "a  b   c"),
            ("host=db password = 'it\\'s \\\\' user=me", "it's \\"),
            ("host=db password=a\\ b://c user=me", "a b://c"),
            ("postgres://me:a%20%20b@db/x?sslmode=disable", "a  b"),
            (
                "postgres://me:a?sslmode=b&&c@db/x?sslmode=disable",
                "a?sslmode=b&&c",
            ),
        ] {
            let address = of(url).unwrap();
            let found = address.config.get_password();
            assert_eq!(found, Some(password.as_bytes()), "{url}");
            assert_eq!(address.config.get_user(), Some("me"), "{url}");
            assert_eq!(address.endpoints[0].place(), "db:5432", "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (url, word) in [
            ("postgres://db/x?sslmode=maybe", "sslmode"),
            ("postgres://db/x?sslrootcert=system", "sslrootcert"),
            ("postgres://db/x?gssencmode=require", "gssencmode"),
            ("postgres://db/x?client_encoding=LATIN1", "client_encoding"),
            ("postgres://db/x?sslcert=me.crt", "sslcert"),
            ("host=db password='open", "password"),
            ("host=db nonsense", "nonsense"),
            ("dbname=x", "no host"),
            ("host=a,b,c port=1,2", "port"),
        ] {
            let refused = of(url).unwrap_err();
            let source = std::error::Error::source(&refused).map(ToString::to_string);
            let said = format!("{refused} {source:?}");
            let mut causes = String::new();
            let mut cause = std::error::Error::source(&refused);
            while let Some(error) = cause {
                causes += &error.to_string();
                cause = error.source();
            }
            assert!((said + &causes).contains(word), "{url}: {causes}");
        }
    }

    #[test]
    fn every_host_is_connected_to_as_the_url_says() {
        let address = of("postgres://me:p@one:1,two,[::1]:3/x?sslmode=require").unwrap();
        let places: Vec<_> = address.endpoints.iter().map(Endpoint::place).collect();
        assert_eq!(places, ["one:1", "two:5432", "::1:3"]);
        let config = address.config_of(&address.endpoints[1], "10.0.0.2".parse().ok());
        assert_eq!(config.get_hosts(), [Host::Tcp("two".to_owned())]);
        assert_eq!(config.get_hostaddrs().len(), 1);
        assert_eq!(config.get_ports(), [5432]);
        assert_eq!(config.get_password(), Some(&b"p"[..]));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(config.get_tcp_user_timeout(), Some(&USER_TIMEOUT));
    }
}
