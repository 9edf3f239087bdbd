//! The 2024 challenge's routes, in its own words, over the accounts `1` to `5`.
//!
//! Any invalid body is answered 422, as the challenge's rules say; the code tells what is wrong
//! with it. An id other than these five is 404 before the body is looked at. Each answer comes
//! from one instant: a transaction's from its own record, a statement from one read.

mod statement;
mod transaction;

use axum::http::StatusCode;
use ledger::AccountId;

use crate::codes::code;
use crate::errors;
use crate::problem::Problem;

pub(crate) use statement::StatementBody;
pub(crate) use statement::{__path_statement, statement};
pub(crate) use transaction::{__path_transact, transact};
pub(crate) use transaction::{TransactionAnswer, TransactionRequest};

/// The account that a path of the challenge names.
fn account_id(path: &str) -> Result<AccountId, Problem> {
    let Some(rest) = path.strip_prefix("/clientes/") else {
        unreachable!("the router gives these handlers only paths of a client");
    };
    let id = rest.split_once('/').map_or(rest, |(id, _)| id);
    match id {
        "1" | "2" | "3" | "4" | "5" => AccountId::new(id).map_err(|_| errors::internal()),
        _ => Err(no_account()),
    }
}

fn no_account() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        code!("account_not_found"),
        "this account does not exist",
    )
}
