//! An account's statement, page by page.

use axum::extract::Request;
use axum::http::StatusCode;

use super::cursor;
use super::path::account_in_path;
use super::query::statement_query;
use super::views::{ACCOUNT_BYTES_MAX, ENTRY_BYTES_MAX, StatementView};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;

/// Returns an account's entries, newest first, with the account as it was at the same instant.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/statement", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 entries; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = StatementView),
        (status = 400, description = "`cursor_invalid`, `limit_invalid`, `query_invalid`"),
        (status = 404, description = "No such account"),
        (status = 422, description = "`account_reserved`: the system's accounts keep no statement"),
    )
)]
pub(crate) async fn statement(call: Call, request: Request) -> Answered {
    let id = account_in_path(request.uri().path())?;
    if id.is_reserved() {
        let refusal = ledger::Refusal::AccountReserved { account_id: id };
        return Err(Problem::from(&refusal));
    }
    let query = statement_query(id.clone(), request.uri().query())?;
    let place = call.place(ACCOUNT_BYTES_MAX + query.limit * ENTRY_BYTES_MAX)?;
    let Some(statement) = call.statement(query).await? else {
        return Err(errors::account_not_found(id.as_str()));
    };
    let next_cursor = statement
        .next_before()
        .map(|before| cursor::encode(&id, before));
    let view = StatementView::new(&id, &statement, next_cursor);
    Ok(json::respond_in(place, StatusCode::OK, &view))
}
