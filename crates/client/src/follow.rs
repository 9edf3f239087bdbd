//! Events as they are decided.

use std::time::Duration;
use std::vec::IntoIter;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::records::{Event, EventsPage};
use crate::requests::EventsQuery;

/// How many seconds a page may wait for its first event.
const WAIT_S: u32 = 20;

/// The end of the events, as it is when it is asked for.
const LATEST: &str = "latest";

/// Events, one after the other, without an end.
///
/// Pages are asked for that wait for their first event. After an error, such as a server that is stopped, the next call
/// goes on where the events stand: none is left out, and none comes twice.
#[derive(Debug)]
pub struct Follow<'a> {
    client: &'a Client,
    query: EventsQuery,
    ready: IntoIter<Event>,
    position: Option<String>,
}

pub(crate) fn page_call(query: &EventsQuery, wait_s: u32) -> Call {
    Call {
        wait: Duration::from_secs(wait_s.into()),
        ..Call::get(&["v1", "events"], query.query(wait_s))
    }
}

impl<'a> Follow<'a> {
    pub(crate) fn new(client: &'a Client, query: EventsQuery) -> Self {
        Self {
            client,
            position: query.after.clone().filter(|after| after != LATEST),
            query,
            ready: Vec::new().into_iter(),
        }
    }

    /// The next event; waits until there is one.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.ready.next() {
                self.position = Some(event.position.clone());
                return Ok(event);
            }
            // `latest` is another place each time it is asked for: it is pinned before anything is waited for.
            let is_pinned = self.query.after.as_deref() != Some(LATEST);
            let call = page_call(&self.query, if is_pinned { WAIT_S } else { 0 });
            let page: EventsPage = self.client.read(&call).await?;
            if page.events.is_empty() {
                self.position = Some(page.next.clone());
            }
            self.query.after = Some(page.next);
            self.ready = page.events.into_iter();
        }
    }

    /// Where to go on behind the events that were handed over, as [`EventsQuery::after`]; `None` before the
    /// first page. Keep it after the work for an event is done: then every event is seen at least once, whatever is
    /// killed when.
    #[must_use]
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }
}
