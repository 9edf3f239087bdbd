//! What a statement's query asks for.

use ledger::{AccountId, STATEMENT_PAGE_MAX, StatementQuery};

use super::cursor;
use super::path::percent_decoded;
use crate::errors;
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 50;

/// Reads `limit=&cursor=`, each at most once and nothing else.
pub(super) fn statement_query(
    account_id: AccountId,
    query: Option<&str>,
) -> Result<StatementQuery, Problem> {
    let (mut limit, mut cursor) = (None, None);
    let members = query.unwrap_or_default().split('&');
    for member in members.filter(|member| !member.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let known = match name {
            "limit" => &mut limit,
            "cursor" => &mut cursor,
            _ => return Err(errors::query_invalid("the query takes limit and cursor")),
        };
        let value = percent_decoded(value);
        let value = value.ok_or_else(|| errors::query_invalid("it is not well percent-encoded"))?;
        if known.replace(value).is_some() {
            return Err(errors::query_invalid("limit and cursor are given once"));
        }
    }
    let before = match cursor {
        Some(cursor) => {
            let before = cursor::decode(&account_id, &cursor);
            Some(before.ok_or_else(errors::cursor_invalid)?)
        }
        None => None,
    };
    Ok(StatementQuery {
        account_id,
        before,
        limit: limit.map_or(Ok(LIMIT_DEFAULT), |limit| parse_limit(&limit))?,
    })
}

fn parse_limit(text: &str) -> Result<usize, Problem> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|limit| digits_only && (1..=STATEMENT_PAGE_MAX).contains(limit))
        .ok_or_else(|| errors::limit_invalid(STATEMENT_PAGE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_or_limit(query: &str) -> Result<usize, &'static str> {
        statement_query(AccountId::new("1").unwrap(), Some(query))
            .map(|query| query.limit)
            .map_err(|problem| problem.code.as_str())
    }

    #[test]
    fn queries_are_read_strictly() {
        for (query, expected) in [
            ("", Ok(50)),
            ("limit=1", Ok(1)),
            ("limit=1000", Ok(1000)),
            ("limit=%31%30", Ok(10)),
            ("limit=%3", Err("query_invalid")),
            ("limit=1%26limit=2", Err("limit_invalid")),
            ("limit=1001", Err("limit_invalid")),
            ("limit=0", Err("limit_invalid")),
            ("limit=-1", Err("limit_invalid")),
            ("limit=+1", Err("limit_invalid")),
            ("limit=", Err("limit_invalid")),
            ("limit=1&limit=1", Err("query_invalid")),
            ("page=1", Err("query_invalid")),
            ("cursor=", Err("cursor_invalid")),
            ("cursor=1", Err("cursor_invalid")),
        ] {
            assert_eq!(code_or_limit(query), expected, "{query}");
        }
    }
}
