//! An account's statement: page by page, or as one stream; of all its entries, or of a window of time.

mod csv;
mod query;
mod range;
mod stream;
mod system;
mod window;

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{AccountId, StatementQuery};

use super::cursor::{self, Next};
use super::path::account_in_path;
use super::views::{ACCOUNT_BYTES_MAX, ENTRY_BYTES_MAX, StatementView};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
pub(super) use query::window;
use query::{Form, StatementRequest};
pub(super) use range::Range;
pub(super) use window::{Order, Window};

/// Returns an account's entries, newest first, with the account as it was at the same instant.
///
/// With `from`, `to` or `order` the answer has a `window`: its opening balance and the entries in it make its
/// closing balance. The first page settles where the window ends; what is made later is not in its other pages.
///
/// The entries of the system's accounts (`world:`, `processor:`) are ordered by time, and have no number and no balance of
/// their own. A page of them looks at 1,000 transfers at most: it may be short, or empty, and still have a `next_cursor`. Not supported for them
/// where a Redis is in front of the ledger.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/statement", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", example = "users:42"),
        ("from" = Option<String>, Query, description = "Entries from this time on, which is of RFC 3339 with its \
            offset", example = "2026-01-01T00:00:00-03:00"),
        ("to" = Option<String>, Query, description = "Entries before this time",
            example = "2026-02-01T00:00:00-03:00"),
        ("order" = Option<String>, Query, description = "`desc`, the newest first, or `asc`; `desc` by default"),
        ("format" = Option<String>, Query, description = "`json`, page by page; or all entries in one answer as \
            `csv` or as `ndjson`, one JSON object a line. `json` by default"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 entries a page; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same `from`, \
            `to` and `order`"),
    ),
    responses(
        (status = 200, description = "A page, or all entries. The answer with all entries of an account with a limit has \
            the headers `Lastro-Opening-Balance`, `Lastro-Closing-Balance` and `Lastro-Entries`, the number of entries; any such answer \
            breaks off where not all of it can be read", content(
                (StatementView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            )),
        (status = 400, description = "`cursor_invalid`, `limit_invalid`, `query_invalid`, `time_invalid`"),
        (status = 404, description = "No such account"),
        (status = 501, description = "`not_supported`: one of the system's accounts, and a Redis is in front of this ledger"),
    )
)]
pub(crate) async fn statement(call: Call, request: Request) -> Answered {
    let id = account_in_path(request.uri().path())?;
    let StatementRequest { window, form } = query::read(request.uri().query())?;
    match form {
        Form::Page { limit, cursor } if id.is_reserved() => {
            system::page(&call, &id, &window, limit, cursor.as_deref()).await
        }
        Form::Page { limit, cursor } => {
            let next = cursor.map(|cursor| {
                let next = cursor::decode(&id, &window, &cursor);
                next.ok_or_else(errors::cursor_invalid)
            });
            numbered(&call, &id, &window, limit, next.transpose()?).await
        }
        Form::JsonLines => stream::respond(call, id, &window, stream::Lines::Json).await,
        Form::Csv => stream::respond(call, id, &window, stream::Lines::Csv).await,
    }
}

/// A page of numbered entries.
async fn numbered(
    call: &Call,
    id: &AccountId,
    window: &Window,
    limit: usize,
    next: Option<Next>,
) -> Answered {
    if *window == Window::WHOLE {
        return page(call, id, limit, next).await;
    }
    let range = Range::find(call, id, window, next.and_then(|next| next.last)).await?;
    page_of(call, id, window, &range, limit, next).await
}

/// A page of all entries.
async fn page(call: &Call, id: &AccountId, limit: usize, next: Option<Next>) -> Answered {
    let query = StatementQuery {
        account_id: id.clone(),
        before: next.map(|next| next.beside),
        limit,
    };
    let place = call.place(ACCOUNT_BYTES_MAX + limit * ENTRY_BYTES_MAX)?;
    let Some(statement) = call.statement(query).await? else {
        return Err(errors::account_not_found(id.as_str()));
    };
    let next_cursor = statement.next_before().map(|beside| {
        let next = Next { beside, last: None };
        cursor::encode(id, &Window::WHOLE, next)
    });
    let view = StatementView::new(id, &statement, next_cursor);
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

/// A page of a window's entries.
async fn page_of(
    call: &Call,
    id: &AccountId,
    window: &Window,
    range: &Range,
    limit: usize,
    next: Option<Next>,
) -> Answered {
    let place = call.place(ACCOUNT_BYTES_MAX + limit * ENTRY_BYTES_MAX)?;
    let rest = range.rest(window.order, next.map(|next| next.beside));
    let Some((statement, rest)) = rest.read(call, id, window.order, limit).await? else {
        return Err(errors::account_not_found(id.as_str()));
    };
    let next_cursor = rest.map(|beside| {
        let last = Some(range.last);
        cursor::encode(id, window, Next { beside, last })
    });
    let view = StatementView::new(id, &statement, next_cursor).of_window(window, range);
    Ok(json::respond_in(place, StatusCode::OK, &view))
}
