//! The list of accounts.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{ACCOUNTS_PAGE_MAX, Account, AccountId, AccountsQuery, Currency};
use serde::Serialize;

use super::views::{ACCOUNT_BYTES_MAX, AccountView};
use super::{parameters, token};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 100;
const CURSOR: &str = "lastro 2026 accounts cursor";

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccountsPageView<'a> {
    /// Accounts in the byte order of their ids.
    #[schema(max_items = 1000)]
    accounts: Vec<AccountView<'a>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

/// Lists accounts in the byte order of their ids, the system's (`world:BRL`, `processor:default:BRL`) included.
///
/// A walk from page to page lists every account that was there when it began, each once, whatever is opened
/// meanwhile. A page may have fewer accounts than its `limit`, or none, and still a `next_cursor`: it looks at
/// 4,000 accounts at most. A key that is bound to accounts is shown only those that it may use.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts",
    params(
        ("prefix" = Option<String>, Query, description = "Only accounts whose ids begin so", example = "users:"),
        ("currency" = Option<String>, Query, description = "Only accounts of this currency", example = "BRL"),
        ("closed" = Option<bool>, Query, description = "`true`: only closed accounts; `false`: only those that \
            are not"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 accounts a page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same \
            `prefix`, `currency` and `closed`"),
    ),
    responses(
        (status = 200, description = "A page", body = AccountsPageView),
        (status = 400, description = "`account_id_invalid`, `currency_invalid`, `cursor_invalid`, `limit_invalid`, \
            `query_invalid`"),
        (status = 501, description = "`not_supported`: the accounts are kept in Redis, which has no order of them"),
    )
)]
pub(crate) async fn accounts(call: Call, request: Request) -> Answered {
    let query = query(request.uri().query())?;
    let place = call.place((query.limit + 1) * ACCOUNT_BYTES_MAX)?;
    let page = call.accounts(query.clone()).await?;
    let accounts = page.accounts.iter();
    let view = AccountsPageView {
        accounts: accounts
            .map(|(id, account)| AccountView::new(id, account))
            .collect(),
        next_cursor: page.next_after.map(|after| encode(&query, &after)),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

/// An account in one line of JSON, as `GET /v1/accounts/{id}` shows it.
#[must_use]
pub fn account_json(id: &AccountId, account: &Account) -> String {
    let line = serde_json::to_string(&AccountView::new(id, account));
    line.expect("plain data, written to memory")
}

/// Reads `prefix=&currency=&closed=&limit=&cursor=`, each at most once and nothing else.
fn query(query: Option<&str>) -> Result<AccountsQuery, Problem> {
    let names = ["prefix", "currency", "closed", "limit", "cursor"];
    let [prefix, currency, closed, limit, cursor] = parameters::read(query, names)?;
    let currency = currency.as_deref().map(Currency::new).transpose();
    let mut query = AccountsQuery {
        after: None,
        prefix: parameters::account_id("prefix", prefix.as_deref())?,
        currency: currency.map_err(|_| errors::currency_invalid())?,
        closed: match closed.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(errors::query_invalid("closed is true or false")),
        },
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, ACCOUNTS_PAGE_MAX)?,
    };
    if let Some(cursor) = cursor {
        let after = decode(&query, &cursor).ok_or_else(errors::cursor_invalid)?;
        query.after = Some(after);
    }
    Ok(query)
}

/// What a cursor is bound to: the limit may be another on each page.
fn asked(query: &AccountsQuery) -> [&[u8]; 3] {
    let closed: &[u8] = match query.closed {
        None => b"",
        Some(true) => b"true",
        Some(false) => b"false",
    };
    [
        query
            .prefix
            .as_ref()
            .map_or("", AccountId::as_str)
            .as_bytes(),
        query
            .currency
            .as_ref()
            .map_or("", Currency::as_str)
            .as_bytes(),
        closed,
    ]
}

fn encode(query: &AccountsQuery, after: &AccountId) -> String {
    token::seal(CURSOR, after.as_str().as_bytes(), &asked(query))
}

fn decode(query: &AccountsQuery, cursor: &str) -> Option<AccountId> {
    let after = token::unseal(CURSOR, cursor, &asked(query))?;
    AccountId::new(std::str::from_utf8(&after).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        for (text, expected) in [
            ("", Ok(100)),
            (
                "prefix=users%3A&currency=BRL&closed=true&limit=1000",
                Ok(1000),
            ),
            ("closed=false&limit=1", Ok(1)),
            ("limit=0", Err("limit_invalid")),
            ("limit=1001", Err("limit_invalid")),
            ("limit=+1", Err("limit_invalid")),
            ("limit=", Err("limit_invalid")),
            ("limit=1&limit=1", Err("query_invalid")),
            ("page=1", Err("query_invalid")),
            ("closed=yes", Err("query_invalid")),
            ("closed", Err("query_invalid")),
            ("currency=brl", Err("currency_invalid")),
            ("currency=", Err("currency_invalid")),
            ("prefix=", Err("account_id_invalid")),
            ("prefix=users%20", Err("account_id_invalid")),
            ("prefix=%3", Err("query_invalid")),
            ("cursor=", Err("cursor_invalid")),
            ("cursor=01", Err("cursor_invalid")),
        ] {
            let limit = query(Some(text)).map(|query| query.limit);
            let limit = limit.map_err(|problem| problem.code.as_str());
            assert_eq!(limit, expected, "{text}");
        }
    }

    #[test]
    fn a_cursor_goes_on_with_its_own_query_alone() {
        let after = AccountId::new("users:42").unwrap();
        let queries = [
            "",
            "prefix=users:",
            "prefix=users",
            "currency=BRL",
            "closed=true",
            "closed=false",
        ];
        for of in queries {
            let cursor = encode(&query(Some(of)).unwrap(), &after);
            for with in queries {
                let text = format!("{with}&limit=7&cursor={cursor}");
                match query(Some(&text)) {
                    Ok(query) => assert_eq!((query.after, of), (Some(after.clone()), with)),
                    Err(problem) => {
                        assert_eq!(problem.code.as_str(), "cursor_invalid");
                        assert_ne!(of, with);
                    }
                }
            }
        }
    }
}
