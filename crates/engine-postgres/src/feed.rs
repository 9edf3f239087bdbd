//! The feed of what was decided: pages of the events' table, up to where no open transaction can fill one in.
//!
//! A position is the number of an event with a hash of it and of the ledger's id, so that one of another ledger,
//! or one that was never given, is refused.

use std::time::{Duration, Instant};

use ledger::{
    EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, LedgerId, PlacedEvent,
    Unavailable,
};
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::decode;
use crate::read::at_most;

/// Rows behind a position, as far as they come to so many bytes; there is at least one where there is any. The row of
/// the position itself comes again, and does not count: the events of a row may be on two pages.
const PAGE: &str = "
    SELECT position, records FROM (
        SELECT position, records, sum(bytes) OVER (ORDER BY position) - bytes AS before
        FROM (
            SELECT position, records, CASE WHEN position > $1 THEN length(records) ELSE 0 END AS bytes
            FROM lastro.events
            WHERE position >= $1 AND position <= $2 ORDER BY position LIMIT $3
        ) rows
    ) sized WHERE before <= $4 ORDER BY position";

/// For a look at its plan.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 1] = [PAGE];

/// How long before who waits for an event looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// A place in the feed: right behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FeedPlace {
    /// The position of its row.
    row: i64,
    /// Which event of the row it is, from 0.
    index: u32,
}

const ROW_BYTES: usize = size_of::<i64>();
const PLACE_BYTES: usize = ROW_BYTES + size_of::<u32>();

impl FeedPlace {
    /// Before the first event.
    const BEGINNING: Self = Self { row: 0, index: 0 };

    /// Behind everything up to the end of a row.
    const fn behind_row(row: i64) -> Self {
        Self {
            row,
            index: u32::MAX,
        }
    }

    fn position(self, ledger_id: LedgerId) -> EventPosition {
        let mut bytes = [0; EventPosition::BYTES];
        bytes[..ROW_BYTES].copy_from_slice(&self.row.to_be_bytes());
        bytes[ROW_BYTES..PLACE_BYTES].copy_from_slice(&self.index.to_be_bytes());
        let mut hash = blake3::Hasher::new_derive_key("lastro 2026 postgres position of an event");
        hash.update(&ledger_id.to_bytes());
        hash.update(&bytes[..PLACE_BYTES]);
        hash.finalize_xof().fill(&mut bytes[PLACE_BYTES..]);
        EventPosition::from_bytes(bytes)
    }

    /// The place of a position that this ledger gave.
    fn of(position: EventPosition, ledger_id: LedgerId) -> Option<Self> {
        let bytes = position.to_bytes();
        let (row, rest) = bytes.split_first_chunk()?;
        let (index, _) = rest.split_first_chunk()?;
        let place = Self {
            row: i64::from_be_bytes(*row),
            index: u32::from_be_bytes(*index),
        };
        (place.position(ledger_id) == position).then_some(place)
    }
}

impl Store {
    /// A page of the feed. Where it has none yet it waits as the query says.
    pub(crate) async fn events(
        &self,
        query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        let after = match query.from {
            EventsFrom::Beginning => Some(FeedPlace::BEGINNING),
            EventsFrom::After(position) => match FeedPlace::of(position, self.ledger_id) {
                Some(place) => Some(place),
                None => return Ok(None),
            },
            EventsFrom::Now => None,
        };
        if let Some(after) = after {
            // What was seen before is enough for who is behind it, unless there is nothing: numbers can be missing.
            let at_hand = self.horizon.last_end();
            let events = self.events_between(after, at_hand, &query, deadline);
            let events = events.await?;
            if !events.is_empty() {
                return Ok(Some(self.page(events, after)));
            }
        }
        let wait_until = query.wait_until.map(|until| until.min(deadline));
        let mut end = self.feed_end(deadline).await?;
        let after = after.unwrap_or(FeedPlace::behind_row(end));
        if after.row > end && !self.was_drawn(after.row, deadline).await? {
            return Ok(None);
        }
        loop {
            let events = self.events_between(after, end, &query, deadline).await?;
            let waits = wait_until.is_some_and(|until| Instant::now() + PAUSE < until);
            if !events.is_empty() || !waits {
                return Ok(Some(self.page(events, after)));
            }
            // Nothing is asked of the table until there is more.
            let before = end;
            while end == before && wait_until.is_some_and(|until| Instant::now() + PAUSE < until) {
                tokio::time::sleep(PAUSE).await;
                end = self.feed_end(deadline).await?;
            }
        }
    }

    fn page(&self, events: Vec<PlacedEvent>, after: FeedPlace) -> EventPage {
        let last = events.last().map(|placed| placed.position);
        let next = last.unwrap_or_else(|| after.position(self.ledger_id));
        EventPage { events, next }
    }

    async fn events_between(
        &self,
        after: FeedPlace,
        end: i64,
        query: &EventQuery,
        deadline: Instant,
    ) -> Result<Vec<PlacedEvent>, Unavailable> {
        if after >= FeedPlace::behind_row(end) {
            return Ok(Vec::new());
        }
        let limit = query.limit.min(EVENTS_PAGE_MAX);
        // The row of the position may have nothing more.
        let rows_max = at_most(limit as u64 + 1);
        let bytes_max = at_most(query.bytes_max as u64);
        let parameters: [&(dyn ToSql + Sync); 4] = [&after.row, &end, &rows_max, &bytes_max];
        self.ask(PAGE, &parameters, deadline, |rows| {
            let mut page = Vec::new();
            let mut bytes = 0;
            for row in rows {
                let position: i64 = row.try_get("position")?;
                let records: Vec<&[u8]> = decode(row.try_get("records")?)?;
                for (index, record) in (0..).zip(records) {
                    let place = FeedPlace {
                        row: position,
                        index,
                    };
                    bytes += record.len();
                    let fits = page.len() < limit && (page.is_empty() || bytes <= query.bytes_max);
                    if place <= after {
                        bytes = 0;
                        continue;
                    }
                    if !fits {
                        return Ok(page);
                    }
                    page.push(PlacedEvent {
                        position: place.position(self.ledger_id),
                        event: decode(record)?,
                    });
                }
            }
            Ok(page)
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
