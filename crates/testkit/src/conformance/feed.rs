//! The feed of events compared: from the beginning in pages, and from positions of earlier walks.

use ledger::{
    Event, EventPage, EventPosition, EventQuery, EventsFrom, PlacedEvent, TransferId, TransferKind,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Time;
use super::audit::unavailable;
use super::run::{Run, difference};

/// How many positions of earlier walks are gone on from.
const POSITIONS_SAMPLED: usize = 8;
const LIMITS: [usize; 6] = [1, 3, 7, 100, 999, 1_000];

impl Run<'_> {
    /// Compares the feed. Where the clocks are two, what expires by itself may do so between other events: then
    /// expiries are compared apart from the others, and in no order.
    pub(super) async fn compare_feed(&mut self) -> Result<(), String> {
        let expected: Vec<Event> = self.reference.read(|books| books.events().to_vec());
        if matches!(self.time(), Time::Real) {
            return self.compare_feed_in_parts(expected).await;
        }
        let mut places: Vec<EventPosition> = Vec::new();
        let mut from = EventsFrom::Beginning;
        loop {
            let page = self.page(from, 0).await?;
            let last = page.events.last().map(|placed| placed.position);
            if last.is_some_and(|last| last != page.next) {
                return Err(
                    "a page of events goes on elsewhere than behind its last event".to_owned(),
                );
            }
            check_events(&expected, places.len(), &page.events)?;
            places.extend(page.events.iter().map(|placed| placed.position));
            if page.events.is_empty() {
                break;
            }
            from = EventsFrom::After(page.next);
        }
        if places.len() != expected.len() {
            let (of, count) = (expected.len(), places.len());
            return Err(format!("the feed has {count} events of {of}"));
        }
        self.compare_from_known(&expected).await?;
        self.compare_from_now(places.last().copied()).await?;
        let all: Vec<_> = places.into_iter().zip(1..).collect();
        let sampled = all.choose_multiple(&mut self.rng, POSITIONS_SAMPLED);
        self.positions.extend(sampled.copied());
        Ok(())
    }

    async fn compare_feed_in_parts(&mut self, expected: Vec<Event>) -> Result<(), String> {
        let mut got = Vec::new();
        let mut from = EventsFrom::Beginning;
        loop {
            let page = self.page(from, 0).await?;
            if page.events.is_empty() {
                break;
            }
            from = EventsFrom::After(page.next);
            got.extend(page.events);
        }
        let last = got.last().map(|placed| placed.position);
        let (mut expired, expected) = expiries_apart(expected);
        let (mut expired_there, got) = expiries_apart(got.into_iter().map(|placed| placed.event));
        for (number, (expected, got)) in (1..).zip(expected.iter().zip(&got)) {
            if !self.times.are_same(expected, got) {
                let difference = difference(expected, got);
                return Err(format!(
                    "event {number} of the feed, but for expiries:\n{difference}"
                ));
            }
        }
        expired.sort_unstable();
        expired_there.sort_unstable();
        if (expected.len(), &expired) != (got.len(), &expired_there) {
            return Err(format!(
                "the feed has {} events and {} expiries, of {} and {}",
                got.len(),
                expired_there.len(),
                expected.len(),
                expired.len()
            ));
        }
        self.compare_from_now(last).await
    }

    /// A position stays what it was, whatever came later.
    async fn compare_from_known(&mut self, expected: &[Event]) -> Result<(), String> {
        let sampled = self
            .positions
            .choose_multiple(&mut self.rng, POSITIONS_SAMPLED);
        for (position, before) in sampled.copied().collect::<Vec<_>>() {
            let page = self.page(EventsFrom::After(position), 0).await?;
            check_events(expected, before, &page.events)?;
        }
        Ok(())
    }

    async fn compare_from_now(&mut self, last: Option<EventPosition>) -> Result<(), String> {
        // It need not be the last event's position, but nothing comes behind it either.
        let now = self.page(EventsFrom::Now, 1_000).await?;
        let behind = self.page(EventsFrom::After(now.next), 1_000).await?;
        if !now.events.is_empty() || !behind.events.is_empty() {
            return Err(format!("from now on:\n  {now:?}\nand then:\n  {behind:?}"));
        }
        if let Some(last) = last {
            let mut bytes = last.to_bytes();
            bytes[EventPosition::BYTES - 1] ^= 1;
            let query = self.query(EventsFrom::After(EventPosition::from_bytes(bytes)), 1);
            let answer = self.engine.events(query, self.deadline()).await;
            if answer != Ok(None) {
                return Err(format!(
                    "events from a position that was never given: {answer:?}"
                ));
            }
        }
        Ok(())
    }

    /// A page of so many events; of a number that is drawn where it is 0.
    async fn page(&mut self, from: EventsFrom, limit: usize) -> Result<EventPage, String> {
        let drawn = LIMITS.choose(&mut self.rng).copied();
        let limit = drawn.filter(|_| limit == 0).unwrap_or(limit);
        let query = self.query(from, limit);
        let answer = self.engine.events(query, self.deadline()).await;
        let page = answer.map_err(|e| unavailable("events", e))?;
        let page = page.ok_or_else(|| format!("a position was given and is refused: {from:?}"))?;
        if page.events.len() > limit {
            return Err(format!("{} events, limit {limit}", page.events.len()));
        }
        Ok(page)
    }

    fn query(&mut self, from: EventsFrom, limit: usize) -> EventQuery {
        EventQuery {
            from,
            limit,
            bytes_max: self.rng.random_range(0..64 << 10),
            wait_until: None,
        }
    }
}

/// The pending transfers that expired, and the other events in their order.
fn expiries_apart(events: impl IntoIterator<Item = Event>) -> (Vec<TransferId>, Vec<Event>) {
    let mut expired = Vec::new();
    let mut others = Vec::new();
    for event in events {
        match &event {
            Event::Transfer(transfer) if transfer.kind == TransferKind::Expire => {
                expired.push(transfer.id);
            }
            _ => others.push(event),
        }
    }
    (expired, others)
}

/// The events are those behind the first so many.
fn check_events(expected: &[Event], before: usize, got: &[PlacedEvent]) -> Result<(), String> {
    for (placed, index) in got.iter().zip(before..) {
        let expected = expected.get(index);
        if expected != Some(&placed.event) {
            let number = index + 1;
            return Err(format!(
                "event {number} of the feed:\n{}",
                difference(&expected, &placed.event)
            ));
        }
    }
    Ok(())
}
