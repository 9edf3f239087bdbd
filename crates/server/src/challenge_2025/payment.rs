//! `POST /payments`: a payment accepted, to be dispatched.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{AcceptPayment, AccountId, Command, Currency, PaymentId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::DECIMALS;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Text};
use crate::problem::{Problem, REPLAYED};
use crate::v1;

/// What the statement of a paying account says.
const DESCRIPTION: &str = "payment";

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PaymentRequest<'a> {
    #[serde(borrow)]
    #[schema(value_type = String, format = "uuid")]
    correlation_id: Text<'a>,
    /// In reais, with at most two decimals; read as text and never as floating point.
    #[serde(borrow)]
    #[schema(value_type = f64, minimum = 0.01, example = 19.90)]
    amount: &'a RawValue,
    /// The account that pays: its funds are reserved at once. Without it the payment comes from
    /// outside the ledger.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "users:42")]
    account_id: Option<Text<'a>>,
}

impl PaymentRequest<'_> {
    fn command(&self) -> Result<AcceptPayment, Problem> {
        let id = v1::uuid(&self.correlation_id.0);
        let id = id.ok_or_else(|| errors::id_invalid("correlationId"))?;
        let account_id = match &self.account_id {
            Some(text) => {
                let id = AccountId::new(&text.0);
                Some(id.map_err(|_| errors::account_id_invalid("accountId"))?)
            }
            None => None,
        };
        Ok(AcceptPayment {
            id: PaymentId::from_u128(id),
            account_id,
            currency: Currency::new("BRL").map_err(|_| errors::internal())?,
            amount: amount(self.amount.get())?,
            description: DESCRIPTION.into(),
            notes: ledger::Notes::NONE,
        })
    }
}

fn amount(text: &str) -> Result<u64, Problem> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(errors::json_invalid("amount is a number"));
    }
    payments::minor_units(text, DECIMALS).ok_or_else(errors::payment_amount_invalid)
}

/// Accepts a payment: once it is answered, it will be paid exactly once. The same content again
/// returns the first answer and is not paid again.
#[utoipa::path(
    post, path = "/payments", tag = "challenge 2025",
    request_body = PaymentRequest,
    responses(
        (status = 202, description = "Accepted, or accepted before with this content \
            (`Idempotency-Replayed: true`); durable by now"),
        (status = 400, description = "Not well formed"),
        (status = 404, description = "`account_not_found`"),
        crate::openapi::responses::OtherContent,
        (status = 422, description = "`amount_out_of_range`, `insufficient_funds` and others"),
        (status = 503, description = "`no_processor`: no payment processor, or none for this currency; or the \
            ledger did not answer"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn pay(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    json::check_content_type(&parts.headers)?;
    let body = call.challenge_body(body).await?;
    let command = json::parse::<PaymentRequest<'_>>(&body)?.command()?;
    let id = command.id;
    let outcome = call.submit(Command::AcceptPayment(command)).await;
    let outcome = outcome.map_err(errors::of_payment_command)?;
    let (_, replayed) = v1::first_or_again(outcome)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/payments/{id}")) {
        headers.insert(LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
