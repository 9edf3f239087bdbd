//! The feed: what the database has of it. An event comes with its persistence, a moment after it was answered.
//!
//! Who is at the end waits until all that Redis had done when it asked is persisted, at most for [`PATIENCE`]: so a
//! caller finds what it was answered before, as over any other engine, unless the database is behind for longer.

use std::time::{Duration, Instant};

use ledger::{EventPage, EventQuery, EventsFrom, Unavailable};

use crate::front::Front;
use crate::link::{Function, number};
use crate::read::damaged;

/// How long the database is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(5);

impl Front {
    pub(crate) async fn events(
        &self,
        query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        if query.from != EventsFrom::Now {
            let at_hand = EventQuery {
                wait_until: None,
                ..query
            };
            match self.tables.events(at_hand, deadline).await? {
                Some(page) if page.events.is_empty() => {}
                answer => return Ok(answer),
            }
        }
        self.persisted(deadline).await?;
        self.tables.events(query, deadline).await
    }

    /// Waits until the database has all that Redis has now.
    async fn persisted(&self, deadline: Instant) -> Result<(), Unavailable> {
        let patient_until = deadline.min(Instant::now() + PATIENCE);
        let mut wanted = None;
        loop {
            let status = self.ask(Function::Status, |_| {}, deadline).await?;
            let [position, persisted] = [0, 1].map(|at| number(status.get(at)).map_err(damaged));
            let wanted = *wanted.get_or_insert(position?);
            if persisted? >= wanted || Instant::now() >= patient_until {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
