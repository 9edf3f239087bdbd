//! The lists: each transfer and each payment is in those that have it, in its place, and nothing else is in one.

use ledger::Event;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Auditor;
use crate::codec::decode;
use crate::error::PostgresOpenError;
use crate::listed::ListRows;

/// What should be listed and is not, the first few.
const MISSING: &str = "
    SELECT wanted.list, wanted.id
    FROM unnest($1::text[], $2::bigint[], $3::uuid[]) AS wanted (list, listed_at, id)
    LEFT JOIN lastro.listed ON listed.list = wanted.list
        AND listed.listed_at = wanted.listed_at AND listed.id = wanted.id
    WHERE listed.id IS NULL LIMIT 100";

/// What is listed and is not there, the first few.
const SURPLUS: &str = "
    SELECT list, id FROM lastro.listed
    WHERE NOT EXISTS (SELECT FROM lastro.transfers WHERE transfer_id = listed.id)
        AND NOT EXISTS (SELECT FROM lastro.payments WHERE payment_id = listed.id)
    LIMIT 100";

const COUNT: &str = "SELECT count(*) FROM lastro.listed";

impl Auditor<'_> {
    /// Checks that what the rows of a page have is listed.
    pub(super) async fn compare_listed(
        &mut self,
        rows: &[Row],
        take_in: impl Fn(&mut ListRows, &Event),
    ) -> Result<(), PostgresOpenError> {
        let mut listed = ListRows::default();
        for row in rows {
            // One that cannot be read is found elsewhere.
            if let Ok(record) = decode(row.try_get("record")?) {
                take_in(&mut listed, &record);
            }
        }
        let ListRows {
            list,
            listed_at,
            id,
        } = &listed;
        self.listed_made += id.len() as u64;
        let wanted: [&(dyn ToSql + Sync); 3] = [list, listed_at, id];
        let rows = self.transaction.query(MISSING, &wanted).await?;
        for row in &rows {
            let (list, id): (&str, Uuid) = (row.try_get("list")?, row.try_get("id")?);
            self.findings.add(
                format!("list {list}"),
                format!(
                    "{id} is not in it, in its place; after an upgrade, `lastro migrate --fill-lists` puts in what older nodes \
                     have left out"
                ),
            );
        }
        Ok(())
    }

    /// Checks, after all transfers and payments, that nothing else is listed.
    pub(super) async fn lists(&mut self) -> Result<(), PostgresOpenError> {
        let surplus = self.transaction.query(SURPLUS, &[]).await?;
        for row in &surplus {
            let (list, id): (&str, Uuid) = (row.try_get("list")?, row.try_get("id")?);
            self.findings.add(
                format!("list {list}"),
                format!("{id} is in it, and there is no such transfer or payment"),
            );
        }
        let count = self.transaction.query_one(COUNT, &[]).await?;
        let count = count.try_get::<_, i64>(0)?.cast_unsigned();
        let made = self.listed_made;
        self.findings.check(count == made, "lists", || {
            format!("{count} places are listed, and the transfers and payments have {made}")
        });
        Ok(())
    }
}
