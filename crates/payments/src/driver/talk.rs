//! What is said to processors, and how their words are understood.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use ledger::{Currency, HealthReport, LastAnswer, PaymentId, ProcessorName};
use serde::Deserialize;
use stdx::Throttle;

use super::client::{Client, ExchangeFailed, Whole};
use super::config::ProcessorConfig;
use super::gate::{Left, leave_by};
use super::last_answers::{Ended, LastAnswers};
use crate::answer::{AttemptAnswer, Found, NotRecorded};
use crate::dispatcher::SendRequest;
use crate::policy::ProcessorIndex;
use crate::template::{Answer, Details, Outgoing, PaymentValues, Values};

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

    /// Whether a request needs texts of the payment that the dispatcher does not keep.
    pub(super) fn needs_details(&self) -> bool {
        self.config.template.needs_details()
    }

    /// Sends a payment, unless its lease would not outlive the request.
    pub(super) async fn send(
        &self,
        request: &SendRequest,
        details: &Details,
        lease_until: Instant,
    ) -> AttemptAnswer {
        let Some(outgoing) = self.outgoing(request, details) else {
            // A time that cannot be written: nothing leaves.
            return AttemptAnswer::NotRecorded(NotRecorded::LeaseOver);
        };
        let leave_by = leave_by(lease_until, self.config.timeout);
        let answer = self.payments.exchange(&outgoing, leave_by);
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

    fn outgoing(&self, request: &SendRequest, details: &Details) -> Option<Outgoing> {
        let requested_at = i64::try_from(request.requested_at.0).ok()?;
        let requested_at = Timestamp::from_millisecond(requested_at).ok()?;
        let mut text = String::new();
        MILLISECONDS
            .print_timestamp(&requested_at, &mut text)
            .ok()?;
        self.config.template.request(&Values {
            id: request.id,
            payment: Some(PaymentValues {
                amount: request.amount,
                currency: request.currency,
                requested_at: &text,
                details,
            }),
        })
    }

    fn judge(&self, id: PaymentId, whole: &Whole) -> AttemptAnswer {
        let status = whole.status.as_u16();
        let answer = Answer {
            status,
            body: &whole.body,
            retry_after: whole.retry_after(Timestamp::now()),
        };
        let answer = self.config.template.judge(answer, &self.config.definite);
        let shown = self.shown(&whole.body);
        if answer != AttemptAnswer::Recorded {
            let ended = Ended::Answered(status, &shown);
            self.last_answers.keep(id, self.index, false, ended);
        }
        match answer {
            AttemptAnswer::Unknown => {
                let why = match whole.status.is_success() {
                    true => format!("it answered {status}, but not that it has recorded it"),
                    false => format!("it answered {status}"),
                };
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
            | AttemptAnswer::Pending
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
        let Some(outgoing) = self.config.template.lookup(id) else {
            unreachable!("an id can be written everywhere");
        };
        let whole = match self.ask(&outgoing).await {
            Ok(whole) => whole,
            Err(failure) => {
                let ended = Ended::Failed(&failure.why);
                self.last_answers.keep(id, self.index, true, ended);
                if failure.left == Left::No {
                    self.warn_of_unreachable(&failure.why);
                }
                return Found::Failed;
            }
        };
        let status = whole.status.as_u16();
        let ended = Ended::Answered(status, &self.shown(&whole.body));
        self.last_answers.keep(id, self.index, true, ended);
        let answer = Answer {
            status,
            body: &whole.body,
            retry_after: None,
        };
        match self.config.template.find(answer, id, currency) {
            Ok(Found::Failed) => {
                self.warn_of_unreadable(id, whole.status.as_str(), &whole.body);
                Found::Failed
            }
            Ok(found) => found,
            Err(why) => {
                let why = format!("status {status}: {why}");
                self.warn_of_unreadable(id, &why, &whole.body);
                Found::Unclear
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
        let outgoing = Outgoing {
            method: Method::GET,
            path: self.config.health_path.clone(),
            headers: HeaderMap::new(),
            body: None,
        };
        let whole = self.ask(&outgoing).await.ok()?;
        let health: Health = serde_json::from_slice(&whole.body).ok()?;
        (whole.status == StatusCode::OK).then_some(HealthReport {
            failing: health.failing,
            delay_min: Duration::from_millis(health.delay_min_ms),
            age: Duration::ZERO,
        })
    }

    async fn ask(&self, outgoing: &Outgoing) -> Result<Whole, ExchangeFailed> {
        let leave_by = Instant::now() + QUESTION_TIMEOUT;
        self.questions.exchange(outgoing, leave_by).await
    }
}

fn beginning(body: &[u8]) -> String {
    LastAnswer::text(body)
}
