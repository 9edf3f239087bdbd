//! Templates: how a processor is spoken to, and what its answers mean.
//!
//! A template describes two calls by data: the request that records a payment, and the look-up that says whether it
//! is recorded. It turns an answer into one of the meanings of [`crate::answer`] and decides nothing else; an answer
//! that it does not describe is unknown, never good.
//!
//! | file | what it has |
//! |---|---|
//! | `file` | the description as it is written, and its check |
//! | `text` | texts with placeholders |
//! | `rule` | which answers mean what |
//! | `field` | fields of an answer in JSON |
//! | `shipped/*.toml` | the templates that have a name |

mod amount;
mod field;
mod file;
mod rule;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ledger::{Currency, PaymentId};

use crate::answer::{AttemptAnswer, Definite, Found, NotRecorded, classify};
use amount::AmountField;
use field::{FieldPath, TimeField};
pub use file::{TemplateFile, TemplateInvalid, is_reserved};
use rule::Rules;
use text::Text;
pub(crate) use text::{Details, PaymentValues, Values};

/// The templates that have a name, with their descriptions.
const SHIPPED: [(&str, &str); 3] = [
    (Template::DEFAULT, include_str!("shipped/rinha-2025.toml")),
    ("intent", include_str!("shipped/intent.toml")),
    ("transfer", include_str!("shipped/transfer.toml")),
];

/// How a processor is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    health_path: Option<String>,
    request: Call,
    answers: Rules<RequestMeaning>,
    lookup: Call,
    findings: Rules<LookupMeaning>,
    amount: AmountField,
    requested_at: TimeField,
    /// Where the look-up's answer has the payment's id and currency, if it is to be compared.
    id: Option<FieldPath>,
    currency: Option<FieldPath>,
}

/// A call, with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    method: Method,
    path: Text,
    headers: Vec<(HeaderName, Text)>,
    body: Option<Text>,
}

/// A call as it is made.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// What the answer to a request can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestMeaning {
    Recorded,
    AlreadyRecorded,
    Pending,
    Declined,
    NotRecorded,
    NotYet,
    Busy,
    Misdirected,
    Unknown,
}

/// What the answer to a look-up can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookupMeaning {
    Recorded,
    Pending,
    Declined,
    Absent,
}

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) retry_after: Option<Duration>,
}

impl Default for Template {
    fn default() -> Self {
        let Some(template) = Self::named(Self::DEFAULT) else {
            unreachable!("the default is among the shipped ones");
        };
        template
    }
}

impl Template {
    /// The name of the default: the processors of the 2025 challenge.
    pub const DEFAULT: &str = "rinha-2025";

