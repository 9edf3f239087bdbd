//! Making a payment, looking at it, and ending one that only an operator can end.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{
    Command, Millis, Note, Payment, PaymentExpected, PaymentId, PaymentState, ProcessorName,
    Record, Resolution, ResolutionKind, ResolvePayment, Unsettled, UsedPayment,
};
use serde::{Deserialize, Serialize};

use super::first_or_again;
use super::notes::{self, MetadataView};
use super::path::payment_in_path;
use super::unsettled::{self, DispatchView};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::mapping::refused_before;
use crate::problem::Problem;
use crate::rfc3339::{self, Nanos};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PaymentView<'a> {
    #[schema(value_type = String, format = "uuid")]
    id: String,
    /// `accepted`, `sent`, `settled` or `refused`.
    #[schema(example = "settled")]
    state: &'static str,
    /// Number of times that it was sent.
    attempt: u32,
    /// The account that pays; missing if the payment comes from outside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[schema(example = "BRL")]
    currency: &'a str,
    /// In minor units.
    #[schema(example = 1990)]
    amount: u64,
    /// The caller's own text for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "order 1017")]
    reference: Option<&'a str>,
    /// The caller's own texts by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<MetadataView<'a>>,
    /// The processor that it is sent to, or that has recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "default")]
    processor: Option<&'a str>,
    /// The time that was sent to the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    requested_at: Option<Nanos>,
    /// Why it was refused: `processor_refused`, `purged` or `operator_refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Nanos,
    /// When its state last changed.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
    /// What operators decided about it, newest first, the newest 100; only in the answer to `GET`,
    /// and missing if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    resolutions: Vec<ResolutionView<'a>>,
    /// Its state where it is dispatched, by this node or the ledger node behind it; only in the
    /// answer to `GET`. Of a payment that is `sent`, `null` if another node dispatches it, or if
    /// that is not known at the moment; of others, missing if nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DispatchView>)]
    dispatch: Option<Option<DispatchView<'a>>>,
}

/// A decision of an operator, kept for good.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ResolutionView<'a> {
    /// `settled`, `release` or `refuse`.
    #[schema(example = "release")]
    resolution: &'static str,
    /// The attempt that the operator saw.
    attempt: u32,
    /// The processor that it was sent to; missing if it was waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "default")]
    processor: Option<&'a str>,
    /// The time under which the processor counts it: `settled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    requested_at: Option<Nanos>,
    /// Who decided.
    #[schema(example = "ana")]
    who: &'a str,
    /// The operator's reason.
    #[schema(example = "they have no record of it")]
    why: &'a str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
}

impl<'a> From<&'a Resolution> for ResolutionView<'a> {
    fn from(resolution: &'a Resolution) -> Self {
        let requested_at = match resolution.kind {
            ResolutionKind::Settled { requested_at } => Some(Nanos(nanos(requested_at))),
            ResolutionKind::Release | ResolutionKind::Refuse => None,
        };
        Self {
            resolution: resolution.kind.as_str(),
            attempt: resolution.attempt,
            processor: resolution.processor.as_ref().map(ProcessorName::as_str),
            requested_at,
            who: resolution.who.as_str(),
            why: resolution.why.as_str(),
            timestamp: Nanos(resolution.timestamp),
        }
    }
}

impl<'a> From<&'a Payment> for PaymentView<'a> {
    fn from(payment: &'a Payment) -> Self {
        let (sent, code) = match &payment.state {
            PaymentState::Accepted => (None, None),
            PaymentState::Sent {
                processor,
                requested_at,
            }
            | PaymentState::Settled {
                processor,
                requested_at,
            } => (Some((processor.as_str(), *requested_at)), None),
            PaymentState::Refused { code } => (None, Some(code.as_str())),
        };
        let (reference, metadata) = notes::shown(&payment.notes);
        Self {
            id: payment.id.to_string(),
            state: payment.state.name().as_str(),
            attempt: payment.attempt,
            account_id: payment.account_id.as_ref().map(ledger::AccountId::as_str),
            currency: payment.currency.as_str(),
            amount: payment.amount,
            reference,
            metadata,
            processor: sent.map(|(name, _)| name),
            requested_at: sent.map(|(_, at)| Nanos(nanos(at))),
            code,
            accepted_at: Nanos(payment.accepted_at),
            timestamp: Nanos(payment.timestamp),
            resolutions: Vec::new(),
            dispatch: None,
        }
    }
}

const fn nanos(at: Millis) -> ledger::Timestamp {
    ledger::Timestamp::from_nanos(at.0.saturating_mul(1_000_000))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveRequest<'a> {
    /// `settled`: the processor has it. `release`: it does not and never will; the payment waits
    /// again. `refuse`: the payment is given up, and what was reserved is free.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^(settled|release|refuse)$", example = "settled")]
    resolution: Text<'a>,
    /// The attempt that the operator saw: if the payment has another one by now, nothing is done.
    #[schema(value_type = u32, example = 1)]
    attempt: Integer,
    /// The time under which the processor counts it, if that differs from the time that was sent to it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    requested_at: Option<Text<'a>>,
    /// Who decides: kept with the payment.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "ana")]
    who: Text<'a>,
    /// The operator's reason.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "on their statement")]
    why: Text<'a>,
}

