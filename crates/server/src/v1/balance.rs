//! An account's balance at a time.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AccountId, BalanceAt, Timestamp};
use serde::Serialize;

use super::path::{account_in_path, percent_decoded};
use crate::call::Call;
use crate::errors;
use crate::json;
use crate::measure::Answered;
use crate::problem::Problem;
use crate::rfc3339::{self, Nanos};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BalanceView<'a> {
    #[schema(example = "users:42")]
    account_id: &'a str,
    #[schema(value_type = String, format = DateTime)]
    at: Nanos,
    /// In minor units.
    balance: i64,
    /// The number of the newest entry by then; 0 when there was none.
    entry_number: u64,
}

/// Tells an account's balance right after a moment: 0 before its first entry, and what it is now
/// where the moment is still to come.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/balance", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("at" = String, Query, description = "A time of RFC 3339 with its offset",
            example = "2026-01-31T23:59:59.999999999Z"),
    ),
    responses(
        (status = 200, description = "The balance then", body = BalanceView),
        (status = 400, description = "`time_invalid`, `query_invalid`",
            body = crate::openapi::ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = crate::openapi::ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`account_reserved`: the system's accounts keep no statement",
            body = crate::openapi::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn balance(call: Call, request: Request) -> Answered {
    let id = account_in_path(request.uri().path())?;
    if id.is_reserved() {
        let refusal = ledger::Refusal::AccountReserved { account_id: id };
        return Err(Problem::from(&refusal));
    }
    let at = time_in_query(request.uri().query())?;
    match call.balance_at(id.clone(), at).await? {
        Some(found) => Ok(json::respond(StatusCode::OK, &view(&id, at, found))),
        None => Err(errors::account_not_found(id.as_str())),
    }
}

fn view(id: &AccountId, at: Timestamp, found: BalanceAt) -> BalanceView<'_> {
    BalanceView {
        account_id: id.as_str(),
        at: Nanos(at),
        balance: found.balance,
        entry_number: found.entry_number,
    }
}

/// Reads `at=`, once and nothing else.
fn time_in_query(query: Option<&str>) -> Result<Timestamp, Problem> {
    let mut at = None;
    let members = query.unwrap_or_default().split('&');
    for member in members.filter(|member| !member.is_empty()) {
        match member.split_once('=') {
            Some(("at", text)) if at.is_none() => at = Some(text),
            Some(("at", _)) => return Err(errors::query_invalid("at is given once")),
            _ => return Err(errors::query_invalid("the query takes at")),
        }
    }
    at.and_then(percent_decoded)
        .and_then(|text| rfc3339::parse(&text))
        .ok_or_else(errors::time_invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        for (query, expected) in [
            ("at=1970-01-01T00:00:01Z", Ok(1_000_000_000)),
            ("at=1970-01-01T01:00:01%2B01:00", Ok(1_000_000_000)),
            ("at=1970-01-01T01:00:01+01:00", Ok(1_000_000_000)),
            ("at=1970-01-01T00%3A00%3A00.5Z", Ok(500_000_000)),
            ("at=1969-12-31T00:00:00Z", Ok(0)),
            ("at=9999-01-01T00:00:00Z", Ok(u64::MAX)),
            ("", Err("time_invalid")),
            ("at=", Err("time_invalid")),
            ("at=now", Err("time_invalid")),
            ("at=2026-01-01", Err("time_invalid")),
            ("at=2026-01-01T00:00:00", Err("time_invalid")),
            ("at=2026-13-01T00:00:00Z", Err("time_invalid")),
            ("at=2026-01-01T00:00:00%", Err("time_invalid")),
            ("at=2026-01-01T00:00:00[UTC]", Err("time_invalid")),
            (
                "at=1970-01-01T00:00:01Z&at=1970-01-01T00:00:01Z",
                Err("query_invalid"),
            ),
            ("at", Err("query_invalid")),
            ("until=1970-01-01T00:00:01Z", Err("query_invalid")),
        ] {
            let read = time_in_query(Some(query)).map(Timestamp::as_nanos);
            assert_eq!(read.map_err(|problem| problem.code), expected, "{query}");
        }
        assert_eq!(time_in_query(None).unwrap_err().code, "time_invalid");
    }
}
