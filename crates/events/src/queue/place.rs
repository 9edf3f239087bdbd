//! Where a reader of the feed goes on, as it is kept and shown.

use std::fmt;

use ledger::{EventPosition, EventsFrom};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Behind which event a reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedPlace {
    /// Before the ledger's first event.
    Beginning,
    /// Behind this one.
    After(EventPosition),
}

impl FeedPlace {
    /// The word for [`FeedPlace::Beginning`].
    pub const BEGINNING: &'static str = "beginning";

    /// What it prints, read back; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            Self::BEGINNING => Some(Self::Beginning),
            text => EventPosition::parse(text).map(Self::After),
        }
    }

    /// Where a page of the feed begins there.
    #[must_use]
    pub const fn onward(self) -> EventsFrom {
        match self {
            Self::Beginning => EventsFrom::Beginning,
            Self::After(position) => EventsFrom::After(position),
        }
    }
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning => f.write_str(Self::BEGINNING),
            Self::After(position) => position.fmt(f),
        }
    }
}

impl Serialize for FeedPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FeedPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("no position of an event"))
    }
}

/// A position as its text, for serde.
pub(super) mod position_text {
    use ledger::EventPosition;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::queue) fn serialize<S: Serializer>(
        position: &EventPosition,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(position)
    }

    pub(in crate::queue) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EventPosition, D::Error> {
        let text = String::deserialize(deserializer)?;
        EventPosition::parse(&text).ok_or_else(|| D::Error::custom("no position of an event"))
    }
}
