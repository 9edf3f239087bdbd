//! What an endpoint works with, and how it looks at the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Clock, Engine, EventQuery, EventsFrom, PlacedEvent, Unavailable};

use super::feed::Page;
use crate::face::{EventFace, EventFilter};
use crate::metrics::Meters;
use crate::queue::{Arrival, FeedPlace, Lane, Placed};
use crate::receiver::Receives;
use crate::store::EndpointStore;

/// About how many bytes of records are read at a time.
pub(super) const RECORDS_BYTES: usize = 64 * 1024;
/// How long the ledger has for a page, beside a wait.
pub(super) const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// What an endpoint works with.
pub(crate) struct Surroundings {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) face: Arc<dyn EventFace>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) filter: Arc<dyn EventFilter>,
    pub(crate) receiver: Arc<dyn Receives>,
    pub(crate) store: Arc<dyn EndpointStore>,
    pub(crate) meters: Meters,
}

impl Surroundings {
    /// The delivery of an event that comes right behind this place.
    pub(super) fn arrival(&self, after: FeedPlace, placed: &PlacedEvent) -> Arrival {
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
        let deadline = Instant::now() + ENGINE_TIMEOUT;
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
