//! An account's balance at a time.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AccountId, BalanceAt, Timestamp, TransferId, UsedTransfer};
use serde::Serialize;

use super::ids;
use super::path::{account_in_path, percent_decoded};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
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
    /// The number of the newest entry at that moment; 0 before the first. Absent for the system's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_number: Option<u64>,
}

/// Returns an account's balance right after a moment, or right after one of its transfers: 0 before
/// its first entry, and the current balance if the moment is in the future.
///
/// The balance of one of the system's accounts is summed from its transfers since that moment: where they are too many
/// for the time of a request, it is answered `timeout`.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/balance", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("at" = Option<String>, Query, description = "A time of RFC 3339 with its offset. Times \
            here have nanoseconds, and clients often cut them to microseconds: a transfer's own \
            time that was cut is before the transfer, and the balance is the one without it. Ask \
            with `after` instead", example = "2026-01-31T23:59:59.999999999Z"),
        ("after" = Option<String>, Query, description = "The id of a transfer of this account, in \
            place of `at`", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
    ),
    responses(
        (status = 200, description = "The balance then", body = BalanceView),
        (status = 400, description = "`time_invalid`, `id_invalid`, `query_invalid`"),
        (status = 404, description = "No such account, or no such transfer"),
        (status = 422, description = "`transfer_of_other_accounts`"),
        (status = 501, description = "`not_supported`: one of the system's accounts over Redis"),
    )
)]
pub(crate) async fn balance(call: Call, request: Request) -> Answered {
    let id = account_in_path(request.uri().path())?;
    let at = match moment_in_query(request.uri().query())? {
        Moment::At(at) => at,
        Moment::After(transfer_id) => time_of(&call, &id, transfer_id).await?,
    };
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
        entry_number: (!id.is_reserved()).then_some(found.entry_number),
    }
}

/// The time of one of the account's own transfers: an account's times differ.
async fn time_of(
    call: &Call,
    id: &AccountId,
    transfer_id: TransferId,
) -> Result<Timestamp, Problem> {
    let Some(UsedTransfer::Created(transfer, _)) = call.transfer(transfer_id).await? else {
        return Err(errors::transfer_not_found(transfer_id));
    };
    if [&transfer.debit_account_id, &transfer.credit_account_id].contains(&id) {
        Ok(transfer.timestamp)
    } else {
        Err(errors::transfer_of_other_accounts(transfer_id))
    }
}

/// Which moment is asked about.
#[derive(Debug, PartialEq, Eq)]
enum Moment {
    At(Timestamp),
    After(TransferId),
}

/// Reads `at=` or `after=`, one of them once, and nothing else.
fn moment_in_query(query: Option<&str>) -> Result<Moment, Problem> {
    let mut moment = None;
    let members = query.unwrap_or_default().split('&');
    for member in members.filter(|member| !member.is_empty()) {
        let text = |text| percent_decoded(text).unwrap_or_default();
        let read = match member.split_once('=') {
            Some(("at", at)) => rfc3339::parse(&text(at))
                .map(Moment::At)
                .ok_or_else(|| errors::time_invalid("at"))?,
            Some(("after", id)) => ids::uuid(&text(id))
                .map(|id| Moment::After(TransferId::from_u128(id)))
                .ok_or_else(|| errors::id_invalid("after"))?,
            _ => return Err(errors::query_invalid("the query takes at or after")),
        };
        if moment.replace(read).is_some() {
            return Err(errors::query_invalid("give at or after, once"));
        }
    }
    moment.ok_or_else(|| errors::time_invalid("at"))
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
            ("at=9999-12-31T23:59:59Z", Ok(u64::MAX)),
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
            let expected = expected.map(|nanos| Moment::At(Timestamp::from_nanos(nanos)));
            let read = moment_in_query(Some(query));
            assert_eq!(
                read.map_err(|problem| problem.code.as_str()),
                expected,
                "{query}"
            );
        }
        assert_eq!(
            moment_in_query(None).unwrap_err().code.as_str(),
            "time_invalid"
        );
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let number = 0x01890a5d_ac96_774b_bcce_b302099a8057;
        let after = Moment::After(TransferId::from_u128(number));
        assert_eq!(moment_in_query(Some(&format!("after={id}"))), Ok(after));
        for (query, code) in [
            ("after=1".to_owned(), "id_invalid"),
            (format!("after={id}&after={id}"), "query_invalid"),
            (
                format!("after={id}&at=1970-01-01T00:00:01Z"),
                "query_invalid",
            ),
        ] {
            assert_eq!(
                moment_in_query(Some(&query)).unwrap_err().code.as_str(),
                code,
                "{query}"
            );
        }
    }
}
