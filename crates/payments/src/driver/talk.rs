//! What is said to processors, and how their words are understood.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use ledger::{Currency, HealthReport, LastAnswer, Millis, PaymentId, ProcessorName};
use serde::Deserialize;
use serde_json::value::RawValue;
use stdx::Throttle;

use super::client::{Client, ExchangeFailed, Whole};
use super::config::ProcessorConfig;
use super::gate::{Left, leave_by};
use super::last_answers::{Ended, LastAnswers};
use crate::answer::{AttemptAnswer, Found, NotRecorded, classify};
use crate::decimal::{decimal_text, minor_units};
use crate::dispatcher::SendRequest;
use crate::policy::ProcessorIndex;

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
/// How long a processor has for a question or its health.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);

/// How often one kind of trouble with a processor is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// One processor, as the driver talks to it.
pub(super) struct Talk {
    name: ProcessorName,
    index: ProcessorIndex,
    last_answers: Arc<LastAnswers>,
    payments: Client,
    questions: Client,
    config: ProcessorConfig,
    unknown: Throttle,
    unreachable: Throttle,
    misdirected: Throttle,
    unreadable: Throttle,
}

#[derive(Deserialize)]
struct KeptPayment<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(borrow, rename = "requestedAt")]
    requested_at: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Health {
    failing: bool,
    #[serde(rename = "minResponseTime")]
    delay_min_ms: u64,
}

impl Talk {
    pub(super) fn new(
        name: ProcessorName,
        index: ProcessorIndex,
        config: ProcessorConfig,
        last_answers: Arc<LastAnswers>,
    ) -> Self {
        Self {
            name,
            index,
            last_answers,
            unknown: Throttle::new(WARNING_INTERVAL),
            unreachable: Throttle::new(WARNING_INTERVAL),
            misdirected: Throttle::new(WARNING_INTERVAL),
            unreadable: Throttle::new(WARNING_INTERVAL),
            payments: Client::new(&config, config.timeout),
            questions: Client::new(&config, QUESTION_TIMEOUT.min(config.timeout)),
            config,
        }
    }

    /// Sends a payment, unless its lease would not outlive the request.
    pub(super) async fn send(&self, request: &SendRequest, lease_until: Instant) -> AttemptAnswer {
        let Some(body) = payment_body(request) else {
            // A time that cannot be written: nothing leaves.
            return AttemptAnswer::NotRecorded(NotRecorded::LeaseOver);
        };
        let leave_by = leave_by(lease_until, self.config.timeout);
        let answer = self
            .payments
            .exchange(Method::POST, "/payments", Some(body), leave_by);
        match answer.await {
            Ok(whole) => self.judge(request.id, &whole),
            Err(failure) => {
                let ended = Ended::Failed(&failure.why);
                self.last_answers.keep(request.id, self.index, false, ended);
                match failure.left {
                    Left::Yes => {
                        self.warn_of_unknown(request.id, &failure.why, "");
                        AttemptAnswer::Unknown
                    }
                    Left::No => {
                        self.warn_of_unreachable(&failure.why);
                        AttemptAnswer::NotRecorded(NotRecorded::Unreachable)
                    }
                    Left::TooLate => AttemptAnswer::NotRecorded(NotRecorded::LeaseOver),
                }
            }
        }
    }

    fn judge(&self, id: PaymentId, whole: &Whole) -> AttemptAnswer {
        let status = whole.status.as_u16();
        let retry_after = whole.retry_after(Timestamp::now());
        let definite = &self.config.definite;
        let answer = classify(status, whole.body.is_empty(), retry_after, definite);
        let shown = self.shown(&whole.body);
        if answer != AttemptAnswer::Recorded || declares_failure(&whole.body) {
            let ended = Ended::Answered(status, &shown);
            self.last_answers.keep(id, self.index, false, ended);
        }
        match answer {
            AttemptAnswer::Recorded if declares_failure(&whole.body) => {
                let why = format!("it answered {status} and declares a failure");
                self.warn_of_unknown(id, &why, &beginning(&shown));
                AttemptAnswer::Unknown
            }
            AttemptAnswer::Unknown => {
                let why = format!("it answered {status}");
                self.warn_of_unknown(id, &why, &beginning(&shown));
                AttemptAnswer::Unknown
            }
            AttemptAnswer::Misdirected => {
                if let Some(held_back) = self.misdirected.pass() {
                    tracing::error!(
                        processor = %self.name, payment_id = %id, status, held_back,
                        answer = %beginning(&shown),
                        "processor {} answers {status}, which is about its URL, the credentials or \
                         the way to it: payments wait. Correct the configuration", self.name
                    );
                }
                AttemptAnswer::Misdirected
            }
            AttemptAnswer::Recorded
            | AttemptAnswer::AlreadyRecorded
            | AttemptAnswer::NotRecorded(_)
            | AttemptAnswer::Refused => answer,
        }
    }

