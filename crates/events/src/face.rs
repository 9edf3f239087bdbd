//! How events are shown, which this crate does not know: it is handed in.

use ledger::{AccountId, Event, PlacedEvent};

/// How events are shown to those outside.
pub trait EventFace: Send + Sync + 'static {
    /// The name of the event's type.
    fn event_type(&self, event: &Event) -> &'static str;

    /// The accounts that the event is about.
    fn accounts(&self, event: &Event) -> Vec<AccountId>;

    /// The body of the message about the event: JSON.
    fn body(&self, placed: &PlacedEvent) -> Vec<u8>;
}

/// Which events an endpoint asks for.
pub trait EventFilter: Send + Sync + 'static {
    /// Whether it asks for this one.
    fn lets_through(&self, event: &Event) -> bool;
}
