//! A face that is asked for a little JSON: the backend's summary, a processor's admin routes.

use std::fmt::Write;

use processor::Decimal;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::requests::REQUEST_TIMEOUT;
use crate::http::{Client, Connections, HttpFailure};
use crate::target::Target;

/// The most connections at once: those of the audit.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// One server.
pub(super) struct Face {
    pub(super) client: Client,
    target: Target,
    token: Option<String>,
}

impl Face {
    pub(super) fn new(target: Target, token: Option<String>) -> Self {
        let connections = Connections::KeptAlive;
        Self {
            client: Client::new(
                target.clone(),
                connections,
                CONNECTIONS_MAX,
                REQUEST_TIMEOUT,
            ),
            target,
            token,
        }
    }

    /// The bytes of a request.
    pub(super) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\n{}", self.target.head());
        if let Some(token) = &self.token {
            // Writing into memory cannot fail.
            let _ = write!(text, "X-Rinha-Token: {token}\r\n");
        }
        let length = body.len();
        let _ = write!(
            text,
            "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        text.into_bytes()
    }

    /// Asks; the status and, where it is 200, what was read from the body.
    pub(super) async fn get<T: for<'a> Deserialize<'a>>(
        &self,
        path: &str,
    ) -> Result<(u16, Option<T>), HttpFailure> {
        let request = self.request("GET", path, "");
        let read = |answer: crate::http::Answer<'_>| {
            let body = (answer.status == 200).then(|| serde_json::from_slice(answer.body));
            (answer.status, body.and_then(Result::ok))
        };
        self.client.exchange(&request, read).await
    }

    /// Tells; the status.
    pub(super) async fn tell(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<u16, HttpFailure> {
        let request = self.request(method, path, body);
        self.client.exchange(&request, |answer| answer.status).await
    }
}

/// Money as a server prints it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Money {
    /// What it is, down to 8 digits after the point.
    pub(super) value: Decimal,
    /// Whether it has more digits, as sums of floating-point numbers have.
    pub(super) is_inexact: bool,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(from)?.get();
        if let Ok(value) = text.parse() {
            return Ok(Self {
                value,
                is_inexact: false,
            });
        }
        let cut = text.find('.').and_then(|point| text.get(..point + 9));
        let value = cut.and_then(|cut| cut.parse().ok());
        let value = value.ok_or_else(|| {
            serde::de::Error::custom(format_args!("{text} is no amount of money"))
        })?;
        Ok(Self {
            value,
            is_inexact: true,
        })
    }
}

/// How many payments, and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Side {
    #[serde(rename = "totalRequests")]
    pub(super) count: u64,
    #[serde(rename = "totalAmount")]
    pub(super) amount: Money,
}

/// The backend's summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct BackendSummary {
    pub(super) default: Side,
    pub(super) fallback: Side,
}

/// A processor's summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct ProcessorSummary {
    #[serde(rename = "totalRequests")]
    count: u64,
    #[serde(rename = "totalAmount")]
    amount: Money,
    #[serde(rename = "feePerTransaction")]
    pub(super) fee: Money,
}

impl ProcessorSummary {
    pub(super) const fn side(self) -> Side {
        Side {
            count: self.count,
            amount: self.amount,
        }
    }
}

/// Something of each processor, in reports too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// Of the cheaper one.
    pub default: T,
    /// Of the other one.
    pub fallback: T,
}

impl Pair<u64> {
    /// Both together.
    #[must_use]
    pub const fn sum(self) -> u64 {
        self.default + self.fallback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_any_backend_are_read() {
        let text = r#"{"fallback": {"totalRequests": 1, "totalAmount": 0.30000000000000004},
                       "default": {"totalAmount": 415542345.98, "totalRequests": 43236}, "more": []}"#;
        let summary: BackendSummary = serde_json::from_str(text).unwrap();
        assert_eq!(summary.default.count, 43_236);
        let money = summary.default.amount;
        assert_eq!(
            (money.value.to_string(), money.is_inexact),
            ("415542345.98".into(), false)
        );
        let money = summary.fallback.amount;
        assert_eq!(
            (money.value.to_string(), money.is_inexact),
            ("0.3".into(), true)
        );
        for wrong in [
            r#"{"totalRequests": 1, "totalAmount": "1"}"#,
            r#"{"totalRequests": 1.5}"#,
        ] {
            assert!(serde_json::from_str::<Side>(wrong).is_err(), "{wrong}");
        }
    }
}
