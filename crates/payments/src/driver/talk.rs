//! What is said to processors, and how their words are understood.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use ledger::{Currency, HealthReport, Millis, PaymentId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Client;
use super::config::ProcessorConfig;
use super::gate::{Left, leave_by};
use crate::answer::{Answer, Found, NotRecorded, classify};
use crate::decimal::{decimal_text, minor_units};
use crate::dispatcher::SendRequest;

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
/// How long a processor has for a question or its health.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);

/// One processor, as the driver talks to it.
pub(super) struct Talk {
    payments: Client,
    questions: Client,
    config: ProcessorConfig,
}

#[derive(Deserialize)]
struct KeptPayment<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(rename = "requestedAt")]
    requested_at: Timestamp,
}

#[derive(Deserialize)]
struct Health {
    failing: bool,
    #[serde(rename = "minResponseTime")]
    delay_min_ms: u64,
}

impl Talk {
    pub(super) fn new(config: ProcessorConfig) -> Self {
        Self {
            payments: Client::new(config.url.clone(), config.timeout),
            questions: Client::new(config.url.clone(), QUESTION_TIMEOUT.min(config.timeout)),
            config,
        }
    }

    /// Sends a payment, unless its lease would not outlive the request.
    pub(super) async fn send(&self, request: &SendRequest, lease_until: Instant) -> Answer {
        let Some(body) = payment_body(request) else {
            // A time that cannot be written: nothing leaves.
            return Answer::NotRecorded(NotRecorded::LeaseOver);
        };
        let leave_by = leave_by(lease_until, self.config.timeout);
        let answer = self
            .payments
            .exchange(Method::POST, "/payments", Some(body), leave_by);
        match answer.await {
            Ok(whole) => classify(
                whole.status.as_u16(),
                whole.body.is_empty(),
                whole.retry_after(),
                &self.config.definite,
            ),
            Err(Left::Yes) => Answer::Unknown,
            Err(Left::No) => Answer::NotRecorded(NotRecorded::Unreachable),
            Err(Left::TooLate) => Answer::NotRecorded(NotRecorded::LeaseOver),
        }
    }

    /// Asks whether a payment is recorded.
    pub(super) async fn find(&self, id: PaymentId, currency: Currency) -> Found {
        let path = format!("/payments/{id}");
        match self.ask(&path).await {
            Some((StatusCode::OK, body)) => kept(&body, currency),
            Some((StatusCode::NOT_FOUND, _)) => Found::Absent,
            _ => Found::Failed,
        }
    }

    /// Asks for the processor's health.
    pub(super) async fn health(&self) -> Option<HealthReport> {
        let (status, body) = self.ask(&self.config.health_path).await?;
        let health: Health = serde_json::from_slice(&body).ok()?;
        (status == StatusCode::OK).then_some(HealthReport {
            failing: health.failing,
            delay_min: Duration::from_millis(health.delay_min_ms),
            age: Duration::ZERO,
        })
    }

    async fn ask(&self, path: &str) -> Option<(StatusCode, Bytes)> {
        let leave_by = Instant::now() + QUESTION_TIMEOUT;
        let whole = self.questions.exchange(Method::GET, path, None, leave_by);
        let whole = whole.await.ok()?;
        Some((whole.status, whole.body))
    }
}

fn payment_body(request: &SendRequest) -> Option<Bytes> {
    let requested_at = i64::try_from(request.requested_at.0).ok()?;
    let requested_at = Timestamp::from_millisecond(requested_at).ok()?;
    let mut text = String::new();
    MILLISECONDS
        .print_timestamp(&requested_at, &mut text)
        .ok()?;
    let amount = decimal_text(request.amount.into(), request.currency.decimals());
    let id = request.id;
    Some(Bytes::from(format!(
        r#"{{"correlationId":"{id}","amount":{amount},"requestedAt":"{text}"}}"#
    )))
}

fn kept(body: &[u8], currency: Currency) -> Found {
    let Ok(payment) = serde_json::from_slice::<KeptPayment<'_>>(body) else {
        return Found::Failed;
    };
    let Ok(requested_at) = u64::try_from(payment.requested_at.as_millisecond()) else {
        return Found::Failed;
    };
    Found::Recorded {
        amount: minor_units(payment.amount.get(), currency.decimals()),
        requested_at: Millis(requested_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_written_and_read_exactly() {
        let currency = Currency::new("BRL").unwrap();
        let request = SendRequest {
            id: PaymentId::from_u128(1),
            attempt: 1,
            processor: 0,
            amount: 1_990,
            currency,
            requested_at: Millis(1_752_582_896_007),
            lease_until: Duration::ZERO,
        };
        let body = payment_body(&request).unwrap();
        let expected = r#"{"correlationId":"00000000-0000-0000-0000-000000000001","amount":19.90,"requestedAt":"2025-07-15T12:34:56.007Z"}"#;
        assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
        let found = Found::Recorded {
            amount: Some(1_990),
            requested_at: request.requested_at,
        };
        assert_eq!(kept(&body, currency), found);
        let other = br#"{"amount": 19.901, "requestedAt": "2025-07-15T12:34:56.007Z"}"#;
        assert!(matches!(
            kept(other, currency),
            Found::Recorded { amount: None, .. }
        ));
        assert_eq!(kept(b"{}", currency), Found::Failed);
    }
}
