//! The feed of what was decided: pages read from the journal on from a place, up to what is published.
//!
//! | what | cost |
//! |---|---|
//! | to find a position | one small read |
//! | a page | reads of 64 KiB, one decoding of each event |

use std::time::Instant;

use journal::{Place, Reader, Storage};
use ledger::{EVENTS_PAGE_MAX, EventPage, EventPosition, EventQuery, EventsFrom, PlacedEvent};

use crate::lookup::LookupError;
use crate::read::NotRead;
use crate::record::decode;
use crate::shared::Shared;

const _: () = assert!(EventPosition::BYTES == Place::BYTES);

impl<S: Storage> Shared<S> {
    /// A page of what is published now.
    pub(crate) fn events(
        &self,
        reader: &Reader<S>,
        query: &EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, NotRead> {
        let end = self.published.end();
        let position = |place| EventPosition::from_bytes(reader.place_to_bytes(place));
        let from = match query.from {
            EventsFrom::Beginning => Place::BEGINNING,
            EventsFrom::After(position) => match reader.place_of(&position.to_bytes()) {
                Some(place) => place,
                None => return Ok(None),
            },
            EventsFrom::Now => end,
        };
        let onward = reader.onward(from, end);
        let Some(mut onward) = onward.map_err(|error| self.not_read(&error.into()))? else {
            return Ok(None);
        };
        let mut page = EventPage {
            events: Vec::new(),
            next: position(from),
        };
        let mut bytes = 0;
        while page.events.len() < query.limit.min(EVENTS_PAGE_MAX) {
            let next = onward.next(|address, payload| {
                bytes += payload.len();
                let fits = bytes <= query.bytes_max || page.events.is_empty();
                fits.then(|| {
                    decode(payload).map_err(|error| LookupError::Record(error, address.to_u64()))
                })
            });
            let next = next.map_err(|error| self.not_read(&error.into()))?;
            let Some((Some(recorded), place)) = next else {
                break;
            };
            let event = recorded.map_err(|error| self.not_read(&error))?.event;
            page.next = position(place);
            page.events.push(PlacedEvent {
                position: page.next,
                event,
            });
            if deadline <= Instant::now() {
                break;
            }
        }
        Ok(Some(page))
    }
}
