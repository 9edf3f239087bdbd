//! How events of the feed become deliveries.

use std::sync::Arc;
use std::time::Duration;

use ledger::{EVENTS_PAGE_MAX, EventQuery, Unavailable};
use tokio::time::Instant;

use super::feed::Page;
use super::parts::{Endpoint, Run, SAVE_LATER};
use super::surroundings::{ENGINE_TIMEOUT, RECORDS_BYTES};

/// How long a reading waits for the next event.
const WAIT: Duration = Duration::from_secs(10);

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
        self.reading.begin(Box::pin(page));
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
            self.reading.pause();
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
