//! A database is served, or a ledger is copied into it: never both.
//!
//! Every connection of a node holds [`LOCK`] shared for as long as it lives, and a node has one from
//! its start on; a copy holds it alone. Of a copy that was killed the row in `lastro.copy` is left, and
//! where that is, no node gets a connection either.

use std::sync::OnceLock;

use deadpool_postgres::ClientWrapper;
use ledger::LedgerId;
use tokio_postgres::Client;

use crate::error::{ConnectError, Failure};

/// The advisory lock of those who use the ledger in a database.
pub(crate) const LOCK: i64 = 0x6c61_7374_726f_0002;

/// Not asked for while a copy holds the lock: what a query sees may be from before its locks.
const SERVE: &str = "SELECT pg_try_advisory_lock_shared($1)";
const LEDGER: &str = "SELECT id FROM lastro.ledger";
const IS_UNFINISHED: &str = "SELECT EXISTS (SELECT FROM lastro.copy)";

/// Takes the lock as a connection of a node that serves this ledger, or the one that is found first. What a
/// node has promised, such as the operations in its outbox, is for no other one.
pub(crate) async fn serve(
    client: &ClientWrapper,
    served: &OnceLock<LedgerId>,
) -> Result<(), ConnectError> {
    let row = client.query_one(SERVE, &[&LOCK]).await?;
    let is_served: bool = row.try_get(0)?;
    // Behind the lock: the copy that had it before has ended, well or not.
    if !is_served || client.query_one(IS_UNFINISHED, &[]).await?.try_get(0)? {
        return Err(ConnectError::Copied);
    }
    let found: uuid::Uuid = client.query_one(LEDGER, &[]).await?.try_get(0)?;
    let found = LedgerId::from_bytes(found.into_bytes());
    let served = *served.get_or_init(|| found);
    if served != found {
        return Err(ConnectError::OtherLedger { served, found });
    }
    Ok(())
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
