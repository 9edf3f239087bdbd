//! What operators may look at, payment by payment.

use std::collections::HashMap;
use std::time::Duration;

use ledger::{
    PaymentId, Timestamp, UNSETTLED_PAGE_MAX, UnsettledPlace, UnsettledQuery, UnsettledState,
};

use super::payment::Stage;
use super::window::Held;
use super::{Conflict, ConflictKind, Dispatcher};
use crate::policy::ProcessorIndex;

/// The number of a processor that is not configured, or of none; there are at most 64.
const NOWHERE: u8 = u8::MAX;

/// What is known of a payment. Times are the dispatcher's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its place in the list.
    pub place: UnsettledPlace,
    /// How it stands.
    pub state: UnsettledState,
    /// Its processor.
    pub processor: Option<ProcessorIndex>,
    /// See [`ledger::Unsettled::attempt`].
    pub attempt: u32,
    /// Since when its outcome is unknown.
    pub unknown_since: Option<Duration>,
    /// When its processor is asked again.
    pub question_at: Option<Duration>,
}

impl Dispatcher {
    /// A page of what is unsettled. Its cost grows with all that is held.
    #[must_use]
    pub fn unsettled(&self, query: &UnsettledQuery) -> Vec<Seen> {
        let mut seen: Vec<Seen> = match query.id {
            Some(id) => self.seen(id).into_iter().collect(),
            None => self
                .window
                .all()
                .filter_map(|(id, _)| self.seen(id))
                .collect(),
        };
        seen.extend(self.conflicts.kept().map(of_conflict));
        let is_wanted = |seen: &Seen| {
            let is_shown = match (query.id, query.conflicts_only) {
                (Some(id), false) => seen.place.id == id,
                (Some(id), true) => seen.place.id == id && seen.state.is_conflict(),
                (None, false) => match seen.state {
                    UnsettledState::Unknown
                    | UnsettledState::Pending
                    | UnsettledState::OtherAmount
                    | UnsettledState::RecordedElsewhere => true,
                    UnsettledState::Waiting | UnsettledState::UnderWay => false,
                },
                (None, true) => seen.state.is_conflict(),
            };
            is_shown && Some(seen.place) > query.after
        };
        seen.retain(is_wanted);
        seen.sort_unstable_by_key(|seen| seen.place);
        seen.truncate(query.limit.min(UNSETTLED_PAGE_MAX));
        self.add_questions(&mut seen);
        seen
    }

    fn seen(&self, id: PaymentId) -> Option<Seen> {
        let held = self.window.get(id)?;
        let pin = held.stage().pin();
        Some(Seen {
            place: UnsettledPlace {
                accepted_at: held.place.accepted_at,
                id,
                ordinal: ordinal(pin.map(|pin| pin.processor)),
            },
            state: state(held),
            processor: pin.map(|pin| pin.processor),
            attempt: held.attempt,
            unknown_since: pin
                .filter(|pin| pin.is_unclear)
                .map(|pin| pin.unclear_since),
            question_at: None,
        })
    }

    fn add_questions(&self, page: &mut [Seen]) {
        let asked_at: HashMap<PaymentId, Duration> = self.questions.all().collect();
        for seen in page {
            if seen.state != UnsettledState::RecordedElsewhere {
                seen.question_at = asked_at.get(&seen.place.id).copied();
            }
        }
    }
}

fn state(held: &Held) -> UnsettledState {
    match held.stage() {
        Stage::Waiting => UnsettledState::Waiting,
        Stage::Conflict(_) => UnsettledState::OtherAmount,
        Stage::Unknown(pin) | Stage::Asking(pin) if pin.is_pending => UnsettledState::Pending,
        Stage::Unknown(_) | Stage::Asking(_) | Stage::Orphan => UnsettledState::Unknown,
        Stage::Sending(pin) | Stage::Sent(pin) if pin.is_unclear => UnsettledState::Unknown,
        Stage::Sending(_) | Stage::Sent(_) | Stage::Binding(_) | Stage::Ending(_) => {
            UnsettledState::UnderWay
        }
    }
}

fn of_conflict(conflict: &Conflict) -> Seen {
    let state = match conflict.kind {
        ConflictKind::Late => UnsettledState::RecordedElsewhere,
        ConflictKind::Amount | ConflictKind::SettledAmount => UnsettledState::OtherAmount,
    };
    Seen {
        place: UnsettledPlace {
            accepted_at: conflict.accepted_at.unwrap_or(Timestamp::from_nanos(0)),
            id: conflict.id,
            ordinal: ordinal(Some(conflict.processor)),
        },
        state,
        processor: Some(conflict.processor),
        attempt: conflict.attempt,
        unknown_since: None,
        question_at: None,
    }
}

fn ordinal(processor: Option<ProcessorIndex>) -> u8 {
    processor
        .and_then(|processor| u8::try_from(processor.get()).ok())
        .unwrap_or(NOWHERE)
}