    /// A shipped template; `None` where none has this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        let file = toml::from_str(text).map(|file: TemplateFile| file.check());
        match file {
            Ok(Ok(template)) => Some(template),
            Ok(Err(error)) => unreachable!("a test reads every shipped template: {error}"),
            Err(error) => unreachable!("a test reads every shipped template: {error}"),
        }
    }

    /// The names of the shipped templates.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Where the health report is; `None` where there is none.
    #[must_use]
    pub fn health_path(&self) -> Option<&str> {
        self.health_path.as_deref()
    }

    /// Whether this header names the payment: nothing else may be sent in its place.
    #[must_use]
    pub fn has_id_in(&self, header: &HeaderName) -> bool {
        let headers = self.request.headers.iter().chain(&self.lookup.headers);
        headers
            .into_iter()
            .any(|(name, text)| name == header && text.has_id())
    }

    /// Whether the processor can say that it has a payment and has not decided. What it says of its absence soon after a
    /// restart, of the processor or of this process, is no proof then.
    #[must_use]
    pub fn decides_later(&self) -> bool {
        let answers = self.answers.0.iter().map(|rule| rule.means);
        let findings = self.findings.0.iter().map(|rule| rule.means);
        answers
            .into_iter()
            .any(|means| means == RequestMeaning::Pending)
            || findings
                .into_iter()
                .any(|means| means == LookupMeaning::Pending)
    }

    /// Whether the request has texts of the payment in it that the dispatcher does not keep.
    pub(crate) fn needs_details(&self) -> bool {
        let headers = self.request.headers.iter().map(|(_, text)| text);
        let texts = headers
            .chain([&self.request.path])
            .chain(&self.request.body);
        texts.into_iter().any(Text::needs_details)
    }

    /// The request that records a payment.
    pub(crate) fn request(&self, values: &Values<'_>) -> Option<Outgoing> {
        self.request.fill(values)
    }

    /// The look-up of a payment.
    pub(crate) fn lookup(&self, id: PaymentId) -> Option<Outgoing> {
        self.lookup.fill(&Values::of_id(id))
    }

    /// What the answer to a request means.
    pub(crate) fn judge(&self, answer: Answer<'_>, definite: &[Definite]) -> AttemptAnswer {
        let Answer {
            status,
            body,
            retry_after,
        } = answer;
        match self.answers.find(status, body) {
            Some(RequestMeaning::Recorded) => AttemptAnswer::Recorded,
            Some(RequestMeaning::AlreadyRecorded) => AttemptAnswer::AlreadyRecorded,
            Some(RequestMeaning::Pending) => AttemptAnswer::Pending,
            Some(RequestMeaning::Declined) => AttemptAnswer::Refused,
            Some(RequestMeaning::NotRecorded) => AttemptAnswer::NotRecorded(NotRecorded::Failing),
            Some(RequestMeaning::NotYet) => {
                AttemptAnswer::NotRecorded(NotRecorded::NotYet { retry_after })
            }
            Some(RequestMeaning::Busy) => {
                AttemptAnswer::NotRecorded(NotRecorded::Busy { retry_after })
            }
            Some(RequestMeaning::Misdirected) => AttemptAnswer::Misdirected,
            Some(RequestMeaning::Unknown) => AttemptAnswer::Unknown,
            None if (200..=299).contains(&status) => AttemptAnswer::Unknown,
            None => classify(status, body.is_empty(), retry_after, definite),
        }
    }

    /// What the answer to a look-up means.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub(crate) fn find(
        &self,
        answer: Answer<'_>,
        id: PaymentId,
        currency: Currency,
    ) -> Result<Found, &'static str> {
        let Answer { status, body, .. } = answer;
        match self.findings.find(status, body) {
            // These speak of the caller, of the way or of the moment: they prove nothing, whatever a rule says.
            Some(LookupMeaning::Absent) if SAYS_NOTHING.contains(&status) => {
                Err("a status that says nothing of the payment is not its absence")
            }
            Some(LookupMeaning::Recorded) => {
                self.check_identity(body, id, currency)?;
                Ok(Found::Recorded {
                    amount: self.amount.read(body, currency)?,
                    requested_at: self.requested_at.read(body)?,
                })
            }
            Some(LookupMeaning::Pending) => {
                self.check_identity(body, id, currency)?;
                Ok(Found::Pending)
            }
            Some(LookupMeaning::Declined) => {
                self.check_identity(body, id, currency)?;
                Ok(Found::Declined)
            }
            Some(LookupMeaning::Absent) => Ok(Found::Absent),
            // A proxy in front of it says so, too, when it is gone.
            None if status >= 500 => Ok(Found::Failed),
            None => Err("the template does not say what this answer means"),
        }
    }

    /// Whether the answer is about this payment, as far as it says so.
    fn check_identity(
        &self,
        body: &[u8],
        id: PaymentId,
        currency: Currency,
    ) -> Result<(), &'static str> {
        if let Some(field) = &self.id {
            let told = field.text(body).ok_or("the id is missing")?;
            if !told.eq_ignore_ascii_case(&id.to_string()) {
                return Err("it is about another id");
            }
        }
        if let Some(field) = &self.currency {
            let told = field.text(body).ok_or("the currency is missing")?;
            if !told.eq_ignore_ascii_case(currency.as_str()) {
                return Err("it is in another currency");
            }
        }
        Ok(())
    }
}

/// Statuses of a look-up that are never a payment's absence.
const SAYS_NOTHING: [u16; 9] = [401, 403, 405, 407, 408, 421, 423, 425, 429];

impl Call {
    fn fill(&self, values: &Values<'_>) -> Option<Outgoing> {
        let mut headers = HeaderMap::new();
        for (name, text) in &self.headers {
            let value = HeaderValue::from_str(&text.fill(values)?).ok()?;
            headers.insert(name.clone(), value);
        }
        let body = match &self.body {
            Some(text) => Some(Bytes::from(text.fill(values)?)),
            None => None,
        };
        Some(Outgoing {
            method: self.method.clone(),
            path: self.path.fill(values)?,
            headers,
            body,
        })
    }
}
