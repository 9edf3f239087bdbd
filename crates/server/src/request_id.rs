//! Who is who among requests: each has an id, the caller's own or one made here, that its answer, its
//! problem body and the access log carry.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that an id is taken from and answered in.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller.
const CHARACTERS_MAX: usize = 128;

/// The id of a request: 1 to 128 characters of `[A-Za-z0-9_.:+/=@-]`, so that it is safe in a line of a
/// log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a request, which its headers have from now on.
    pub(crate) fn settle(headers: &mut HeaderMap) -> Self {
        let id = Self::of(headers);
        headers.insert(X_REQUEST_ID, id.0.clone());
        id
    }

    /// The id that the caller gives. Without one, and where it is too long, has other characters or is
    /// there twice: a new one, since a request is not refused because of a label.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(X_REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(value), None) if is_valid(value.as_bytes()) => Self(value.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().simple().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("hexadecimal digits can be in a header"))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("only visible ASCII was taken")
    }

    /// Adds the header of the answer.
    pub(crate) fn echo(self, answer: &mut HeaderMap) {
        answer.insert(X_REQUEST_ID, self.0);
    }
}

fn is_valid(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:+/=@-".contains(byte);
    (1..=CHARACTERS_MAX).contains(&id.len()) && id.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_callers_id_is_taken_as_it_is() {
        let longest = "x".repeat(CHARACTERS_MAX);
        for id in ["1", "a-b_c.d:e+f/g=h@i", &longest] {
            assert_eq!(of(&[id.as_bytes()]), id);
        }
    }

    #[test]
    fn what_cannot_be_in_a_line_of_the_log_is_replaced() {
        let too_long = "x".repeat(CHARACTERS_MAX + 1);
        let unfit: [&[&[u8]]; 7] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"a\"b"],
            &["\u{e9}".as_bytes()],
            &[too_long.as_bytes()],
            &[b"one", b"two"],
        ];
        let mut made: Vec<_> = unfit.into_iter().map(of).collect();
        for id in &made {
            assert_eq!(id.len(), 32, "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 7, "two requests have one id");
    }
}