/// Returns a payment as it is now, and what operators decided about it.
#[utoipa::path(
    get, path = "/v1/payments/{id}", tag = "payments",
    params(("id" = String, Path, description = "The payment's id")),
    responses(
        (status = 200, description = "The payment", body = PaymentView),
        (status = 404, description = "No payment has this id. If a refused one used it, `refused` is the code of the \
            refusal and `refusal` the problem that was answered, with its figures"),
        (status = 400, description = "`id_invalid`, `path_invalid`"),
    )
)]
pub(crate) async fn payment_by_id(call: Call, request: Request) -> Answered {
    let id = payment_in_path(request.uri().path())?;
    let payment = find(&call, id).await?;
    let resolutions = call.resolutions(id).await?;
    // The payment is answered also if its dispatcher cannot be asked.
    let dispatched = call.dispatched(unsettled::of_payment(id)).await.ok();
    let dispatched = dispatched.as_deref().unwrap_or(&[]);
    let is_conflict = |dispatched: &&Unsettled| dispatched.state.is_conflict();
    let dispatched = dispatched
        .iter()
        .find(is_conflict)
        .or_else(|| dispatched.first());
    let dispatched = dispatched.map(DispatchView::from);
    let is_sent = matches!(payment.state, PaymentState::Sent { .. });
    // A resolution that came after the payment was read did not lead to the state that is answered.
    let until_then = |resolution: &&Resolution| resolution.timestamp <= payment.timestamp;
    let view = PaymentView {
        resolutions: resolutions
            .iter()
            .filter(until_then)
            .map(ResolutionView::from)
            .collect(),
        dispatch: (is_sent || dispatched.is_some()).then_some(dispatched),
        ..PaymentView::from(&payment)
    };
    Ok(json::respond(StatusCode::OK, &view))
}

async fn find(call: &Call, id: PaymentId) -> Result<Payment, Problem> {
    let not_found = || Problem::from(&ledger::Refusal::PaymentNotFound { payment_id: id });
    match call.payment(id).await? {
        Some(UsedPayment::Accepted(payment)) => Ok(payment),
        Some(UsedPayment::Refused(_, refusal)) => {
            let what = format_args!("the payment {id}");
            Err(refused_before(not_found(), what, &refusal))
        }
        None => Err(not_found()),
    }
}

/// Ends a payment that the server cannot end itself: its processor does not report the outcome, or
/// reports another amount.
#[utoipa::path(
    post, path = "/v1/payments/{id}/resolve", tag = "payments",
    params(("id" = String, Path, description = "The payment's id")),
    request_body = ResolveRequest,
    responses(
        (status = 200, description = "As it is now", body = PaymentView),
        (status = 400, description = "Not well formed"),
        (status = 404, description = "`payment_not_found`"),
        (status = 422, description = "`payment_in_other_state`, `description_invalid`, \
            `payment_under_way`: look again at `until`"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn resolve_payment(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let id = payment_in_path(parts.uri.path())?;
    json::check_content_type(&parts.headers)?;
    let body = call.body(body).await?;
    let resolve = json::parse::<ResolveRequest<'_>>(&body)?;
    let who = note(&resolve.who, WHO_INVALID)?;
    let why = note(&resolve.why, WHY_INVALID)?;
    let payment = find(&call, id).await?;
    let command = Command::ResolvePayment(ResolvePayment {
        id,
        expected: expected(&resolve, &payment)?,
        kind: kind(&resolve, &payment)?,
        who,
        why,
        send_lease: Duration::ZERO,
    });
    let (Record::Payment(after), _) = first_or_again(call.submit(command).await?)? else {
        tracing::error!("the engine answered a resolution without a payment");
        return Err(errors::internal());
    };
    Ok(json::respond(StatusCode::OK, &PaymentView::from(&after)))
}

/// What is said of an operator's texts that do not have their form.
pub(super) const WHO_INVALID: &str =
    "who has 1 to 140 characters, something visible among them and no control characters";
pub(super) const WHY_INVALID: &str =
    "why has 1 to 140 characters, something visible among them and no control characters";

/// Of the form that was ever taken: whether a new one may have it is the ledger's to say, which
/// returns the first outcome where the payment was resolved so before.
fn note(text: &Text<'_>, detail: &'static str) -> Result<Note, Problem> {
    Note::kept(&text.0).map_err(|_| errors::description_invalid(detail))
}

/// The payment as it was looked at: in the state it has, at the attempt that is named.
fn expected(resolve: &ResolveRequest<'_>, payment: &Payment) -> Result<PaymentExpected, Problem> {
    let attempt = resolve.attempt.amount("attempt")?;
    Ok(PaymentExpected {
        // No payment has so many attempts: the ledger refuses it as any other wrong attempt.
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        ..payment.standing()
    })
}

fn kind(resolve: &ResolveRequest<'_>, payment: &Payment) -> Result<ResolutionKind, Problem> {
    let sent_at = match &payment.state {
        PaymentState::Sent { requested_at, .. } | PaymentState::Settled { requested_at, .. } => {
            Some(*requested_at)
        }
        PaymentState::Accepted | PaymentState::Refused { .. } => None,
    };
    let requested_at = match &resolve.requested_at {
        Some(text) => {
            let at = rfc3339::parse(&text.0).ok_or_else(|| errors::time_invalid("requested_at"))?;
            Millis(at.as_nanos() / 1_000_000)
        }
        // A payment that was never sent cannot be settled by hand: the ledger refuses it, whatever the
        // time. The other resolutions have no time.
        None => sent_at.unwrap_or(Millis(0)),
    };
    Ok(match &*resolve.resolution.0 {
        "settled" => ResolutionKind::Settled { requested_at },
        "release" => ResolutionKind::Release,
        "refuse" => ResolutionKind::Refuse,
        _ => {
            let detail = "resolution is `settled`, `release` or `refuse`";
            return Err(errors::json_invalid(detail));
        }
    })
}
