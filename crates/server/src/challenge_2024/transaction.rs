//! `POST /clientes/{id}/transacoes`: a credit or a debit against the outside.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{
    AMOUNT_MAX, AccountId, Command, Currency, MoveMoney, Record, TransferId, is_description,
};
use serde::{Deserialize, Serialize};

use super::{account_id, no_account};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Integer, Text};
use crate::problem::Problem;
use crate::v1::minted_id;

const DESCRIPTION_LENGTH_MAX: usize = 10;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionRequest<'a> {
    /// In centavos.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    valor: Integer,
    /// `c` for a credit, `d` for a debit.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^[cd]$", example = "c")]
    tipo: Text<'a>,
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 10, example = "descricao")]
    descricao: Text<'a>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TransactionAnswer {
    /// The account's limit, in centavos.
    #[schema(example = 100_000)]
    limite: u64,
    /// The account's balance right after the transaction, in centavos.
    #[schema(example = -9098)]
    saldo: i64,
}

/// Credits or debits an account.
#[utoipa::path(
    post, path = "/clientes/{id}/transacoes", tag = "challenge 2024",
    params(("id" = String, Path, description = "1 to 5")),
    request_body = TransactionRequest,
    responses(
        (status = 200, description = "Done", body = TransactionAnswer),
        (status = 404, description = "No such account"),
        (status = 422, description = "An invalid body, or a debit beyond the limit"),
    )
)]
pub(crate) async fn transact(call: Call, request: Request) -> Answered {
    let account_id = account_id(request.uri().path())?;
    let command = match read_command(&call, &account_id, request).await {
        Ok(command) => command,
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => {
            return Err(unless_unknown(&call, account_id, problem).await);
        }
        Err(problem) => return Err(problem),
    };
    let outcome = call.submit(Command::Transfer(command)).await?;
    let record = outcome.result.map_err(|refusal| Problem::from(&refusal))?;
    let after = match &record {
        Record::Transfer(transfer) => transfer.after(&account_id),
        _ => None,
    };
    let Some(after) = after else {
        tracing::error!(%account_id, "the engine answered a transfer without the balance of its limited account");
        return Err(errors::internal());
    };
    let answer = TransactionAnswer {
        limite: after.credit_limit,
        saldo: after.balance,
    };
    Ok(json::respond(StatusCode::OK, &answer))
}

async fn read_command(
    call: &Call,
    account_id: &AccountId,
    request: Request,
) -> Result<MoveMoney, Problem> {
    let content_type = json::check_content_type(request.headers());
    let body = call.challenge_body(request.into_body()).await?;
    content_type
        .and_then(|()| json::parse(&body))
        .and_then(|transaction| command(call, account_id, &transaction))
        .map_err(|problem| problem.with_status(StatusCode::UNPROCESSABLE_ENTITY))
}

fn command(
    call: &Call,
    account_id: &AccountId,
    transaction: &TransactionRequest<'_>,
) -> Result<MoveMoney, Problem> {
    // The form is judged here and not left to the ledger, so that an account that is not open is
    // told apart from an invalid body.
    let amount = transaction.valor.amount("valor")?;
    if !(1..=AMOUNT_MAX).contains(&amount) {
        return Err(errors::amount_out_of_range("valor"));
    }
    let is_credit = match &*transaction.tipo.0 {
        "c" => true,
        "d" => false,
        _ => return Err(errors::json_invalid("tipo is `c` or `d`")),
    };
    let description = &*transaction.descricao.0;
    if description.chars().count() > DESCRIPTION_LENGTH_MAX || !is_description(description) {
        let detail = "descricao has 1 to 10 characters, none of them a control character";
        return Err(errors::description_invalid(detail));
    }
    let world = AccountId::world(Currency::new("BRL").map_err(|_| errors::internal())?);
    let account_id = account_id.clone();
    let (debit_account_id, credit_account_id) = if is_credit {
        (world, account_id)
    } else {
        (account_id, world)
    };
    Ok(MoveMoney {
        // The challenge's callers give no id, so each request is a transfer of its own.
        id: TransferId::from_u128(minted_id(call.now())),
        debit_account_id,
        credit_account_id,
        amount,
        description: description.into(),
        notes: ledger::Notes::NONE,
    })
}

/// The problem with a body, unless the account is not even open.
async fn unless_unknown(call: &Call, account_id: AccountId, problem: Problem) -> Problem {
    match call.account(account_id).await {
        Ok(Some(_)) => problem,
        Ok(None) => no_account(),
        Err(unavailable) => unavailable,
    }
}
