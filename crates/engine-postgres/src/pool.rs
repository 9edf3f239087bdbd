//! Connections to the database: a bounded pool, with bounds for every statement.

use deadpool_postgres::Runtime;
use tokio_postgres::config::{Host, SslMode};

use crate::address::{Address, Endpoint};
use crate::connect::{Connector, Session};
use crate::error::PostgresOpenError;
use crate::lease::Pool;
use crate::opened_for::OpenedFor;
use crate::options::PostgresOptions;
use crate::{load, write};

/// One connection beside the pool, for what comes before its statements can be prepared. Of several
/// hosts it is to the one that takes writes, which is found again after a failover.
pub(crate) async fn connect(
    url: &str,
    options: &PostgresOptions,
) -> Result<Session, PostgresOpenError> {
    let connector = Connector::of_engine(url, options, Vec::new())?;
    Ok(connector.connect().await?)
}

/// A connection that reads everything: from a standby too, for as long as it takes, by the planner's
/// choice.
///
/// # Errors
///
/// When there is none.
pub async fn connect_to_verify(
    url: &str,
    options: &PostgresOptions,
) -> Result<Session, PostgresOpenError> {
    let connector = Connector::of_verification(url, options)?;
    Ok(connector.connect().await?)
}

/// The pool of connections to the database of this URL. Every statement of a call is prepared when a
/// connection is made: no lock is held meanwhile.
pub(crate) fn pool(
    url: &str,
    options: &PostgresOptions,
    opened_for: OpenedFor,
) -> Result<Pool, PostgresOpenError> {
    let statements = load::STATEMENTS.iter().chain(&write::STATEMENTS);
    let connector = Connector::of_engine(url, options, statements.copied().collect())?;
    let connector = match opened_for {
        OpenedFor::Engine | OpenedFor::Behind => connector.serving(),
        OpenedFor::Copy => connector,
    };
    let pool = Pool::builder(connector)
        .max_size(options.connections_max.max(1))
        .runtime(Runtime::Tokio1)
        .build()?;
    Ok(pool)
}

/// Where the database of this URL is, without a password: what a start may print.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn place(url: &str) -> Result<String, PostgresOpenError> {
    let address = Address::of(url, None)?;
    let places: Vec<String> = address.endpoints.iter().map(Endpoint::place).collect();
    let database = address.config.get_dbname().unwrap_or_default();
    Ok(format!("{}/{database}", places.join(",")))
}

/// The hosts of this URL, or their addresses where it names these; those of Unix sockets are paths.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn hosts(url: &str) -> Result<Vec<String>, PostgresOpenError> {
    let address = Address::of(url, None)?;
    let name = |endpoint: &Endpoint| match (&endpoint.address, &endpoint.host) {
        (Some(address), _) => Some(address.to_string()),
        (None, Some(Host::Tcp(name))) => Some(name.clone()),
        (None, Some(Host::Unix(path))) => Some(path.display().to_string()),
        (None, None) => None,
    };
    Ok(address.endpoints.iter().filter_map(name).collect())
}

/// Whether connections are encrypted or there are none; `prefer`, the default, does not say so.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn is_encrypted(url: &str, options: &PostgresOptions) -> Result<bool, PostgresOpenError> {
    let address = Address::of(url, options.authority.as_deref())?;
    let is_required = match address.config.get_ssl_mode() {
        SslMode::Disable | SslMode::Prefer => false,
        // The modes beyond it, which other versions of the library may have, ask for more.
        _ => true,
    };
    Ok(is_required || address.authority.is_some() || address.verification.is_some())
}

/// Whether this URL has a password in it.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn has_password(url: &str) -> Result<bool, PostgresOpenError> {
    let address = Address::of(url, None)?;
    Ok(address.config.get_password().is_some())
}

#[cfg(test)]
mod tests {
    use super::{has_password, place};

    #[test]
    fn a_place_tells_no_password() {
        let url = "postgres://me:secret@one:5432,two:5433/bank";
        assert_eq!(place(url).unwrap(), "one:5432,two:5433/bank");
        assert!(has_password(url).unwrap());
        assert!(has_password("host=one password=secret").unwrap());
        assert!(!has_password("postgres://me@one/bank").unwrap());
        assert!(place("postgres://me:secret@[::1").is_err());
    }
}
