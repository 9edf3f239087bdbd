//! The port of those who look at payments on their way: what is known of each where it is dispatched.

use std::time::Instant;

use crate::engine::Answer;
use crate::id::{PaymentId, ProcessorName};
use crate::text::harmless_char;
use crate::time::Timestamp;

/// The most payments of a page.
pub const UNSETTLED_PAGE_MAX: usize = 100;
/// The longest texts of a last answer, in Unicode scalar values.
pub const LAST_ANSWER_CHARS_MAX: usize = 200;

/// What a node that dispatches payments knows of them. It is kept in memory only.
pub trait Dispatching: Send + Sync + 'static {
    /// A page of the payments that this node dispatches and whose outcome is unknown, and of the
    /// conflicts it has found since it was started, in the order of their places; or, where a payment
    /// is named, whatever is known of that one. At most [`UNSETTLED_PAGE_MAX`].
    fn unsettled(&self, query: UnsettledQuery, deadline: Instant) -> Answer<'_, Vec<Unsettled>>;
}

/// Which page of what is unsettled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsettledQuery {
    /// Of this payment alone, in whatever state it is.
    pub id: Option<PaymentId>,
    /// Only conflicts.
    pub conflicts_only: bool,
    /// Only what is behind this place; from the oldest on when `None`.
    pub after: Option<UnsettledPlace>,
    /// How many at most.
    pub limit: usize,
}

/// A place among those unsettled: the payment that was accepted first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnsettledPlace {
    /// When the payment was accepted; 0 where the ledger has no such payment.
    pub accepted_at: Timestamp,
    /// The payment.
    pub id: PaymentId,
    /// Apart by processor: its number in the configuration.
    pub ordinal: u8,
}

/// What is known of a payment on its way to, or at, a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its place in the list.
    pub place: UnsettledPlace,
    /// How it stands.
    pub state: UnsettledState,
    /// Its processor; `None` while it waits, or where its processor is not configured any more.
    pub processor: Option<ProcessorName>,
    /// The attempt that is spoken of; 0 where it is not known.
    pub attempt: u32,
    /// Since when nobody knows what became of it, as this node has it.
    pub unknown_since: Option<Timestamp>,
    /// When its processor is asked for it again; `None` while it is being asked, or will not be.
    pub next_question_at: Option<Timestamp>,
    /// What its processor said last, or why it said nothing. Only what was no success is kept, of a
    /// bounded number of payments.
    pub last_answer: Option<LastAnswer>,
}

/// How a payment stands where it is dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnsettledState {
    /// It waits to be sent.
    Waiting,
    /// A request or a command about it is under way.
    UnderWay,
    /// Nobody knows what became of it.
    Unknown,
    /// Its processor has it and has not decided yet.
    Pending,
    /// Its processor has it with another amount.
    OtherAmount,
    /// This processor has recorded it, and it has ended otherwise or is elsewhere.
    RecordedElsewhere,
}

impl UnsettledState {
    /// Whether only an operator can mend it.
    #[must_use]
    pub const fn is_conflict(self) -> bool {
        match self {
            Self::OtherAmount | Self::RecordedElsewhere => true,
            Self::Waiting | Self::UnderWay | Self::Unknown | Self::Pending => false,
        }
    }
}

/// What a processor said last of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAnswer {
    /// When.
    pub at: Timestamp,
    /// Whether it was asked for the payment by id; else the payment was sent to it.
    pub was_question: bool,
    /// The HTTP status; `None` where no whole answer came.
    pub status: Option<u16>,
    /// Why no whole answer came; empty where one came.
    pub failure: String,
    /// The beginning of the body, see [`LastAnswer::text`].
    pub body: String,
}

impl LastAnswer {
    /// The beginning of what somebody else wrote, as it may be shown: at most
    /// [`LAST_ANSWER_CHARS_MAX`] characters, and whatever controls or turns the text is replaced.
    #[must_use]
    pub fn text(bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LAST_ANSWER_CHARS_MAX)]);
        text.chars()
            .take(LAST_ANSWER_CHARS_MAX)
            .map(harmless_char)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_short_and_harmless() {
        let text = LastAnswer::text("a\u{202e}b\r\n\u{1b}[2Jc".as_bytes());
        assert_eq!(text, "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}[2Jc");
        assert_eq!(LastAnswer::text(&[0xff, b'x']), "\u{fffd}x");
        let long = "\u{10348}".repeat(1_000);
        assert_eq!(LastAnswer::text(long.as_bytes()).chars().count(), 200);
    }
}
