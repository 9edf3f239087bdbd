//! Events.

use crate::client::Client;
use crate::error::Error;
use crate::follow::{Follow, page_call};
use crate::records::EventsPage;
use crate::requests::EventsQuery;

impl Client {
    /// One page of what the ledger decided, in its order. With `wait_s` (at most 30) a page that would be empty waits so
    /// many seconds for its first event. It may be empty although there are more events: go on with its `next`.
    ///
    /// # Errors
    ///
    /// As for every read; `position_invalid` if this ledger did not give the position.
    pub async fn events_page(&self, query: &EventsQuery, wait_s: u32) -> Result<EventsPage, Error> {
        self.read(&page_call(query, wait_s)).await
    }

    /// Everything that the ledger decides, one event after the other, from the query's `after` on and without an end.
    #[must_use]
    pub fn follow(&self, query: EventsQuery) -> Follow<'_> {
        Follow::new(self, query)
    }
}
