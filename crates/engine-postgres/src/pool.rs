//! Connections to the database: a bounded pool, with bounds for every statement.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use futures_util::future::try_join_all;
use tokio_postgres::Client;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::error::{Failure, OpenError};
use crate::tls::Address;
use crate::{load, write};

/// How the engine is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many connections there are at most.
    pub connections_max: usize,
    /// How many calls may be under way at once; what arrives meanwhile goes together in the next.
    pub calls_max: usize,
    /// About how many bytes of commands may wait; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long one statement may take, waiting for locks included.
    pub statement_timeout: Duration,
    /// A file with the certificates of those who may vouch for the database; connections are
    /// encrypted then, and the database's certificate is verified.
    pub authority: Option<PathBuf>,
    /// Whether the database is migrated first; else it has to be at the right migration.
    pub migrate: bool,
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
        }
    }
}

/// How the database of this URL is connected to. Of several hosts it is the one that takes writes,
/// which is found again after a failover.
fn address(url: &str, options: &Options) -> Result<Address, OpenError> {
    let mut address = Address::of(url, options.authority.as_deref())?;
    let config = &mut address.config;
    let settings = settings(config.get_options(), options);
    config
        .application_name("lastro")
        .connect_timeout(options.connect_timeout)
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .options(settings);
    Ok(address)
}

/// One connection beside the pool, for what comes before its statements can be prepared.
pub(crate) async fn connect(url: &str, options: &Options) -> Result<Client, OpenError> {
    connect_to(address(url, options)?).await
}

/// A connection that reads everything: from a standby too, for as long as it takes, by the planner's
/// choice.
///
/// # Errors
///
/// When there is none.
pub async fn connect_to_verify(url: &str, options: &Options) -> Result<Client, OpenError> {
    let mut address = Address::of(url, options.authority.as_deref())?;
    let config = &mut address.config;
    let given = config.get_options().unwrap_or_default();
    let settings = format!("{given} -c statement_timeout=0");
    config
        .application_name("lastro verify")
        .connect_timeout(options.connect_timeout)
        .options(settings);
    connect_to(address).await
}

async fn connect_to(mut address: Address) -> Result<Client, OpenError> {
    let connector = address.connector()?;
    let (client, connection) = address.config.connect(connector).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
    Ok(client)
}

/// The pool of connections to the database of this URL.
pub(crate) fn pool(url: &str, options: &Options) -> Result<Pool, OpenError> {
    let manager = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let mut address = address(url, options)?;
    let connector = address.connector()?;
    let manager = Manager::from_config(address.config, connector, manager);
    let pool = Pool::builder(manager)
        .max_size(options.connections_max.max(1))
        .post_create(Hook::async_fn(|client, _| Box::pin(prepare(client))))
        .runtime(Runtime::Tokio1)
        .build()?;
    Ok(pool)
}

/// Prepares every statement of a call, all in one round trip: no lock is held meanwhile.
async fn prepare(client: &ClientWrapper) -> Result<(), HookError> {
    let statements = load::STATEMENTS.iter().chain(&write::STATEMENTS);
    let prepared = statements.map(|statement| client.prepare_cached(statement));
    try_join_all(prepared).await.map_err(HookError::Backend)?;
    Ok(())
}

/// Where the database of this URL is, without a password: what a start may print.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn place(url: &str) -> Result<String, OpenError> {
    let config = Address::of(url, None)?.config;
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
    let database = config.get_dbname().unwrap_or_default();
    Ok(format!(
        "{}:{}/{database}",
        hosts.join(","),
        ports.join(",")
    ))
}

/// The hosts of this URL; those of Unix sockets are paths.
///
/// # Errors
///
/// When it is no URL of a database.
pub fn hosts(url: &str) -> Result<Vec<String>, OpenError> {
    let config = Address::of(url, None)?.config;
    let name = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    Ok(config.get_hosts().iter().map(name).collect())
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
    Ok(is_required || address.authority.is_some() || address.must_verify)
}

fn settings(given: Option<&str>, options: &Options) -> String {
    let bound = options.statement_timeout.as_millis();
    let given = given.unwrap_or_default();
    format!(
        "{given} -c statement_timeout={bound} -c idle_in_transaction_session_timeout={bound} \
         -c default_transaction_isolation=read\\ committed -c jit=off \
         -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off \
         -c enable_mergejoin=off"
    )
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
    pub fn client(&self) -> &Object {
        match &self.client {
            Some(client) => client,
            None => unreachable!("a lease has its client until it ends"),
        }
    }

    /// Gives the connection back: it is in no transaction.
    pub fn done(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
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
        assert_eq!(place(url).unwrap(), "one,two:5432,5433/bank");
        assert!(place("postgres://me:secret@[::1").is_err());
    }
}
