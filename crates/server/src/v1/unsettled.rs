//! Payments whose outcome nobody knows, and conflicts: what operators have to look at.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{
    LastAnswer, PaymentId, ProcessorName, Timestamp, UNSETTLED_PAGE_MAX, Unsettled, UnsettledPlace,
    UnsettledQuery, UnsettledState,
};
use serde::Serialize;

use super::notes::NOTES_JSON_BYTES_MAX;
use super::path::{hex_digit, percent_decoded};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;
use crate::rfc3339::Nanos;

const LIMIT_DEFAULT: usize = 50;
/// The most bytes of one payment in a page: two texts of 200 characters, each up to 6 bytes as JSON; its
/// reference and metadata.
const PAYMENT_BYTES_MAX: usize = 4 * 1024 + NOTES_JSON_BYTES_MAX;
const CURSOR_VERSION: u8 = 1;
const CURSOR_LENGTH: usize = 1 + PLACE_LENGTH + 8;
const PLACE_LENGTH: usize = 8 + 16 + 1;

/// The state of a payment where it is dispatched. It is kept in memory only, and is lost when that
/// node restarts.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DispatchView<'a> {
    /// `waiting`, `under_way`, `unknown` or `conflict`.
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

/// Lists the payments whose outcome is unknown, or only the conflicts among them, as known to the
/// node that dispatches them: this one, or the ledger node behind it. If several nodes share a
/// database, each lists those that it dispatches itself. Conflicts with payments that have ended
/// are kept since that node was started, the newest 1,000; each is in the log as
/// `payment_conflict`.
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments",
    params(
        ("state" = String, Query, description = "`unknown`, conflicts among them; or `conflict`"),
        ("limit" = Option<u16>, Query, description = "1 to 100 payments; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page; the payment that was accepted first comes first",
            body = UnsettledPageView),
        (status = 400, description = "`cursor_invalid`, `limit_invalid`, `query_invalid`"),
        (status = 501, description = "`not_supported`: no payments are dispatched here"),
    )
)]
pub(crate) async fn unsettled_payments(call: Call, request: Request) -> Answered {
    let query = query(request.uri().query())?;
    let place = call.place((query.limit + 1) * PAYMENT_BYTES_MAX)?;
    let page = call.unsettled(query).await?;
    let next = page.last().filter(|_| page.len() == query.limit);
    let view = UnsettledPageView {
        payments: page.iter().map(UnsettledView::from).collect(),
        next_cursor: next.map(|last| encode(last.place)),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
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

/// Reads `state=&limit=&cursor=`, each once at most and nothing else.
fn query(query: Option<&str>) -> Result<UnsettledQuery, Problem> {
    let (mut state, mut limit, mut cursor) = (None, None, None);
    let members = query.unwrap_or_default().split('&');
    for member in members.filter(|member| !member.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let known = match name {
            "state" => &mut state,
            "limit" => &mut limit,
            "cursor" => &mut cursor,
            _ => {
                let detail = "the query takes state, limit and cursor";
                return Err(errors::query_invalid(detail));
            }
        };
        let value = percent_decoded(value);
        let value = value.ok_or_else(|| errors::query_invalid("it is not well percent-encoded"))?;
        if known.replace(value).is_some() {
            let detail = "state, limit and cursor are given once";
            return Err(errors::query_invalid(detail));
        }
    }
    let conflicts_only = match state.as_deref() {
        Some("unknown") => false,
        Some("conflict") => true,
        Some(_) | None => {
            let detail = "state is `unknown` or `conflict`";
            return Err(errors::query_invalid(detail));
        }
    };
    let after = match cursor {
        Some(cursor) => Some(decode(&cursor).ok_or_else(errors::cursor_invalid)?),
        None => None,
    };
    let limit = match limit {
        Some(text) => {
            let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
            let limit = text.parse().ok().filter(|_| digits_only);
            limit
                .filter(|limit| (1..=UNSETTLED_PAGE_MAX).contains(limit))
                .ok_or_else(|| errors::limit_invalid(UNSETTLED_PAGE_MAX))?
        }
        None => LIMIT_DEFAULT,
    };
    Ok(UnsettledQuery {
        id: None,
        conflicts_only,
        after,
        limit,
    })
}

/// Opaque to callers, as the cursors of statements are: version, place, and a hash that keeps mangled
/// ones from being taken.
fn encode(place: UnsettledPlace) -> String {
    let mut bytes = [0; PLACE_LENGTH];
    bytes[..8].copy_from_slice(&place.accepted_at.as_nanos().to_be_bytes());
    bytes[8..24].copy_from_slice(&place.id.to_bytes());
    bytes[24] = place.ordinal;
    token(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

fn decode(cursor: &str) -> Option<UnsettledPlace> {
    let digits = cursor.as_bytes();
    let mut bytes = [0; CURSOR_LENGTH];
    if digits.len() != 2 * CURSOR_LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    let place: [u8; PLACE_LENGTH] = bytes[1..=PLACE_LENGTH].try_into().ok()?;
    let is_own = bytes == token(place);
    is_own.then_some(UnsettledPlace {
        accepted_at: Timestamp::from_nanos(u64::from_be_bytes(place[..8].try_into().ok()?)),
        id: PaymentId::from_u128(u128::from_be_bytes(place[8..24].try_into().ok()?)),
        ordinal: place[24],
    })
}

fn token(place: [u8; PLACE_LENGTH]) -> [u8; CURSOR_LENGTH] {
    let mut bytes = [0; CURSOR_LENGTH];
    bytes[0] = CURSOR_VERSION;
    bytes[1..=PLACE_LENGTH].copy_from_slice(&place);
    let mut hasher = blake3::Hasher::new_derive_key("lastro 2026 unsettled payments cursor");
    hasher.update(&bytes[..=PLACE_LENGTH]);
    bytes[PLACE_LENGTH + 1..].copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        for (text, expected) in [
            ("state=unknown", Ok((false, 50))),
            ("state=conflict&limit=100", Ok((true, 100))),
            ("", Err("query_invalid")),
            ("state=sent", Err("query_invalid")),
            ("state=unknown&state=unknown", Err("query_invalid")),
            ("state=unknown&page=1", Err("query_invalid")),
            ("state=unknown&limit=101", Err("limit_invalid")),
            ("state=unknown&limit=0", Err("limit_invalid")),
            ("state=unknown&limit=+1", Err("limit_invalid")),
            ("state=unknown&cursor=1", Err("cursor_invalid")),
        ] {
            let read = query(Some(text));
            let read = read.map(|query| (query.conflicts_only, query.limit));
            assert_eq!(
                read.map_err(|problem| problem.code.as_str()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_cursor_comes_back_or_is_refused() {
        let place = UnsettledPlace {
            accepted_at: Timestamp::from_nanos(1_750_000_000_000_000_007),
            id: PaymentId::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
            ordinal: 1,
        };
        let cursor = encode(place);
        assert_eq!(decode(&cursor), Some(place));
        for index in 0..cursor.len() {
            let mut mangled = cursor.clone().into_bytes();
            mangled[index] = if mangled[index] == b'0' { b'1' } else { b'0' };
            assert_eq!(decode(std::str::from_utf8(&mangled).unwrap()), None);
        }
    }
}