    fn warn_of_unknown(&self, id: PaymentId, why: &str, answer: &str) {
        if let Some(held_back) = self.unknown.pass() {
            tracing::warn!(
                processor = %self.name, payment_id = %id, why, answer, held_back,
                "payment {id} may be recorded by processor {}: {why}. It is asked by id until it \
                 is known", self.name
            );
        }
    }

    /// Nothing has left, and nothing is recorded.
    fn warn_of_unreachable(&self, why: &str) {
        if let Some(held_back) = self.unreachable.pass() {
            tracing::warn!(
                processor = %self.name, why, held_back,
                "processor {} cannot be reached: {why}. Its payments wait, or go to another one. Look at its address, \
                 at the network and, with https://, at the certificates", self.name
            );
        }
    }

    /// A body as it may be shown to operators.
    fn shown<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        self.config.access.current().hide(body)
    }

    /// Asks whether a payment is recorded.
    pub(super) async fn find(&self, id: PaymentId, currency: Currency) -> Found {
        let path = format!("/payments/{id}");
        let answer = self.ask(&path).await;
        let shown;
        let ended = match &answer {
            Ok(whole) => {
                shown = self.shown(&whole.body);
                Ended::Answered(whole.status.as_u16(), &shown)
            }
            Err(failure) => Ended::Failed(&failure.why),
        };
        self.last_answers.keep(id, self.index, true, ended);
        match answer.map(|whole| (whole.status, whole.body)) {
            Ok((StatusCode::OK, body)) => kept(&body, currency).unwrap_or_else(|why| {
                self.warn_of_unreadable(id, why, &body);
                Found::Unclear
            }),
            Ok((StatusCode::NOT_FOUND, _)) => Found::Absent,
            Ok((status, body)) => {
                self.warn_of_unreadable(id, status.as_str(), &body);
                // A proxy in front of it says so, too, when it is gone.
                if status.is_server_error() {
                    Found::Failed
                } else {
                    Found::Unclear
                }
            }
            Err(failure) => {
                if failure.left == Left::No {
                    self.warn_of_unreachable(&failure.why);
                }
                Found::Failed
            }
        }
    }

    fn warn_of_unreadable(&self, id: PaymentId, why: &str, body: &[u8]) {
        if let Some(held_back) = self.unreadable.pass() {
            tracing::warn!(
                processor = %self.name, payment_id = %id, why, answer = %beginning(&self.shown(body)), held_back,
                "processor {} was asked for payment {id}, and its answer cannot be read ({why}): the \
                 payment stays bound to it until an answer can be read or an operator resolves it", self.name
            );
        }
    }

    /// Asks for the processor's health.
    pub(super) async fn health(&self) -> Option<HealthReport> {
        let whole = self.ask(&self.config.health_path).await.ok()?;
        let health: Health = serde_json::from_slice(&whole.body).ok()?;
        (whole.status == StatusCode::OK).then_some(HealthReport {
            failing: health.failing,
            delay_min: Duration::from_millis(health.delay_min_ms),
            age: Duration::ZERO,
        })
    }

    async fn ask(&self, path: &str) -> Result<Whole, ExchangeFailed> {
        let leave_by = Instant::now() + QUESTION_TIMEOUT;
        let whole = self.questions.exchange(Method::GET, path, None, leave_by);
        whole.await
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

/// The payment that the processor shows. It is read generously: an amount may be a number or text,
/// and a time without an offset is UTC.
fn kept(body: &[u8], currency: Currency) -> Result<Found, &'static str> {
    let payment: KeptPayment<'_> = serde_json::from_slice(body)
        .map_err(|_| "no JSON object with amount and requestedAt as text")?;
    let amount = payment.amount.get();
    let amount: Cow<'_, str> = if amount.starts_with('"') {
        serde_json::from_str(amount).map_err(|_| "the amount is no text")?
    } else {
        Cow::Borrowed(amount)
    };
    if amount.parse::<serde_json::Number>().is_err() {
        return Err("the amount is no number");
    }
    let requested_at = time(&payment.requested_at).ok_or("requestedAt is no time")?;
    let requested_at =
        u64::try_from(requested_at.as_millisecond()).map_err(|_| "requestedAt is before 1970")?;
    Ok(Found::Recorded {
        amount: minor_units(&amount, currency.decimals()),
        requested_at: Millis(requested_at),
    })
}

