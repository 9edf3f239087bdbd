//! Ids in paths.

use std::borrow::Cow;

use ledger::{AccountId, BatchId, PaymentId, TransferId};

use super::ids;
use crate::errors;
use crate::problem::Problem;

/// The account of `/v1/accounts/{id}…`.
pub(super) fn account_in_path(path: &str) -> Result<AccountId, Problem> {
    let id = segment_after(path, "/v1/accounts/")?;
    AccountId::new(&id).map_err(|_| errors::account_id_invalid("id"))
}

/// The transfer of `/v1/transfers/{id}…`.
pub(super) fn transfer_in_path(path: &str) -> Result<TransferId, Problem> {
    let id = segment_after(path, "/v1/transfers/")?;
    ids::uuid(&id)
        .map(TransferId::from_u128)
        .ok_or_else(|| errors::id_invalid("id"))
}

/// The batch of `/v1/batches/{id}`.
pub(super) fn batch_in_path(path: &str) -> Result<BatchId, Problem> {
    let id = segment_after(path, "/v1/batches/")?;
    ids::uuid(&id)
        .map(BatchId::from_u128)
        .ok_or_else(|| errors::id_invalid("id"))
}

/// The operation of `/v1/operations/{id}`.
pub(super) fn operation_in_path(path: &str) -> Result<TransferId, Problem> {
    let id = segment_after(path, "/v1/operations/")?;
    ids::uuid(&id)
        .map(TransferId::from_u128)
        .ok_or_else(|| errors::id_invalid("id"))
}

/// The payment of `/v1/payments/{id}…`.
pub(super) fn payment_in_path(path: &str) -> Result<PaymentId, Problem> {
    let id = segment_after(path, "/v1/payments/")?;
    ids::uuid(&id)
        .map(PaymentId::from_u128)
        .ok_or_else(|| errors::id_invalid("id"))
}

/// The name of `/v1/webhooks/{name}/…`.
pub(super) fn webhook_in_path(path: &str) -> Result<Cow<'_, str>, Problem> {
    segment_after(path, "/v1/webhooks/")
}

fn segment_after<'a>(path: &'a str, prefix: &str) -> Result<Cow<'a, str>, Problem> {
    let Some(rest) = path.strip_prefix(prefix) else {
        unreachable!("the router gives this handler only paths that begin with {prefix}");
    };
    let segment = rest.split_once('/').map_or(rest, |(segment, _)| segment);
    percent_decoded(segment).ok_or_else(errors::path_invalid)
}

/// The text that percent-encoding stands for; `None` where it is not well formed or no UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next()?)?;
            let low = hex_digit(bytes.next()?)?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The value of a hexadecimal digit.
pub(super) const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        for (text, expected) in [
            ("users:42", Some("users:42")),
            ("users%3A42", Some("users:42")),
            ("users%3a42", Some("users:42")),
            ("%C3%A9", Some("é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(text).as_deref(), expected, "{text}");
        }
    }
}
