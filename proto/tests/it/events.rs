//! The feed of events comes back as it was.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ledger::{Event, EventPage, EventPosition, EventQuery, EventsFrom};
use proto::{Invalid, Message, v1};

use crate::history::history;

fn carried<M: Message + Default>(message: &M) -> M {
    M::decode(&*message.encode_to_vec()).unwrap()
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Transfer(transfer) => transfer.kind.as_str(),
        Event::AccountOpened { .. } => "opened",
        Event::LimitChanged { .. } => "limit",
        Event::AccountClosed { .. } => "closed",
        Event::FreezeChanged { .. } => "freeze",
        Event::PaymentAccepted(_) => "accepted",
        Event::PaymentSent(_) => "sent",
        Event::PaymentReleased(_) => "released",
        Event::PaymentSettled { .. } => "settled",
        Event::PaymentRefused(_) => "refused payment",
        Event::PaymentsPurged { .. } => "purged",
        Event::Refused { .. } => "refused",
        Event::Batch(batch) if batch.failure.is_none() => "batch",
        Event::Batch(_) => "failed batch",
        Event::PaymentResolved(_) => "resolved",
    }
}

#[test]
fn every_kind_of_event() {
    let history = history(9, 2_000);
    let mut query = EventQuery {
        from: EventsFrom::Beginning,
        limit: 1_000,
        bytes_max: usize::MAX,
        wait_until: None,
    };
    let mut names = BTreeSet::new();
    loop {
        let page = history.books.feed(query).unwrap();
        let message = v1::ListEventsResponse::from(Some(&page));
        assert_eq!(carried(&message).read().unwrap().as_ref(), Some(&page));
        names.extend(page.events.iter().map(|placed| name(&placed.event)));
        if page.events.is_empty() {
            break;
        }
        query.from = EventsFrom::After(page.next);
    }
    assert_eq!(names.len(), 20, "{names:?}");
    let nothing = v1::ListEventsResponse::from(None);
    assert_eq!(carried(&nothing).read(), Ok(None));
}

#[test]
fn questions_for_events() {
    let now = Instant::now();
    let position = EventPosition::from_bytes([7; EventPosition::BYTES]);
    for from in [
        EventsFrom::Beginning,
        EventsFrom::Now,
        EventsFrom::After(position),
    ] {
        for wait in [
            None,
            Some(Duration::from_millis(1)),
            Some(Duration::from_secs(30)),
        ] {
            let query = EventQuery {
                from,
                limit: 3,
                bytes_max: 4_096,
                wait_until: wait.map(|wait| now + wait),
            };
            let message = v1::ListEventsRequest::of(&query, now);
            assert_eq!(carried(&message).read(now), Ok(query));
        }
    }
    let short = v1::ListEventsRequest {
        after: vec![1],
        ..v1::ListEventsRequest::default()
    };
    assert_eq!(short.read(now), Err(Invalid::Length("after")));
    let page = EventPage {
        events: Vec::new(),
        next: position,
    };
    let mut answer = v1::ListEventsResponse::from(Some(&page));
    answer.events.push(v1::Event::default());
    assert_eq!(answer.read(), Err(Invalid::Length("position")));
}
