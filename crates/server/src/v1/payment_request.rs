//! Making a payment: money that leaves the ledger through a processor.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AcceptPayment, Command, Currency, PaymentId, Record};
use serde::Deserialize;

use super::ids::Asked;
use super::notes::{MetadataRequest, notes};
use super::payments::PaymentView;
use super::transfer_request::account_id;
use super::{first_or_again, ids, mark, mark_dry_run};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::problem::Problem;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakePaymentRequest<'a> {
    /// The payment's id, under which the processor gets it; an `Idempotency-Key` can replace it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Text<'a>>,
    /// The account that pays: the amount is reserved at once. Without it the payment comes from outside the
    /// ledger.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "users:42")]
    account_id: Option<Text<'a>>,
    /// The currency, as ISO 4217 has it: that of the account that pays.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "BRL")]
    currency: Text<'a>,
    /// In minor units: 1990 for 19.90 BRL.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1990)]
    amount: Integer,
    /// The text in the statement of the account that pays; no control characters.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 140, example = "invoice 88")]
    description: Text<'a>,
    /// The caller's own text for it, which several payments may share; no control characters. A UUID
    /// is kept in small letters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "order 1017")]
    reference: Option<Text<'a>>,
    /// The caller's own texts by name; at most 1,000 bytes as JSON without blanks. No name is empty, and
    /// nothing has control characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<MetadataRequest<'a>>,
    /// Whether nothing is to be done, and only what would be answered is asked for.
    #[serde(default)]
    dry_run: bool,
}

impl MakePaymentRequest<'_> {
    fn command(&self, asked: &Asked<'_>) -> Result<AcceptPayment, Problem> {
        let body_id = self.id.as_ref().map(|id| &*id.0);
        let payer = self.account_id.as_ref();
        Ok(AcceptPayment {
            id: PaymentId::from_u128(ids::payment_id(body_id, asked)?),
            account_id: payer.map(|id| account_id(id, "account_id")).transpose()?,
            currency: Currency::new(&self.currency.0).map_err(|_| errors::currency_invalid())?,
            amount: self.amount.amount("amount")?,
            description: (&*self.description.0).into(),
            notes: notes(self.reference.as_ref(), self.metadata.as_ref())?,
        })
    }
}

/// Accepts a payment: money that is to leave the ledger through a payment processor.
///
/// Once it is answered, the payment is durable, and it is paid exactly once, or refused and its money free again:
/// `GET /v1/payments/{id}` and the events show which. Of an account that pays, the amount is reserved at once in
/// `debits_pending`; a payment that the account cannot afford is refused here. The same content again returns the
/// first answer, and is not paid again.
#[utoipa::path(
    post, path = "/v1/payments", tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Replaces a missing `id`; a key that is not a UUID is hashed to 128 bits")),
    request_body = MakePaymentRequest,
    responses(
        (status = 201, description = "Accepted, and durable", body = PaymentView),
        (status = 200, description = "Accepted before with this content: the payment as it was accepted, with \
            `Idempotency-Replayed: true`. With `dry_run`: what would be accepted, with `Dry-Run: true`",
            body = PaymentView),
        (status = 400, description = "Not well formed, or without an id"),
        (status = 404, description = "`account_not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "Refused: `insufficient_funds`, `currency_mismatch`, `amount_out_of_range` and \
            others; further members have the figures"),
        (status = 503, description = "`no_processor`: no payment processor, or none for this currency; or the \
            ledger did not answer"),
        (status = 504, description = "The outcome is unknown: ask again with the same id"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn make_payment(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let body = call.body(body).await?;
    let request = json::parse::<MakePaymentRequest<'_>>(&body)?;
    let payment = request.command(&Asked::of(&call, &parts.headers))?;
    let location = format!("/v1/payments/{}", payment.id);
    let command = Command::AcceptPayment(payment);
    let outcome = match request.dry_run {
        false => call.submit(command).await,
        true => call.preview(command).await,
    };
    let outcome = outcome.map_err(errors::of_payment_command)?;
    let (Record::Payment(payment), replayed) = first_or_again(outcome)? else {
        tracing::error!("the engine answered an acceptance without a payment");
        return Err(errors::internal());
    };
    let response = json::respond(StatusCode::OK, &PaymentView::from(&payment));
    if request.dry_run {
        return Ok(mark_dry_run(response, replayed));
    }
    Ok(mark(response, replayed, &location))
}
