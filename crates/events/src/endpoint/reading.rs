//! The feed as an endpoint reads it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ledger::{
    BoxFuture, EVENTS_PAGE_MAX, EventPage, EventQuery, EventsFrom, PlacedEvent, Unavailable,
};
use stdx::{BackOff, Throttle};
use tokio::time::Instant;

use super::{Endpoint, Run, SAVE_LATER, Surroundings, WARNING_INTERVAL};
use crate::queue::{Arrival, Lane, Place, Placed};

/// About how many bytes of records are read at a time.
const RECORDS_BYTES: usize = 64 * 1024;
/// How long a reading waits for the next event.
const WAIT: Duration = Duration::from_secs(10);
/// How long the ledger has for a page, beside the wait.
pub(super) const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is waited before the ledger is asked again that had nothing new: some do not wait themselves.
const PAUSE: Duration = Duration::from_millis(200);
/// How soon a ledger is asked again that did not answer: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What a reading came to.
pub(super) type Page = Result<Option<EventPage>, Unavailable>;

/// The reading in progress.
pub(super) struct Reading {
    page: Option<BoxFuture<'static, Page>>,
    /// When the next may begin.
    next_at: Instant,
    back_off: BackOff,
    trouble: Option<Unavailable>,
    failing: Throttle,
}

impl Reading {
    pub(super) fn new(now: Instant) -> Self {
        let (first, longest) = AGAIN;
        Self {
            page: None,
            next_at: now,
            back_off: BackOff::new(first, longest),
            trouble: None,
            failing: Throttle::new(WARNING_INTERVAL),
        }
    }

    /// The page that is being read; never where none is.
    pub(super) async fn page(&mut self) -> Page {
        match &mut self.page {
            Some(page) => {
                let read = page.await;
                self.page = None;
                read
            }
            None => pending().await,
        }
    }

    /// When a page may be asked for; `None` while one is being read.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.page {
            Some(_) => None,
            None => Some(self.next_at),
        }
    }

    /// Nobody wants the page any more that is being read.
    pub(super) fn forget(&mut self) {
        self.page = None;
        self.next_at = Instant::now();
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble?;
        Some(format!("its events cannot be read: {trouble}"))
    }

    /// The ledger did not answer: when it is asked again.
    pub(super) fn fail(&mut self, why: Unavailable, name: &str) -> Instant {
        if let Some(held_back) = self.failing.pass() {
            tracing::warn!(
                endpoint = name,
                code = why.code(),
                held_back,
                "webhook endpoint {name} cannot read its events: {why}. It is tried again"
            );
        }
        self.trouble = Some(why);
        self.next_at = Instant::now() + self.back_off.pause();
        self.next_at
    }

    pub(super) fn succeed(&mut self) {
        self.trouble = None;
        self.back_off.reset();
    }
}

impl Endpoint {
    /// Begins to read a page, if it is time for one.
    pub(super) fn read_on(&mut self) {
        let Run::Going(queue) = &self.run else {
            return;
        };
        let is_due = self.reading.due().is_some_and(|at| at <= Instant::now());
        if !is_due || !queue.wants_more() {
            return;
        }
        let until = std::time::Instant::now() + WAIT;
        let query = EventQuery {
            from: queue.read_to().onward(),
            limit: EVENTS_PAGE_MAX,
            bytes_max: RECORDS_BYTES,
            wait_until: Some(until),
        };
        let engine = Arc::clone(&self.around.engine);
        let page = async move { engine.events(query, until + ENGINE_TIMEOUT).await };
        self.reading.page = Some(Box::pin(page));
    }

    /// Takes what a page has, as far as there is room: the rest is read again.
    pub(super) fn take(&mut self, page: Page) {
        let page = match page {
            Ok(Some(page)) => page,
            Ok(None) => {
                self.stop_because(not_of_this_ledger());
                return;
            }
            Err(Unavailable::NotSupported) => {
                self.stop_because(not_supported());
                return;
            }
            Err(why) => {
                self.reading.fail(why, self.config.name.as_str());
                return;
            }
        };
        self.reading.succeed();
        let Run::Going(queue) = &mut self.run else {
            return;
        };
        let before = queue.read_to();
        for placed in &page.events {
            if !self.around.filter.lets_through(&placed.event) {
                queue.pass(placed.position);
            } else if queue.has_room() {
                queue.arrive(self.around.arrival(queue.read_to(), placed));
            } else {
                break;
            }
        }
        if queue.read_to() != before {
            self.save_within(SAVE_LATER);
        }
        if page.events.is_empty() {
            self.reading.next_at = Instant::now() + PAUSE;
        }
    }

    /// It cannot go on.
    pub(super) fn stop_because(&mut self, why: String) {
        let name = &self.config.name;
        tracing::error!(
            endpoint = %name,
            "WEBHOOKS STOPPED for endpoint {name}: {why}"
        );
        self.reading.forget();
        self.save.at = None;
        self.run = Run::Stopped(why);
    }
}

pub(super) fn not_of_this_ledger() -> String {
    "its position does not belong to this ledger, which was restored from an older copy or is another one. Choose where \
     it goes on with POST /v1/webhooks/{name}/replay"
        .to_owned()
}

fn not_supported() -> String {
    "this ledger has no feed of events".to_owned()
}

impl Surroundings {
    /// The delivery of an event that comes right behind this place.
    pub(super) fn arrival(&self, after: Place, placed: &PlacedEvent) -> Arrival {
        let event = &placed.event;
        Arrival {
            placed: Placed {
                after,
                position: placed.position,
                event_type: self.face.event_type(event).to_owned(),
                timestamp: event.timestamp(),
            },
            lanes: Lane::of(event, &self.face.accounts(event)),
            body: self.face.body(placed).into(),
        }
    }

    /// A page of the feed, without waiting.
    pub(super) async fn look(&self, from: EventsFrom, limit: usize) -> Page {
        let query = EventQuery {
            from,
            limit,
            bytes_max: RECORDS_BYTES,
            wait_until: None,
        };
        let deadline = std::time::Instant::now() + ENGINE_TIMEOUT;
        self.engine.events(query, deadline).await
    }

    /// The delivery of an event that is kept elsewhere by its place alone; `None` where the ledger does not have it
    /// there.
    pub(super) async fn find(&self, placed: &Placed) -> Result<Option<Arrival>, Unavailable> {
        let page = self.look(placed.after.onward(), 1).await?;
        let event = page.and_then(|page| page.events.into_iter().next());
        let arrival = event.map(|event| self.arrival(placed.after, &event));
        Ok(arrival.filter(|arrival| arrival.placed == *placed))
    }
}
