//! Payments whose outcome nobody knows, and conflicts: what operators have to look at.

use ledger::{
    LastAnswer, PaymentId, ProcessorName, Timestamp, UNSETTLED_PAGE_MAX, Unsettled, UnsettledPlace,
    UnsettledQuery, UnsettledState,
};
use serde::Serialize;

use super::notes::NOTES_JSON_BYTES_MAX;
use super::token;
use crate::rfc3339::Nanos;

/// The most bytes of one payment in a page: two texts of 200 characters, each up to 6 bytes as JSON; its
/// reference and metadata.
pub(super) const PAYMENT_BYTES_MAX: usize = 4 * 1024 + NOTES_JSON_BYTES_MAX;
const CURSOR: &str = "lastro 2026 unsettled payments cursor";
const PLACE_LENGTH: usize = 8 + 16 + 1;

/// The state of a payment where it is dispatched. It is kept in memory only, and is lost when that
/// node restarts.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DispatchView<'a> {
    /// `waiting`, `under_way`, `pending` (its processor has it and has not decided), `unknown` or `conflict`.
    #[schema(example = "unknown")]
    state: &'static str,
    /// Of a conflict. `other_amount`: its processor has recorded another amount.
    /// `recorded_elsewhere`: this processor has recorded it, but it has ended in another way or is
    /// at another processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<&'static str>,
    /// The processor that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "default")]
    processor: Option<&'a str>,
    /// The attempt that this is about; 0 if it is not known.
    attempt: u32,
    /// Since when its outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    unknown_since: Option<Nanos>,
    /// When its processor is asked about it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_question_at: Option<Nanos>,
    /// The last answer of its processor that did not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_answer: Option<LastAnswerView<'a>>,
}

/// The last answer of a processor about a payment.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LastAnswerView<'a> {
    #[schema(value_type = String, format = DateTime)]
    at: Nanos,
    /// `payment`: it was sent; `question`: it was asked for by id.
    #[schema(example = "payment")]
    to: &'static str,
    /// The HTTP status; missing if no complete answer arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 502)]
    status: Option<u16>,
    /// Why no complete answer arrived.
    #[serde(skip_serializing_if = "str::is_empty")]
    failure: &'a str,
    /// The beginning of the body; what controls or turns text is replaced by U+FFFD.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(max_length = 200)]
    body: &'a str,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UnsettledView<'a> {
    #[schema(value_type = String, format = "uuid")]
    id: String,
    /// Missing if the ledger does not have this payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    accepted_at: Option<Nanos>,
    #[serde(flatten)]
    dispatch: DispatchView<'a>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UnsettledPageView<'a> {
    /// Payments in the order of their acceptance.
    #[schema(max_items = 100)]
    payments: Vec<UnsettledView<'a>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

impl<'a> From<&'a Unsettled> for DispatchView<'a> {
    fn from(unsettled: &'a Unsettled) -> Self {
        let (state, conflict) = match unsettled.state {
            UnsettledState::Waiting => ("waiting", None),
            UnsettledState::UnderWay => ("under_way", None),
            UnsettledState::Unknown => ("unknown", None),
            UnsettledState::Pending => ("pending", None),
            UnsettledState::OtherAmount => ("conflict", Some("other_amount")),
            UnsettledState::RecordedElsewhere => ("conflict", Some("recorded_elsewhere")),
        };
        Self {
            state,
            conflict,
            processor: unsettled.processor.as_ref().map(ProcessorName::as_str),
            attempt: unsettled.attempt,
            unknown_since: unsettled.unknown_since.map(Nanos),
            next_question_at: unsettled.next_question_at.map(Nanos),
            last_answer: unsettled.last_answer.as_ref().map(LastAnswerView::from),
        }
    }
}

impl<'a> From<&'a LastAnswer> for LastAnswerView<'a> {
    fn from(answer: &'a LastAnswer) -> Self {
        Self {
            at: Nanos(answer.at),
            to: if answer.was_question {
                "question"
            } else {
                "payment"
            },
            status: answer.status,
            failure: &answer.failure,
            body: &answer.body,
        }
    }
}

impl<'a> From<&'a Unsettled> for UnsettledView<'a> {
    fn from(unsettled: &'a Unsettled) -> Self {
        let accepted_at = unsettled.place.accepted_at;
        Self {
            id: unsettled.place.id.to_string(),
            accepted_at: (accepted_at.as_nanos() > 0).then_some(Nanos(accepted_at)),
            dispatch: DispatchView::from(unsettled),
        }
    }
}

impl<'a> UnsettledPageView<'a> {
    /// A page of these, where the next one begins behind `last`.
    pub(super) fn new(
        unsettled: impl Iterator<Item = &'a Unsettled>,
        last: Option<&Unsettled>,
    ) -> Self {
        Self {
            payments: unsettled.map(UnsettledView::from).collect(),
            next_cursor: last.map(|last| encode(last.place)),
        }
    }
}

/// What is known of one payment, the conflicts last.
pub(super) const fn of_payment(id: PaymentId) -> UnsettledQuery {
    UnsettledQuery {
        id: Some(id),
        conflicts_only: false,
        after: None,
        limit: UNSETTLED_PAGE_MAX,
    }
}

fn encode(place: UnsettledPlace) -> String {
    let mut bytes = [0; PLACE_LENGTH];
    bytes[..8].copy_from_slice(&place.accepted_at.as_nanos().to_be_bytes());
    bytes[8..24].copy_from_slice(&place.id.to_bytes());
    bytes[24] = place.ordinal;
    token::seal(CURSOR, &bytes, &[])
}

/// The place behind which the page begins; `None` if no list of these gave the cursor.
pub(super) fn decode(cursor: &str) -> Option<UnsettledPlace> {
    let place = token::unseal(CURSOR, cursor, &[])?;
    let place: [u8; PLACE_LENGTH] = place.try_into().ok()?;
    Some(UnsettledPlace {
        accepted_at: Timestamp::from_nanos(u64::from_be_bytes(place[..8].try_into().ok()?)),
        id: PaymentId::from_u128(u128::from_be_bytes(place[8..24].try_into().ok()?)),
        ordinal: place[24],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_or_is_refused() {
        let place = UnsettledPlace {
            accepted_at: Timestamp::from_nanos(1_750_000_000_000_000_007),
            id: PaymentId::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
            ordinal: 1,
        };
        let cursor = encode(place);
        // Cursors that were given before go on.
        assert_eq!(
            cursor,
            "0118493fba64ef000701890a5dac96774bbcceb302099a805701a72b26a5d969e00e"
        );
        assert_eq!(decode(&cursor), Some(place));
        for index in 0..cursor.len() {
            let mut mangled = cursor.clone().into_bytes();
            mangled[index] = if mangled[index] == b'0' { b'1' } else { b'0' };
            assert_eq!(decode(std::str::from_utf8(&mangled).unwrap()), None);
        }
    }
}
