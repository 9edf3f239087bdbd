//! The credit limits that an account was given: who decided each, when and why.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AccountId, By, LIST_PAGE_MAX, LimitChange, ListPlace, Note, Refusal};
use serde::Serialize;

use super::lists::{self, Walk};
use super::path::account_in_path;
use super::statement::Window;
use super::{parameters, statement};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;
use crate::rfc3339::Nanos;

const LIMIT_DEFAULT: usize = 50;
const CURSOR: &str = "lastro 2026 limits cursor";
/// A limit's longest JSON, with two texts of characters of four bytes.
const LIMIT_BYTES_MAX: usize = 160 + 2 * 4 * ledger::DESCRIPTION_LENGTH_MAX;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LimitsPageView<'a> {
    /// In the order of time.
    #[schema(max_items = 1000)]
    limits: Vec<LimitView<'a>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

/// A credit limit that the account was given.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LimitView<'a> {
    /// The limit from then on, in minor units.
    #[schema(example = 200_000)]
    credit_limit: u64,
    /// Who decided: what the caller said, or the name of the caller's key. Absent where nobody said it, and where the account
    /// was opened with this limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ana")]
    who: Option<&'a str>,
    /// Why, if the caller said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ticket 4711")]
    why: Option<&'a str>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Nanos,
}

impl<'a> From<&'a LimitChange> for LimitView<'a> {
    fn from(change: &'a LimitChange) -> Self {
        let (who, why) = texts(change.by.as_deref());
        Self {
            credit_limit: change.credit_limit,
            who,
            why,
            timestamp: Nanos(change.timestamp),
        }
    }
}

/// Who, and why.
pub(super) fn texts(by: Option<&By>) -> (Option<&str>, Option<&str>) {
    match by {
        Some(By { who, why }) => (
            who.as_ref().map(Note::as_str),
            why.as_ref().map(Note::as_str),
        ),
        None => (None, None),
    }
}

/// What is asked for.
#[derive(Debug)]
struct Asked {
    account_id: AccountId,
    window: Window,
    limit: usize,
    after: Option<ListPlace>,
}

/// Returns the credit limits that an account was given, beginning with the one that it was opened with: each with its time,
/// who decided it and why.
///
/// Over PostgreSQL changes are shown that were made since version 11 of its tables.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/limits", tag = "accounts", operation_id = "limits",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("from" = Option<String>, Query, description = "Changes from this time on, which is of RFC 3339 with its offset",
            example = "2026-01-01T00:00:00-03:00"),
        ("to" = Option<String>, Query, description = "Changes before this time"),
        ("order" = Option<String>, Query, description = "`desc`, the newest first, or `asc`; `desc` by default"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 changes; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same other parameters; \
            `limit` may be another"),
    ),
    responses(
        (status = 200, description = "A page", body = LimitsPageView),
        (status = 400, description = "`account_id_invalid`, `cursor_invalid`, `limit_invalid`, `query_invalid`, `time_invalid`"),
        (status = 404, description = "`account_not_found`"),
        (status = 422, description = "`account_reserved`: the system's accounts have no limit"),
        (status = 501, description = "`not_supported`: a Redis is in front of this ledger"),
    )
)]
pub(crate) async fn limits(call: Call, request: Request) -> Answered {
    let account_id = account_in_path(request.uri().path())?;
    if account_id.is_reserved() {
        return Err(Problem::from(&Refusal::AccountReserved { account_id }));
    }
    let asked = asked(account_id, request.uri().query())?;
    if call.account(asked.account_id.clone()).await?.is_none() {
        return Err(errors::account_not_found(asked.account_id.as_str()));
    }
    let place = call.place((asked.limit + 1) * LIMIT_BYTES_MAX)?;
    let mut walk = Walk::new(&asked.window, asked.after, asked.limit, false);
    while let Some(page) = walk.next_page() {
        let given = call.limits(asked.account_id.clone(), page).await;
        let Some(given) = walk.or_end_early(given)? else {
            break;
        };
        walk.take_in(given, ListPlace::of_limit, |_| true);
    }
    let (changes, next) = walk.finish();
    let view = LimitsPageView {
        limits: changes.iter().map(LimitView::from).collect(),
        next_cursor: next.map(|next| lists::encode(CURSOR, next, &asked.parts())),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

impl Asked {
    /// What a cursor is bound to.
    fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![self.account_id.as_str().as_bytes().to_vec()];
        parts.extend(lists::window_parts(&self.window));
        parts
    }
}

/// Reads the query; each parameter at most once and nothing else.
fn asked(account_id: AccountId, query: Option<&str>) -> Result<Asked, Problem> {
    let names = ["from", "to", "order", "limit", "cursor"];
    let [from, to, order, limit, cursor] = parameters::read(query, names)?;
    let mut asked = Asked {
        account_id,
        window: statement::window(from.as_deref(), to.as_deref(), order.as_deref())?,
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, LIST_PAGE_MAX)?,
        after: None,
    };
    if let Some(cursor) = cursor {
        let after = lists::decode(CURSOR, &cursor, &asked.parts());
        asked.after = Some(after.ok_or_else(errors::cursor_invalid)?);
    }
    Ok(asked)
}
