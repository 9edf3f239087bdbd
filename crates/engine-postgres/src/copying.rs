//! A database is served, or a ledger is copied into it: never both.
//!
//! Every connection of a node holds [`LOCK`] shared for as long as it lives, and a node has one from
//! its start on; a copy holds it alone. Of a copy that was killed the row in `lastro.copy` is left, and
//! where that is, no node gets a connection either.

use deadpool_postgres::ClientWrapper;
use ledger::LedgerId;
use tokio_postgres::Client;

use crate::connect::Session;
use crate::error::{ConnectError, Failure, PostgresOpenError};
use crate::options::PostgresOptions;
use crate::pool::connect;

/// The advisory lock of those who use the ledger in a database.
const LOCK: i64 = 0x6c61_7374_726f_0002;

/// Not asked for while a copy holds the lock: what a query sees may be from before its locks.
const SERVE: &str = "SELECT pg_try_advisory_lock_shared($1)";
const IS_UNFINISHED: &str = "SELECT EXISTS (SELECT FROM lastro.copy)";

const HOLDERS: &str = "
    SELECT pid, coalesce(host(client_addr), 'this host') AS host, application_name AS name
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = $1::bigint >> 32 AND objid::bigint = $1::bigint & 4294967295
    ORDER BY pid";

/// Takes the lock as a node's connection.
pub(crate) async fn serve(client: &ClientWrapper) -> Result<(), ConnectError> {
    let row = client.query_one(SERVE, &[&LOCK]).await?;
    let is_served: bool = row.try_get(0)?;
    // Behind the lock: the copy that had it before has ended, well or not.
    if is_served && !client.query_one(IS_UNFINISHED, &[]).await?.try_get(0)? {
        return Ok(());
    }
    Err(ConnectError::Copied)
}

/// Takes the lock as a copy, or says by whom the database is used. It is held until the session ends.
pub(crate) async fn hold(
    url: &str,
    options: &PostgresOptions,
) -> Result<Session, PostgresOpenError> {
    let session = connect(url, options).await?;
    let row = session.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]);
    if row.await?.try_get(0)? {
        return Ok(session);
    }
    let mut by = Vec::new();
    for row in session.query(HOLDERS, &[&LOCK]).await? {
        let pid: i32 = row.try_get("pid")?;
        let (host, name): (&str, &str) = (row.try_get("host")?, row.try_get("name")?);
        by.push(format!("{name} on {host} (process {pid} of the database)"));
    }
    if by.is_empty() {
        by.push("a node that has just left it".to_owned());
    }
    Err(PostgresOpenError::InUse { by: by.join(", ") })
}

/// The ledger of which there is an unfinished copy in this database, and how many of its events.
pub(crate) async fn under_way(client: &Client) -> Result<Option<(LedgerId, u64)>, Failure> {
    let row = "SELECT ledger_id, events_count FROM lastro.copy";
    let Some(row) = client.query_opt(row, &[]).await? else {
        return Ok(None);
    };
    let ledger_id: uuid::Uuid = row.try_get("ledger_id")?;
    let events_count: i64 = row.try_get("events_count")?;
    let events_count = u64::try_from(events_count);
    let events_count = events_count.map_err(|_| Failure::Damaged("the place of a copy"))?;
    Ok(Some((
        LedgerId::from_bytes(ledger_id.into_bytes()),
        events_count,
    )))
}
