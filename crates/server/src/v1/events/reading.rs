//! A reading of the feed: pieces of it, filtered, and the wait for more.

use std::time::{Duration, Instant};

use ledger::{AccountId, EVENTS_PAGE_MAX, Event, EventPage, EventQuery, EventsFrom, PlacedEvent};

use super::kind::{EventKind, EventKinds};
use crate::call::Call;
use crate::ending::Ending;
use crate::errors;
use crate::keys::accounts_shown;
use crate::problem::Problem;

/// The most bytes that an event takes, in whichever form: two records of the longest texts, and what is around them.
pub(super) const EVENT_BYTES_MAX: usize = 16 * 1024;
/// About how many bytes of records are read at a time.
const RECORDS_BYTES: usize = 64 * 1024;
/// The most bytes that a piece takes while it is made, beside what is written of it: the records, and the events of them.
pub(super) const PIECE_BYTES_MAX: usize = 4 * RECORDS_BYTES;
/// How long is waited before the ledger is asked again that did not wait itself.
const PAUSE: Duration = Duration::from_millis(200);

/// Which events are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) kinds: EventKinds,
    /// Only those about this account.
    pub(super) account_id: Option<AccountId>,
}

impl Filter {
    fn lets_all_through(&self) -> bool {
        self.kinds == EventKinds::ALL && self.account_id.is_none()
    }

    fn lets_through(&self, event: &Event) -> bool {
        let is_of_account = |id: &AccountId| accounts_shown(event).contains(id);
        self.kinds.has(EventKind::of(event)) && self.account_id.as_ref().is_none_or(is_of_account)
    }
}

/// How much of the feed a piece has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PieceMax {
    pub(super) events: usize,
    /// A piece ends with the event that passes this.
    pub(super) bytes: usize,
}

/// What a piece came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// How many events of the ledger were looked at.
    pub(super) looked_at: usize,
    pub(super) shown: usize,
}

/// A reading in progress.
pub(super) struct Reading {
    pub(super) call: Call,
    pub(super) from: EventsFrom,
    filter: Filter,
}

impl Reading {
    pub(super) const fn new(call: Call, from: EventsFrom, filter: Filter) -> Self {
        Self { call, from, filter }
    }

    /// Reads on without waiting, and hands each event that is shown to `write`, with what was written before.
    pub(super) async fn piece(
        &mut self,
        max: PieceMax,
        to: &mut Vec<u8>,
        write: impl Fn(&PlacedEvent, &mut Vec<u8>),
    ) -> Result<Piece, Problem> {
        let shows_all = self.filter.lets_all_through() && !self.call.has_limited_accounts();
        let query = EventQuery {
            from: self.from,
            limit: if shows_all {
                max.events
            } else {
                EVENTS_PAGE_MAX
            },
            bytes_max: RECORDS_BYTES,
            wait_until: None,
        };
        // A ledger that has all at hand answers at once: others have their turn between two pieces.
        tokio::task::yield_now().await;
        let page = self.ask(query).await?;
        self.from = EventsFrom::After(page.next);
        let mut piece = Piece {
            looked_at: 0,
            shown: 0,
        };
        for placed in &page.events {
            piece.looked_at += 1;
            if self.filter.lets_through(&placed.event) && self.call.may_see(&placed.event) {
                write(placed, to);
                piece.shown += 1;
            }
            if piece.shown >= max.events || to.len() >= max.bytes {
                self.from = EventsFrom::After(placed.position);
                break;
            }
        }
        Ok(piece)
    }

    /// Waits until the ledger has an event more, at the latest until then or the server's stop.
    pub(super) async fn wait(
        &mut self,
        until: Instant,
        ending: &mut Ending,
    ) -> Result<(), Problem> {
        while Instant::now() < until && !ending.is_here() {
            // The event is read again with others: who waits holds no room.
            let query = EventQuery {
                from: self.from,
                limit: 1,
                bytes_max: 1,
                wait_until: Some(until),
            };
            let Some(page) = ending.unless_here(self.ask(query)).await else {
                return Ok(());
            };
            if !page?.events.is_empty() {
                return Ok(());
            }
            let again = (Instant::now() + PAUSE).min(until);
            ending
                .unless_here(tokio::time::sleep_until(again.into()))
                .await;
        }
        Ok(())
    }

    async fn ask(&mut self, query: EventQuery) -> Result<EventPage, Problem> {
        // A reading goes on for longer than a request may take.
        self.call.begin_again();
        let page = self.call.events(query).await?;
        page.ok_or_else(errors::position_invalid)
    }
}
