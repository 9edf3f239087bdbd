//! Opening accounts and looking at them.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{Command, Currency, OpenAccount, Record};
use serde::Deserialize;

use super::path::account_in_path;
use super::transfer_request::account_id;
use super::views::AccountView;
use super::{first_or_again, mark};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::problem::Problem;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenAccountRequest<'a> {
    /// 1 to 64 characters of `A-Z a-z 0-9 _ . : -`, not `.` or `..`; `world:` and `processor:` are the system's.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_.:-]{1,64}$", example = "users:42")]
    pub(super) id: Text<'a>,
    /// A code of ISO 4217, for good.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "BRL")]
    pub(super) currency: Text<'a>,
    /// How far the balance may go below zero, in minor units.
    #[schema(value_type = u64, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 100_000)]
    pub(super) credit_limit: Integer,
}

impl OpenAccountRequest<'_> {
    /// The command; `id_field` is what the body calls the account's id.
    pub(super) fn command(&self, id_field: &'static str) -> Result<OpenAccount, Problem> {
        // In a path these two mean the folder itself and the one above it.
        if matches!(&*self.id.0, "." | "..") {
            return Err(errors::account_id_in_no_path(id_field));
        }
        Ok(OpenAccount {
            id: account_id(&self.id, id_field)?,
            currency: Currency::new(&self.currency.0).map_err(|_| errors::currency_invalid())?,
            credit_limit: self.credit_limit.amount("credit_limit")?,
        })
    }
}

/// Opens an account. The same content again returns the first answer.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "accounts",
    request_body = OpenAccountRequest,
    responses(
        (status = 201, description = "Opened", body = AccountView),
        (status = 200, description = "Opened before with this content: the account as it was \
            opened, with `Idempotency-Replayed: true`", body = AccountView),
        (status = 400, description = "Not well formed"),
        (status = 409, description = "Opened before with other content; `field` names the first \
            that differs"),
        (status = 422, description = "Refused: `account_reserved`, `amount_out_of_range`, \
            `currency_not_current`"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn open_account(call: Call, request: Request) -> Answered {
    json::check_content_type(request.headers())?;
    let body = call.body(request.into_body()).await?;
    let command = json::parse::<OpenAccountRequest<'_>>(&body)?.command("id")?;
    let outcome = call.submit(Command::OpenAccount(command)).await?;
    let (Record::Account { id, account }, replayed) = first_or_again(outcome)? else {
        tracing::error!("the engine answered the opening of an account without an account");
        return Err(errors::internal());
    };
    let response = json::respond(StatusCode::OK, &AccountView::new(&id, &account));
    Ok(mark(response, replayed, &format!("/v1/accounts/{id}")))
}

/// Returns an account's totals, balance and limit.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The account's id", example = "users:42")),
    responses(
        (status = 200, description = "The account as it is", body = AccountView),
        (status = 404, description = "No such account"),
        (status = 400, description = "`account_id_invalid`, `path_invalid`"),
    )
)]
pub(crate) async fn account(call: Call, request: Request) -> Answered {
    let id = account_in_path(request.uri().path())?;
    match call.account(id.clone()).await? {
        Some(account) => Ok(json::respond(
            StatusCode::OK,
            &AccountView::new(&id, &account),
        )),
        None => Err(errors::account_not_found(id.as_str())),
    }
}
