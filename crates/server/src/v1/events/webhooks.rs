//! Events as webhooks send them.

use events::{EventFace, EventFilter};
use ledger::{AccountId, Event, PlacedEvent};

use super::kind::{EventKind, EventKinds};
use super::view;
use crate::keys::{AccountPattern, accounts_shown, lets_see};

/// Events as messages have them: `{"type": …, "timestamp": …, "data": …}`, where `data` is the event as
/// `GET /v1/events` answers it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebhookFace;

impl EventFace for WebhookFace {
    fn event_type(&self, event: &Event) -> &'static str {
        EventKind::of(event).name()
    }

    fn accounts(&self, event: &Event) -> Vec<AccountId> {
        accounts_shown(event)
    }

    fn body(&self, placed: &PlacedEvent) -> Vec<u8> {
        view::message(placed)
    }
}

/// Some of the events: of some types, about some accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSelection {
    kinds: EventKinds,
    /// Every account where there is no pattern.
    accounts: Vec<AccountPattern>,
}

/// A name is not one of a type of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a type of events: use {types}", types = super::query::type_names())]
pub struct UnknownEventType(String);

impl EventSelection {
    /// Events of these types, or of all where there is none, that an account of these patterns is about, as a key
    /// with these accounts would see them.
    ///
    /// # Errors
    ///
    /// If a name is not one of a type.
    pub fn new(types: &[String], accounts: Vec<AccountPattern>) -> Result<Self, UnknownEventType> {
        let kinds = match types {
            [] => EventKinds::ALL,
            types => EventKinds::named(types.iter().map(String::as_str))
                .map_err(|name| UnknownEventType(name.to_owned()))?,
        };
        Ok(Self { kinds, accounts })
    }
}

impl EventFilter for EventSelection {
    fn lets_through(&self, event: &Event) -> bool {
        if !self.kinds.has(EventKind::of(event)) {
            return false;
        }
        let allows = |id: &AccountId| self.accounts.iter().any(|pattern| pattern.matches(id));
        self.accounts.is_empty()
            || lets_see(&accounts_shown(event).iter().collect::<Vec<_>>(), allows)
    }
}

#[cfg(test)]
mod tests {
    use ledger::{EventPosition, Notes, Timestamp, Transfer, TransferId, TransferKind};

    use super::*;

    fn transfer(debit: &str, credit: &str) -> Event {
        let id = |text| AccountId::new(text).unwrap();
        Event::Transfer(Transfer {
            id: TransferId::from_u128(7),
            kind: TransferKind::Transfer,
            debit_account_id: id(debit),
            credit_account_id: id(credit),
            amount: 5,
            description: "d".into(),
            notes: Notes::default(),
            timestamp: Timestamp::from_nanos(1_767_225_600_000_000_007),
            debit: None,
            credit: None,
        })
    }

    fn selection(types: &[&str], accounts: &[&str]) -> Result<EventSelection, UnknownEventType> {
        let types: Vec<_> = types.iter().map(|name| (*name).to_owned()).collect();
        let accounts = accounts.iter().map(|text| text.parse().unwrap());
        EventSelection::new(&types, accounts.collect())
    }

    #[test]
    fn an_endpoint_gets_what_it_asks_for() {
        for (types, accounts, expected) in [
            (&[][..], &[][..], true),
            (&["transfer.posted"], &[], true),
            (&["transfer.pending", "transfer.posted"], &["a"], true),
            (&["transfer.pending"], &[], false),
            (&[], &["b:*"], true),
            (&[], &["c"], false),
            // The outside is a side of every deposit, and asks for none of others.
            (&[], &["world:BRL"], false),
        ] {
            let selection = selection(types, accounts).unwrap();
            let event = transfer("a", "b:1");
            assert_eq!(
                selection.lets_through(&event),
                expected,
                "{types:?} {accounts:?}"
            );
            let deposit = transfer("world:BRL", "d");
            let expected = accounts.is_empty() && expected;
            assert_eq!(
                selection.lets_through(&deposit),
                expected,
                "{types:?} {accounts:?}"
            );
        }
        let unknown = selection(&["transfer.posted", "transfer"], &[]).unwrap_err();
        let text = unknown.to_string();
        assert!(text.starts_with("`transfer` is not a type of events: use account.opened, "));
    }

    #[test]
    fn a_message_has_the_event_as_the_feed_answers_it() {
        let placed = PlacedEvent {
            position: EventPosition::from_bytes([7; EventPosition::BYTES]),
            event: transfer("a", "b"),
        };
        let message = String::from_utf8(WebhookFace.body(&placed)).unwrap();
        let mut of_feed = Vec::new();
        view::write(&placed, &mut of_feed);
        let of_feed = String::from_utf8(of_feed).unwrap();
        let expected = format!(
            r#"{{"type":"transfer.posted","timestamp":"2026-01-01T00:00:00.000000007Z","data":{of_feed}}}"#
        );
        assert_eq!(message, expected);
        assert!(of_feed.starts_with(&format!(r#"{{"position":"{}","#, placed.position)));
    }
}
