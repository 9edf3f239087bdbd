//! Whether a copy of another ledger into this database is not finished.

use tokio_postgres::Client;

use crate::error::Failure;

/// The journal that is being copied into this database, and how many of its events are there.
pub(crate) async fn under_way(client: &Client) -> Result<Option<(String, u64)>, Failure> {
    let row = "SELECT journal_id, events_count FROM lastro.copy";
    let Some(row) = client.query_opt(row, &[]).await? else {
        return Ok(None);
    };
    let events_count: i64 = row.try_get("events_count")?;
    let events_count = u64::try_from(events_count);
    let events_count = events_count.map_err(|_| Failure::Damaged("the place of a copy"))?;
    Ok(Some((row.try_get("journal_id")?, events_count)))
}
