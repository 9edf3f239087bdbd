//! `GET /clientes/{id}/extrato`: balance and the last ten transactions, from one instant.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AccountId, Entry, StatementQuery};
use serde::Serialize;

use super::{account_id, no_account};
use crate::call::{Answered, Call};
use crate::json;
use crate::rfc3339::Micros;

const ENTRIES_MAX: usize = 10;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct StatementBody<'a> {
    saldo: Balance,
    /// At most the last ten, newest first.
    ultimas_transacoes: Vec<Line<'a>>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Balance {
    /// In centavos.
    #[schema(example = -9098)]
    total: i64,
    /// When the statement was made.
    #[schema(value_type = String, format = DateTime, example = "2024-01-17T02:34:41.217753Z")]
    data_extrato: Micros,
    /// In centavos.
    #[schema(example = 100_000)]
    limite: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Line<'a> {
    /// In centavos.
    #[schema(example = 10)]
    valor: u64,
    /// `c` for a credit, `d` for a debit.
    #[schema(example = "c")]
    tipo: &'static str,
    #[schema(example = "descricao")]
    descricao: &'a str,
    #[schema(value_type = String, format = DateTime, example = "2024-01-17T02:34:38.543030Z")]
    realizada_em: Micros,
}

/// Returns an account's balance and its last ten transactions.
#[utoipa::path(
    get, path = "/clientes/{id}/extrato", operation_id = "challenge_statement", tag = "challenge 2024",
    params(("id" = String, Path, description = "1 to 5")),
    responses(
        (status = 200, description = "The statement", body = StatementBody),
        (status = 404, description = "No such account"),
    )
)]
pub(crate) async fn statement(call: Call, request: Request) -> Answered {
    let account_id = account_id(request.uri().path())?;
    let query = StatementQuery {
        account_id: account_id.clone(),
        before: None,
        limit: ENTRIES_MAX,
    };
    let statement = call.statement(query).await?.ok_or_else(no_account)?;
    let body = StatementBody {
        saldo: Balance {
            total: statement.account.balance(),
            data_extrato: Micros(call.now()),
            limite: statement.account.credit_limit().unwrap_or(0),
        },
        ultimas_transacoes: statement
            .entries
            .iter()
            .map(|entry| line(entry, &account_id))
            .collect(),
    };
    Ok(json::respond(StatusCode::OK, &body))
}

fn line<'a>(entry: &'a Entry, account_id: &AccountId) -> Line<'a> {
    Line {
        valor: entry.amount,
        tipo: if entry.credit_account_id == *account_id {
            "c"
        } else {
            "d"
        },
        descricao: &entry.description,
        realizada_em: Micros(entry.timestamp),
    }
}
