//! The feed: every decided event in the ledger's own order, from any position.

use std::fmt;
use std::time::Instant;

use crate::event::Event;
use crate::id::AccountId;

/// The most events a page may have.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// A position in the ledger's events: right behind one of them, or before the first.
///
/// It is opaque: only the ledger that gave it can read it, and that one does for ever, also after a restart and in
/// a restored copy that has the events before it. Prints as 48 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventPosition([u8; Self::BYTES]);

impl EventPosition {
    /// Length of a position in bytes.
    pub const BYTES: usize = 24;

    /// The position of these bytes, which an engine made.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes that it was made of.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// Reads what a position prints; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, rest) = text.as_bytes().as_chunks::<2>();
        if digits.len() != Self::BYTES || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

/// A position has one text: its letters are small.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a page of events begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsFrom {
    /// With the ledger's first event.
    Beginning,
    /// Behind this position.
    After(EventPosition),
    /// Behind the newest event: with what is decided from now on.
    Now,
}

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery {
    /// Where they begin.
    pub from: EventsFrom,
    /// How many at most; engines give no more than [`EVENTS_PAGE_MAX`].
    pub limit: usize,
    /// About how many bytes their records may have together. A page has at least one event where there is one.
    pub bytes_max: usize,
    /// Until when an engine waits where there is no event yet. Some do not wait: an empty page says only that
    /// there was no event when it was made.
    pub wait_until: Option<Instant>,
}

/// An event, and the position right behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedEvent {
    /// Where to go on behind this event.
    pub position: EventPosition,
    /// The event.
    pub event: Event,
}

/// Events in the order in which they were decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events, each durable as the engine promises it.
    pub events: Vec<PlacedEvent>,
    /// Where to go on: the last event's position, or where the page began if it has none.
    pub next: EventPosition,
}

impl Event {
    /// The accounts that it opens, changes, moves or reserves money of. A purge does not say whose reservations
    /// it releases.
    #[must_use]
    pub fn accounts_changed(&self) -> Vec<&AccountId> {
        match self {
            Self::AccountOpened { id, .. } => vec![id],
            Self::LimitChanged { .. }
            | Self::AccountClosed { .. }
            | Self::FreezeChanged { .. }
            | Self::Transfer(_)
            | Self::PaymentAccepted(_)
            | Self::PaymentSent(_)
            | Self::PaymentReleased(_)
            | Self::PaymentSettled { .. }
            | Self::PaymentRefused(_)
            | Self::PaymentsPurged { .. }
            | Self::Refused { .. }
            | Self::Batch(_)
            | Self::PaymentResolved(_) => self.accounts_needed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_what_they_print() {
        let mut bytes = [0; EventPosition::BYTES];
        for (byte, value) in bytes.iter_mut().zip(0..) {
            *byte = 13_u8.wrapping_mul(value);
        }
        let position = EventPosition::from_bytes(bytes);
        let text = position.to_string();
        assert_eq!(text, "000d1a2734414e5b6875828f9ca9b6c3d0ddeaf704111e2b");
        assert_eq!(EventPosition::parse(&text), Some(position));
        for other in [
            String::new(),
            text[1..].to_owned(),
            format!("{text}0"),
            format!("{text}00"),
            text.to_uppercase(),
            text.replace('0', "g"),
            text.replace('0', "é"),
        ] {
            assert_eq!(EventPosition::parse(&other), None, "{other}");
        }
    }
}
