//! A payment as it is sent to a processor, and as it is kept.

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize as DeriveDeserialize, Serialize};
use uuid::Uuid;

use crate::Decimal;

/// A payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, DeriveDeserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id: a processor records each only once.
    pub correlation_id: Uuid,
    /// How much.
    #[serde(deserialize_with = "amount")]
    pub amount: Decimal,
    /// When it was sent, as the sender says. Summaries count by it.
    #[serde(serialize_with = "in_milliseconds", deserialize_with = "timestamp")]
    pub requested_at: Timestamp,
}

/// Above 0, and fine enough for an exact fee.
fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let amount = Decimal::deserialize(from)?;
    if amount > Decimal::ZERO && amount.is_factor() {
        return Ok(amount);
    }
    let why = "an amount is above 0 and has at most 4 digits after the point";
    Err(D::Error::custom(format_args!("{amount}: {why}")))
}

fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse()
        .map_err(|error| D::Error::custom(format_args!("{text}: {error}")))
}

fn in_milliseconds<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    // Finer than that only where the sender was.
    if at.subsec_nanosecond() % 1_000_000 == 0 {
        return to.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"));
    }
    to.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";

    fn read(amount: &str, requested_at: &str) -> Result<Payment, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"correlationId":"{ID}","amount":{amount},"requestedAt":"{requested_at}"}}"#
        ))
    }

    #[test]
    fn payments_are_printed_as_they_were_sent() {
        for (amount, requested_at) in [
            ("19.9", "2025-07-15T12:34:56.000Z"),
            ("0.0001", "2025-07-15T12:34:56.789Z"),
            ("1", "2025-07-15T12:34:56.000001Z"),
        ] {
            let payment = read(amount, requested_at).unwrap();
            let text = serde_json::to_string(&payment).unwrap();
            let expected = format!(
                r#"{{"correlationId":"{ID}","amount":{amount},"requestedAt":"{requested_at}"}}"#
            );
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_is_no_payment_is_refused() {
        for (amount, requested_at) in [
            ("0", "2025-07-15T12:34:56.000Z"),
            ("-1", "2025-07-15T12:34:56.000Z"),
            ("0.00001", "2025-07-15T12:34:56.000Z"),
            ("\"1\"", "2025-07-15T12:34:56.000Z"),
            ("1", "yesterday"),
        ] {
            assert!(
                read(amount, requested_at).is_err(),
                "{amount} {requested_at}"
            );
        }
    }
}
