//! What is added to lists, and what an older ledger is given of them.

use std::time::{Duration, Instant};

use ledger::{Event, ListName, ListPlace};
use stdx::ErrorChain;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::codec::{decode, time, uuid};
use crate::error::PostgresOpenError;

/// No bound of a role's ends it in the middle.
const ENDLESS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

/// Columns of what is added to lists.
#[derive(Debug, Default)]
pub(crate) struct ListRows {
    pub(crate) list: Vec<String>,
    pub(crate) listed_at: Vec<i64>,
    pub(crate) id: Vec<Uuid>,
}

impl ListRows {
    /// Adds what the event does.
    pub(crate) fn take_in(&mut self, event: &Event) {
        event.lists(|name, place| self.push(name, place));
    }

    /// Adds the transfer of a row of used ids of transfers, if it has one.
    pub(crate) fn take_in_transfer(&mut self, record: &Event) {
        if let Event::Transfer(transfer) | Event::PaymentSettled { transfer, .. } = record {
            let place = ListPlace::of_transfer(transfer);
            transfer.lists(|name| self.push(name, place));
        }
    }

    /// Adds the payment of a row of used ids of payments, if it has one, as it stands.
    pub(crate) fn take_in_payment(&mut self, record: &Event) {
        if let Event::PaymentAccepted(payment) = record {
            let place = ListPlace::of_payment(payment);
            payment.lists(|name| self.push(name, place));
        }
    }

    fn push(&mut self, name: ListName<'_>, place: ListPlace) {
        self.list.push(text(name));
        self.listed_at.push(time(place.at));
        self.id.push(uuid(place.id));
    }
}

/// A list's name as the database has it.
pub(crate) fn text(name: ListName<'_>) -> String {
    let (kind, of) = name.parts();
    match of {
        "" => kind.to_owned(),
        of => format!("{kind} {of}"),
    }
}

pub(crate) const LISTED: &str = "
    INSERT INTO lastro.listed (list, listed_at, id)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[])";

/// Likewise, of what may be listed already.
const LISTED_AGAIN: &str = "
    INSERT INTO lastro.listed (list, listed_at, id)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[])
    ON CONFLICT DO NOTHING";

const TRANSFERS: &str = "
    SELECT transfer_id AS id, record FROM lastro.transfers
    WHERE transfer_id >= $1 ORDER BY transfer_id LIMIT 5000";
const PAYMENTS: &str = "
    SELECT payment_id AS id, record FROM lastro.payments
    WHERE payment_id >= $1 ORDER BY payment_id LIMIT 5000";

/// How long it takes until it is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Puts all transfers and payments that there are into their lists, five thousand at a time, each time in a transaction
/// of its own. What is listed already stays as it is.
///
/// # Errors
///
/// When the database does not answer.
pub(crate) async fn fill(client: &mut Client) -> Result<(), PostgresOpenError> {
    for (table, statement) in [("transfers", TRANSFERS), ("payments", PAYMENTS)] {
        let (mut rows_count, mut told) = (0_u64, Instant::now());
        let mut next = Some(Uuid::nil());
        while let Some(from) = next {
            let transaction = client.transaction().await?;
            transaction.batch_execute(ENDLESS).await?;
            let rows = transaction.query(statement, &[&from]).await?;
            let listed = listed(table, &rows)?;
            let ListRows {
                list,
                listed_at,
                id,
            } = &listed;
            transaction
                .execute(LISTED_AGAIN, &[list, listed_at, id])
                .await?;
            transaction.commit().await?;
            rows_count += rows.len() as u64;
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                tracing::info!(
                    table,
                    rows_count,
                    "lists are filled: {rows_count} {table} so far"
                );
            }
            next = match rows.last() {
                Some(row) => {
                    let last: Uuid = row.try_get("id")?;
                    last.as_u128().checked_add(1).map(Uuid::from_u128)
                }
                None => None,
            };
        }
    }
    Ok(())
}

/// What these rows have. One that cannot be read is left out: who asks for it is told that it is damaged, and so does
/// `lastro verify`.
fn listed(table: &str, rows: &[Row]) -> Result<ListRows, PostgresOpenError> {
    let mut listed = ListRows::default();
    for row in rows {
        let id: Uuid = row.try_get("id")?;
        match decode(row.try_get("record")?) {
            Ok(record) if table == "payments" => listed.take_in_payment(&record),
            Ok(record) => listed.take_in_transfer(&record),
            Err(error) => tracing::warn!(
                table,
                %id,
                error = %ErrorChain(&error),
                "the record {id} in lastro.{table} cannot be read, and is in no list"
            ),
        }
    }
    Ok(listed)
}
