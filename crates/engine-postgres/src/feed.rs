//! The feed of what was decided: pages of the events' table, up to where no open transaction can fill one in.
//!
//! A position is the place of an event with a hash of it, of the event's record and of the ledger's id. One of another
//! ledger is refused, one that was never given, and one of an event that a restored database has not got: also when
//! another event has its number by then.

use std::time::{Duration, Instant};

use ledger::{
    EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, LedgerId, PlacedEvent,
    Unavailable,
};
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::{decode, decode_event};
use crate::error::Failure;
use crate::horizon::Way;
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

/// Both of them, for a look at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [PAGE, NEWEST];

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
    /// Before the first event: rows begin at 1.
    const BEGINNING: Self = Self { row: 0, index: 0 };

    /// The position behind the event that has this record.
    fn position(self, ledger_id: LedgerId, record: &[u8]) -> EventPosition {
        let mut bytes = [0; EventPosition::BYTES];
        bytes[..ROW_BYTES].copy_from_slice(&self.row.to_be_bytes());
        bytes[ROW_BYTES..PLACE_BYTES].copy_from_slice(&self.index.to_be_bytes());
        let mut hash = blake3::Hasher::new_derive_key("lastro 2026 postgres position of an event");
        hash.update(&ledger_id.to_bytes());
        hash.update(&bytes[..PLACE_BYTES]);
        hash.update(record);
        hash.finalize_xof().fill(&mut bytes[PLACE_BYTES..]);
        EventPosition::from_bytes(bytes)
    }

    /// The place that a position tells; whether it is one that was given shows the event there.
    fn told(position: EventPosition) -> Option<Self> {
        let bytes = position.to_bytes();
        let (row, rest) = bytes.split_first_chunk()?;
        let (index, _) = rest.split_first_chunk()?;
        Some(Self {
            row: i64::from_be_bytes(*row),
            index: u32::from_be_bytes(*index),
        })
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
struct Begin {
    place: FeedPlace,
    position: EventPosition,
}

/// What is behind a position.
enum Behind {
    Events(Vec<PlacedEvent>),
    /// The position is not one that this ledger gave, or gave for what it has now.
    Foreign,
}

/// The newest event up to a row.
const NEWEST: &str = "
    SELECT position, records FROM lastro.events
    WHERE position <= $1 ORDER BY position DESC LIMIT 1";

impl Store {
    /// A page of the feed. Where it has none yet it waits as the query says.
    pub(crate) async fn events(
        &self,
        query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        let beginning = FeedPlace::BEGINNING.position(self.ledger_id, &[]);
        let after = match query.from {
            EventsFrom::Beginning => Some(beginning),
            EventsFrom::After(position) => Some(position),
            EventsFrom::Now => None,
        };
        if let Some(position) = after {
            // What was seen before is enough for who is behind it, unless there is nothing: numbers can be missing.
            let Some(place) = FeedPlace::told(position) else {
                return Ok(None);
            };
            let begin = Begin { place, position };
            let at_hand = self.horizon.last_end();
            match self.behind(begin, at_hand, &query, deadline).await? {
                Behind::Events(events) if !events.is_empty() => {
                    return Ok(Some(page(events, begin)));
                }
                Behind::Events(_) | Behind::Foreign => {}
            }
        }
        let wait_until = query.wait_until.map(|until| until.min(deadline));
        let (mut end, position) = match after {
            Some(position) => (self.feed_end(deadline).await?, position),
            None => {
                let end = self.known_end(deadline).await?;
                let newest = self.newest(end, deadline).await?;
                (end, newest.unwrap_or(beginning))
            }
        };
        let Some(place) = FeedPlace::told(position) else {
            return Ok(None);
        };
        let begin = Begin { place, position };
        if place.row > end && !self.was_drawn(place.row, deadline).await? {
            return Ok(None);
        }
        loop {
            let Behind::Events(events) = self.behind(begin, end, &query, deadline).await? else {
                return Ok(None);
            };
            let waits = wait_until.is_some_and(|until| Instant::now() + PAUSE < until);
            if !events.is_empty() || !waits {
                return Ok(Some(page(events, begin)));
            }
            // Nothing is asked of the table until there is more.
            let before = end;
            while end == before && wait_until.is_some_and(|until| Instant::now() + PAUSE < until) {
                tokio::time::sleep(PAUSE).await;
                end = self.feed_end(deadline).await?;
            }
        }
    }

    /// The events behind a position, up to a row, as far as the query asks for them.
    async fn behind(
        &self,
        begin: Begin,
        end: i64,
        query: &EventQuery,
        deadline: Instant,
    ) -> Result<Behind, Unavailable> {
        let Begin { place, position } = begin;
        if place.row > end {
            // Nobody knows yet whether it is one: it was drawn, and something before it is still open.
            return Ok(Behind::Events(Vec::new()));
        }
        let limit = query.limit.min(EVENTS_PAGE_MAX);
        // The row of the position may have nothing more.
        let rows_max = at_most(limit as u64 + 1);
        let bytes_max = at_most(query.bytes_max as u64);
        let parameters: [&(dyn ToSql + Sync); 4] = [&place.row, &end, &rows_max, &bytes_max];
        self.ask(PAGE, &parameters, deadline, |rows| {
            let beginning = FeedPlace::BEGINNING.position(self.ledger_id, &[]);
            let mut is_own = position == beginning;
            let (mut events, mut bytes) = (Vec::new(), 0);
            for row in rows {
                let number: i64 = row.try_get("position")?;
                let records: Vec<&[u8]> = decode(row.try_get("records")?)?;
                for (index, record) in (0..).zip(records) {
                    let at = FeedPlace { row: number, index };
                    if at <= place {
                        is_own |= at == place && at.position(self.ledger_id, record) == position;
                        continue;
                    }
                    if !is_own {
                        return Ok(Behind::Foreign);
                    }
                    bytes += record.len();
                    let fits = events.is_empty() || bytes <= query.bytes_max;
                    if events.len() >= limit || !fits {
                        return Ok(Behind::Events(events));
                    }
                    events.push(PlacedEvent {
                        position: at.position(self.ledger_id, record),
                        event: decode_event(record)?,
                    });
                }
            }
            Ok(match is_own {
                true => Behind::Events(events),
                false => Behind::Foreign,
            })
        })
        .await
    }

    /// The position of the newest event up to a row; `None` where there is none.
    async fn newest(
        &self,
        end: i64,
        deadline: Instant,
    ) -> Result<Option<EventPosition>, Unavailable> {
        self.ask(NEWEST, &[&end], deadline, |rows| {
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let records: Vec<&[u8]> = decode(row.try_get("records")?)?;
            let last = (0..).zip(records).last();
            let (index, record) = last.ok_or(Failure::Damaged("a row of the feed"))?;
            let row = row.try_get("position")?;
            let place = FeedPlace { row, index };
            Ok(Some(place.position(self.ledger_id, record)))
        })
        .await
    }

    fn feed_way(&self) -> Way<'_> {
        Way {
            pool: &self.pool,
            standby: &self.standby,
        }
    }

    /// Where the feed ends by now, at the earliest: before the first event while nothing is known of it.
    async fn feed_end(&self, deadline: Instant) -> Result<i64, Unavailable> {
        let end = self.look_for_end(deadline).await?;
        Ok(end.unwrap_or(FeedPlace::BEGINNING.row))
    }

    /// The same for who begins there: waits until it is known. Who began before the first event would be shown all.
    async fn known_end(&self, deadline: Instant) -> Result<i64, Unavailable> {
        loop {
            if let Some(end) = self.look_for_end(deadline).await? {
                return Ok(end);
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Unavailable::Timeout);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look_for_end(&self, deadline: Instant) -> Result<Option<i64>, Unavailable> {
        let asked_at = Instant::now();
        self.until(deadline, || {
            self.horizon.end(self.feed_way(), asked_at, deadline)
        })
        .await
    }

    async fn was_drawn(&self, number: i64, deadline: Instant) -> Result<bool, Unavailable> {
        self.until(deadline, || {
            self.horizon.was_drawn(number, self.feed_way(), deadline)
        })
        .await
    }
}

/// A page of these events.
fn page(events: Vec<PlacedEvent>, begin: Begin) -> EventPage {
    let last = events.last().map(|placed| placed.position);
    let next = last.unwrap_or(begin.position);
    EventPage { events, next }
}
