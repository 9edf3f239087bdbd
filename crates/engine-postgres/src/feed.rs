//! The feed of what was decided: pages of the events' table, up to where no open transaction can fill one in.
//!
//! A position is the number of an event with a hash of it and of the ledger's id, so that one of another ledger,
//! or one that was never given, is refused.

use std::time::{Duration, Instant};

use ledger::{
    EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, LedgerId, PlacedEvent,
    Unavailable,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::decode;
use crate::read::at_most;

/// A page, as far as its records come to so many bytes; it has at least one.
const PAGE: &str = "
    SELECT position, record FROM (
        SELECT position, record, sum(length(record)) OVER (ORDER BY position) - length(record) AS bytes
        FROM (
            SELECT position, record FROM lastro.events
            WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3
        ) rows
    ) sized WHERE bytes = 0 OR bytes + length(record) <= $4 ORDER BY position";

/// For a look at its plan.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 1] = [PAGE];

/// How long before who waits for an event looks again.
const PAUSE: Duration = Duration::from_millis(50);

const NUMBER_BYTES: usize = size_of::<i64>();

/// The position of an event of this number; 0 is before the first.
fn position(ledger_id: LedgerId, number: i64) -> EventPosition {
    let mut bytes = [0; EventPosition::BYTES];
    let mut hash = blake3::Hasher::new_derive_key("lastro 2026 postgres position of an event");
    hash.update(&ledger_id.to_bytes());
    hash.update(&number.to_be_bytes());
    bytes[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
    hash.finalize_xof().fill(&mut bytes[NUMBER_BYTES..]);
    EventPosition::from_bytes(bytes)
}

/// The number of a position that this ledger gave.
fn number(ledger_id: LedgerId, of: EventPosition) -> Option<i64> {
    let bytes = of.to_bytes();
    let (number, _) = bytes.split_first_chunk()?;
    let number = i64::from_be_bytes(*number);
    (position(ledger_id, number) == of).then_some(number)
}

impl Store {
    /// A page of the feed. Where it has none yet it waits as the query says.
    pub(crate) async fn events(
        &self,
        query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        let after = match query.from {
            EventsFrom::Beginning => Some(0),
            EventsFrom::After(position) => match number(self.ledger_id, position) {
                Some(number) => Some(number),
                None => return Ok(None),
            },
            EventsFrom::Now => None,
        };
        let wait_until = query.wait_until.map(|until| until.min(deadline));
        let mut end = match after {
            // What was seen before is enough for who is behind it.
            Some(after) if after < self.horizon.last_end() => self.horizon.last_end(),
            _ => self.feed_end(deadline).await?,
        };
        let after = after.unwrap_or(end);
        if after > end && !self.was_drawn(after, deadline).await? {
            return Ok(None);
        }
        loop {
            let events = match after < end {
                true => self.events_between(after, end, &query, deadline).await?,
                false => Vec::new(),
            };
            let waits = wait_until.is_some_and(|until| Instant::now() + PAUSE < until);
            if !events.is_empty() || !waits {
                let last = events.last().map(|placed| placed.position);
                let next = last.unwrap_or_else(|| position(self.ledger_id, after));
                return Ok(Some(EventPage { events, next }));
            }
            tokio::time::sleep(PAUSE).await;
            end = self.feed_end(deadline).await?;
        }
    }

    async fn events_between(
        &self,
        after: i64,
        end: i64,
        query: &EventQuery,
        deadline: Instant,
    ) -> Result<Vec<PlacedEvent>, Unavailable> {
        let limit = at_most(query.limit.min(EVENTS_PAGE_MAX) as u64);
        let bytes_max = at_most(query.bytes_max as u64);
        let parameters: [&(dyn ToSql + Sync); 4] = [&after, &end, &limit, &bytes_max];
        let placed = |row: &Row| {
            Ok(PlacedEvent {
                position: position(self.ledger_id, row.try_get("position")?),
                event: decode(row.try_get("record")?)?,
            })
        };
        self.ask(PAGE, &parameters, deadline, |rows| {
            rows.iter().map(placed).collect()
        })
        .await
    }

    /// Where the feed ends by now, at the earliest.
    async fn feed_end(&self, deadline: Instant) -> Result<i64, Unavailable> {
        let asked_at = Instant::now();
        self.until(deadline, || {
            self.horizon.end(&self.pool, asked_at, deadline)
        })
        .await
    }

    async fn was_drawn(&self, number: i64, deadline: Instant) -> Result<bool, Unavailable> {
        self.until(deadline, || {
            self.horizon.was_drawn(number, &self.pool, deadline)
        })
        .await
    }
}