fn time(text: &str) -> Option<Timestamp> {
    let without_offset = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    };
    text.parse().ok().or_else(without_offset)
}

/// Whether the body of a good answer declares a failure.
fn declares_failure(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Declared<'a> {
        success: Option<bool>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        #[serde(borrow)]
        status: Option<&'a RawValue>,
    }
    // Most answers say none of these, and are not read.
    let says = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
    if !(says(b"\"success\"") || says(b"\"error\"") || says(b"\"status\"")) {
        return false;
    }
    let Ok(declared) = serde_json::from_slice::<Declared<'_>>(body) else {
        return false;
    };
    let is_nothing = |error: &&RawValue| matches!(error.get(), "null" | "false" | "\"\"");
    let status = declared.status.map_or("", |status| status.get());
    let status = status.trim_matches('"').to_ascii_lowercase();
    declared.success == Some(false)
        || declared.error.is_some_and(|error| !is_nothing(&error))
        || ["failed", "failure", "error", "declined", "rejected"].contains(&status.as_str())
}

fn beginning(body: &[u8]) -> String {
    LastAnswer::text(body)
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
            processor: ProcessorIndex::new(0),
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
        assert_eq!(kept(&body, currency), Ok(found));
        let other = br#"{"amount": 19.901, "requestedAt": "2025-07-15T12:34:56.007Z"}"#;
        assert!(matches!(
            kept(other, currency),
            Ok(Found::Recorded { amount: None, .. })
        ));
        for bad in [
            "{}",
            "",
            r#"{"amount": "19,90", "requestedAt": "2025-07-15T12:34:56.007Z"}"#,
            r#"{"amount": 19.90, "requestedAt": "yesterday"}"#,
            r#"{"amount": {}, "requestedAt": "2025-07-15T12:34:56.007Z"}"#,
        ] {
            assert!(kept(bad.as_bytes(), currency).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_others_write_is_read_generously() {
        let currency = Currency::new("BRL").unwrap();
        for (amount, requested_at, millis) in [
            ("19.90", "2025-07-15T12:34:56.007", 1_752_582_896_007),
            ("\"19.90\"", "2025-07-15 12:34:56.007123", 1_752_582_896_007),
            ("1.99e1", "2025-07-15T09:34:56.007-03:00", 1_752_582_896_007),
            ("\"19.9\"", "2025-07-15T12:34:56", 1_752_582_896_000),
            ("19.900", "2025-07-15T12:34Z", 1_752_582_840_000),
        ] {
            let body = format!(r#"{{"amount": {amount}, "requestedAt": "{requested_at}"}}"#);
            let found = Found::Recorded {
                amount: Some(1_990),
                requested_at: Millis(millis),
            };
            assert_eq!(kept(body.as_bytes(), currency), Ok(found), "{body}");
        }
    }

    #[test]
    fn a_good_status_with_a_declared_failure_is_no_good_answer() {
        for body in [
            r#"{"success": false}"#,
            r#"{"status": "FAILED", "id": 1}"#,
            r#"{"error": {"code": 7}}"#,
            r#"{"error": "no funds"}"#,
        ] {
            assert!(declares_failure(body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "OK",
            r#"{"message": "payment processed successfully"}"#,
            r#"{"success": true, "error": null, "status": "recorded"}"#,
            r#"{"status": 200, "error": ""}"#,
            r#"["error"]"#,
        ] {
            assert!(!declares_failure(body.as_bytes()), "{body}");
        }
    }
}
