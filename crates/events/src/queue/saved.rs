//! What of an endpoint has to survive the process.

use serde::{Deserialize, Serialize};

use super::delivery::DeliveryRecord;
use super::place::FeedPlace;

/// An endpoint as it is kept. Every event up to `read_to` is delivered, or passed over by the filter, or one of
/// those listed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// How far the feed was read.
    pub read_to: FeedPlace,
    /// Why nothing is sent; `None` while it is.
    pub disabled: Option<Disabled>,
    /// What is not delivered yet, in the order in which it arrived.
    pub waiting: Vec<SavedDelivery>,
    /// What was given up, the oldest first.
    pub dead_letters: Vec<DeliveryRecord>,
}

impl Saved {
    /// A new endpoint, which has delivered everything up to there.
    #[must_use]
    pub const fn beginning(read_to: FeedPlace) -> Self {
        Self {
            read_to,
            disabled: None,
            waiting: Vec::new(),
            dead_letters: Vec::new(),
        }
    }
}

/// A delivery that waits. The event itself is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedDelivery {
    /// The event, and how it was tried.
    pub record: DeliveryRecord,
    /// Whether it was a dead letter: those wait for each other alone.
    pub was_dead: bool,
}

/// Why an endpoint is disabled. Its events wait in the ledger meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// An operator said so.
    ByOperator,
    /// Its receiver answered 410.
    Gone,
    /// It has as many dead letters as are kept.
    TooManyDeadLetters,
}

impl Disabled {
    /// The name as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByOperator => "by_operator",
            Self::Gone => "gone",
            Self::TooManyDeadLetters => "too_many_dead_letters",
        }
    }
}
