//! JSON in and out, strictly, in one place.
//!
//! In: one object and nothing behind it, no unknown and no repeated member, the right type for
//! each, integers written as integers. Out: as serde writes it.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::errors;
use crate::problem::Problem;
use crate::room::Place;

/// The longest detail about a body's fault, in bytes: it quotes what the caller sent.
const DETAIL_BYTES_MAX: usize = 200;

/// Whether the headers say that the body is JSON.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(errors::content_type_unsupported());
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(errors::content_encoding_unsupported());
    }
    Ok(())
}

/// Reads one JSON object. `T` denies unknown fields.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // serde would also take an array of the members' values.
    let first = body.iter().find(|byte| !b" \t\r\n".contains(byte));
    if first != Some(&b'{') {
        return Err(errors::json_invalid("the body is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let mut detail = error.to_string();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
            detail.push('…');
        }
        errors::json_invalid(detail)
    })
}

/// Reads a JSON object that may be left out where it has nothing to say.
pub(crate) fn parse_or_default<'a, T: Deserialize<'a> + Default>(
    body: &'a [u8],
    headers: &HeaderMap,
) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    check_content_type(headers)?;
    parse(body)
}

/// An integer as it was written, of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integer {
    /// One that fits.
    Fits(u64),
    /// A negative one, or one beyond 64 bits.
    OutOfRange,
}

impl Integer {
    /// The number, unless it is negative or beyond 64 bits; the ledger judges the rest.
    pub(crate) fn amount(self, field: &'static str) -> Result<u64, Problem> {
        match self {
            Self::Fits(number) => Ok(number),
            Self::OutOfRange => Err(errors::amount_out_of_range(field)),
        }
    }

    /// The number as `timeout_s`.
    pub(crate) fn timeout_s(self) -> Result<u32, Problem> {
        match self {
            Self::Fits(number) => u32::try_from(number).ok(),
            Self::OutOfRange => None,
        }
        .ok_or_else(errors::timeout_out_of_range)
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(text.parse().map_or(Self::OutOfRange, Self::Fits));
        }
        let shown: String = text.chars().take(40).collect();
        Err(D::Error::custom(format_args!(
            "invalid value: `{shown}`, expected an integer; amounts are in minor units: 5000 for 50.00"
        )))
    }
}

/// A text, borrowed from the body where it has no escapes.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// An answer with a JSON body.
pub(crate) fn respond(status: StatusCode, body: &impl Serialize) -> Response {
    with_body(status, Body::from(written(body)))
}

/// An answer with a JSON body that may be large: it keeps its place until the caller has taken it.
pub(crate) fn respond_in(place: Place, status: StatusCode, body: &impl Serialize) -> Response {
    respond_written(place, status, written(body))
}

/// The same of a body that is written already.
pub(crate) fn respond_written(
    mut place: Place,
    status: StatusCode,
    mut bytes: Vec<u8>,
) -> Response {
    bytes.shrink_to_fit();
    place.shrink_to(bytes.len());
    let placed = Placed {
        bytes,
        _place: place,
    };
    with_body(status, Body::from(Bytes::from_owner(placed)))
}

struct Placed {
    bytes: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn written(body: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        // Plain data into memory: it cannot fail, unless a `Serialize` of ours does.
        tracing::error!(%error, "cannot write an answer as JSON: {error}");
        bytes.clear();
    }
    bytes
}

fn with_body(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        amount: Integer,
    }

    fn parsed(text: &str) -> Result<Integer, String> {
        parse::<Sample>(text.as_bytes())
            .map(|sample| sample.amount)
            .map_err(|problem| problem.detail.into_owned())
    }

    #[test]
    fn integers_of_any_size_are_told_apart_from_other_things() {
        for (text, expected) in [
            ("0", Integer::Fits(0)),
            ("18446744073709551615", Integer::Fits(u64::MAX)),
            ("18446744073709551616", Integer::OutOfRange),
            ("-1", Integer::OutOfRange),
            (&"9".repeat(400), Integer::OutOfRange),
        ] {
            assert_eq!(parsed(&format!("{{\"amount\": {text} }}")), Ok(expected));
        }
        for text in [
            "1.0", "1e3", "1.2", "-0.0", "\"1\"", "null", "true", "[1]", "{}",
        ] {
            let detail = parsed(&format!("{{\"amount\":{text}}}")).unwrap_err();
            assert!(
                detail.contains("in minor units: 5000 for 50.00"),
                "{detail}"
            );
            assert!(detail.contains("at line 1"), "{detail}");
        }
        for text in ["NaN", "01", "+1", "-", "0x1", "1_0", ""] {
            assert!(parsed(&format!("{{\"amount\":{text}}}")).is_err(), "{text}");
        }
    }

    #[test]
    fn only_one_whole_object_is_taken() {
        for text in ["", "[1]", "1", "null", "\u{feff}{\"amount\":1}"] {
            assert_eq!(parsed(text).unwrap_err(), "the body is no JSON object");
        }
        for (text, reason) in [
            ("{\"amount\":1,\"amount\":1}", "duplicate field `amount`"),
            ("{\"amount\":1,\"b\":1}", "unknown field `b`"),
            ("{\"amount\":1} {}", "trailing characters"),
            ("{}", "missing field `amount`"),
            ("{\"amount\":1", "EOF"),
        ] {
            let detail = parsed(text).unwrap_err();
            assert!(detail.contains(reason), "{detail}");
        }
        let long = format!("{{\"{}\":1}}", "é".repeat(1000));
        assert!(parsed(&long).unwrap_err().len() < 210);
    }
}
