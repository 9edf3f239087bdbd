//! The feed, beside what the used ids of transfers have: the same records, and none is missing.

use std::collections::HashMap;

use ledger::{Event, TransferKind, UsedId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Auditor;
use super::pages::Pages;
use crate::codec::{decode, uuid};
use crate::error::PostgresOpenError;

const EVENTS: &str = "SELECT position, records FROM lastro.events ORDER BY position";

const RECORDS: &str = "
    SELECT transfer_id, record FROM lastro.transfers WHERE transfer_id = ANY ($1)";

const IS_WHOLE: &str = "SELECT feed_is_whole FROM lastro.ledger";

/// What an event recorded under an id of a transfer.
struct Recorded<'a> {
    position: i64,
    id: Uuid,
    /// `None` where who decided it is kept elsewhere.
    record: Option<&'a [u8]>,
}

impl Auditor<'_> {
    pub(super) async fn feed(&mut self) -> Result<(), PostgresOpenError> {
        let mut pages = Pages::open(&self.transaction, "events", EVENTS).await?;
        let mut in_feed: u64 = 0;
        loop {
            let rows = pages.next(&self.transaction, self.progress).await?;
            if rows.is_empty() {
                break;
            }
            in_feed += self.compare_events(&rows).await?;
        }
        let row = self.transaction.query_one(IS_WHOLE, &[]).await?;
        if row.try_get("feed_is_whole")? {
            let recorded = self.recorded_count;
            self.findings.check(recorded == in_feed, "events", || {
                format!("the feed has {in_feed} records of transfers, and there are {recorded}")
            });
        }
        Ok(())
    }

    /// Compares the events of a page, and returns how many of them recorded something under an id of a transfer.
    async fn compare_events(&mut self, rows: &[Row]) -> Result<u64, PostgresOpenError> {
        let mut in_feed = Vec::new();
        for row in rows {
            let position: i64 = row.try_get("position")?;
            let Ok(records) = decode::<Vec<&[u8]>>(row.try_get("records")?) else {
                self.findings
                    .add(format!("events {position}"), "the row cannot be read");
                continue;
            };
            for record in records {
                let Ok(event) = decode::<Event>(record) else {
                    self.findings
                        .add(format!("events {position}"), "a record cannot be read");
                    continue;
                };
                if let Some((id, is_whole)) = recorded_under(&event) {
                    in_feed.push(Recorded {
                        position,
                        id,
                        record: is_whole.then_some(record),
                    });
                }
            }
        }
        let ids: Vec<Uuid> = in_feed.iter().map(|recorded| recorded.id).collect();
        let rows = self.transaction.query(RECORDS, &[&ids]).await?;
        let mut records: HashMap<Uuid, &[u8]> = HashMap::with_capacity(rows.len());
        for row in &rows {
            records.insert(row.try_get("transfer_id")?, row.try_get("record")?);
        }
        for recorded in &in_feed {
            let Recorded { position, id, .. } = recorded;
            let kept = records.get(id);
            let is_same = kept.is_some_and(|kept| recorded.record.is_none_or(|own| own == *kept));
            self.findings
                .check(is_same, format!("events {position}"), || {
                    format!("transfer {id} has another record, or none")
                });
        }
        Ok(in_feed.len() as u64)
    }
}

/// The id of a transfer that the event is the last to record something under, and whether that is the event itself.
fn recorded_under(event: &Event) -> Option<(Uuid, bool)> {
    let (id, is_whole) = match event {
        Event::Transfer(transfer) if transfer.kind == TransferKind::Expire => return None,
        Event::Transfer(transfer) | Event::PaymentSettled { transfer, .. } => (transfer.id, true),
        Event::PaymentResolved(resolved) => (resolved.transfer.as_ref()?.id, false),
        Event::Refused { command, .. } => match command.used_id()? {
            UsedId::Transfer(id) => (id, true),
            UsedId::Payment(_) => return None,
        },
        Event::AccountOpened { .. }
        | Event::LimitChanged { .. }
        | Event::AccountClosed { .. }
        | Event::FreezeChanged { .. }
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::Batch(_) => return None,
    };
    Some((uuid(id.to_u128()), is_whole))
}
