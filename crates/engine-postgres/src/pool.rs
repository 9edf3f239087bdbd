//! Connections to the database: a bounded pool, with bounds for every statement.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deadpool::managed;
use deadpool_postgres::Runtime;
use ledger::ClockBounds;
use tokio_postgres::config::{Host, SslMode};

use crate::address::{Address, Endpoint};
use crate::connect::{Connector, Session};
use crate::error::{Failure, OpenError};
use crate::{load, write};

/// The connections of a node.
pub(crate) type Pool = managed::Pool<Connector>;
/// One of them, on loan.
pub(crate) type Object = managed::Object<Connector>;

/// How the engine is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many connections there are at most.
    pub connections_max: usize,
    /// How many calls may be under way at once; what arrives meanwhile goes together in the next.
    pub calls_max: usize,
    /// About how many bytes of commands may wait; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How long one attempt to connect to one host may take; the URL's `connect_timeout` goes before
    /// it.
    pub connect_timeout: Duration,
    /// How long one statement may take, waiting for locks included.
    pub statement_timeout: Duration,
    /// A file with the certificates of those who may vouch for the database; connections are
    /// encrypted then, and the database's certificate is verified.
    pub authority: Option<PathBuf>,
    /// Whether the database is migrated first; else it has to be at the right migration.
    pub migrate: bool,
    /// How much the database's clock is trusted.
    pub clock: ClockBounds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 15,
            calls_max: 1,
            queue_bytes_max: 64 << 20,
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(5),
            authority: None,
            migrate: true,
            clock: ClockBounds::default(),
        }
    }
}

/// One connection beside the pool, for what comes before its statements can be prepared. Of several
/// hosts it is to the one that takes writes, which is found again after a failover.
pub(crate) async fn connect(url: &str, options: &Options) -> Result<Session, OpenError> {
    let connector = Connector::of_engine(url, options, Vec::new())?;
    Ok(connector.connect().await?)
}

/// A connection that reads everything: from a standby too, for as long as it takes, by the planner's
/// choice.
///
/// # Errors
///
/// When there is none.
pub async fn connect_to_verify(url: &str, options: &Options) -> Result<Session, OpenError> {
    let connector = Connector::of_verification(url, options)?;
    Ok(connector.connect().await?)
}

/// The pool of connections to the database of this URL. Every statement of a call is prepared when a
/// connection is made: no lock is held meanwhile.
pub(crate) fn pool(url: &str, options: &Options) -> Result<Pool, OpenError> {
    let statements = load::STATEMENTS.iter().chain(&write::STATEMENTS);
    let connector = Connector::of_engine(url, options, statements.copied().collect())?;
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
pub fn place(url: &str) -> Result<String, OpenError> {
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
pub fn hosts(url: &str) -> Result<Vec<String>, OpenError> {
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
pub fn is_encrypted(url: &str, options: &Options) -> Result<bool, OpenError> {
    let address = Address::of(url, options.authority.as_deref())?;
    let is_required = match address.config.get_ssl_mode() {
        SslMode::Disable | SslMode::Prefer => false,
        // The modes beyond it, which other versions of the library may have, ask for more.
        _ => true,
    };
    Ok(is_required || address.authority.is_some() || address.verification.is_some())
}

/// A connection in use. One that is given up in the middle of its work is closed: nobody finds a
/// transaction of somebody else's in it.
pub struct Lease {
    client: Option<Object>,
}

impl Lease {
    pub(crate) async fn take(pool: &Pool, deadline: Instant) -> Result<Self, Failure> {
        let client = tokio::time::timeout_at(deadline.into(), pool.get())
            .await
            .map_err(|_| Failure::Late)??;
        Ok(Self {
            client: Some(client),
        })
    }

    /// The connection.
    pub fn client(&self) -> &Session {
        match &self.client {
            Some(client) => client,
            None => unreachable!("a lease has its client until it ends"),
        }
    }

    /// After a commit that the database has answered: whether it had waited for its standby, where it
    /// has to.
    ///
    /// # Errors
    ///
    /// When it had not: the outcome is as unknown as if there were no answer.
    pub fn committed(&self) -> Result<(), Failure> {
        match self.client().has_waited() {
            true => Ok(()),
            false => Err(Failure::CommitUnknown),
        }
    }

    /// Waits until all that was committed before is on the standby, where commits wait for one: what
    /// is seen there may be of a commit whose own wait ended early.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or did not wait.
    pub async fn settle(&self) -> Result<(), Failure> {
        let nothing = "SELECT pg_logical_emit_message(true, 'lastro', '')";
        self.client().batch_execute(nothing).await?;
        self.committed()
    }

    /// Gives the connection back: it is in no transaction.
    pub fn done(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            if let Some(pool) = Object::pool(&client) {
                pool.manager().doubt.doubt();
            }
            drop(Object::take(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_tells_no_password() {
        let url = "postgres://me:secret@one:5432,two:5433/bank";
        assert_eq!(place(url).unwrap(), "one:5432,two:5433/bank");
        assert!(place("postgres://me:secret@[::1").is_err());
    }
}
