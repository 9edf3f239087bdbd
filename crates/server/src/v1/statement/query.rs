//! What a statement's query asks for.

use ledger::{STATEMENT_PAGE_MAX, Timestamp};

use super::super::parameters;
use super::window::{Order, Window};
use crate::errors;
use crate::problem::Problem;
use crate::rfc3339;

const LIMIT_DEFAULT: usize = 50;

/// How entries are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, page by page.
    Page {
        limit: usize,
        cursor: Option<String>,
    },
    /// One JSON object a line, all of them.
    JsonLines,
    /// Comma-separated values, all of them.
    Csv,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatementRequest {
    pub(super) window: Window,
    pub(super) form: Form,
}

/// Reads `from=&to=&order=&format=&limit=&cursor=`, each at most once and nothing else.
pub(super) fn read(query: Option<&str>) -> Result<StatementRequest, Problem> {
    let names = ["from", "to", "order", "format", "limit", "cursor"];
    let [from, to, order, format, limit, cursor] = parameters::read(query, names)?;
    let window = window(from.as_deref(), to.as_deref(), order.as_deref())?;
    let form = match format.as_deref() {
        None | Some("json") => Form::Page {
            limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, STATEMENT_PAGE_MAX)?,
            cursor,
        },
        Some("ndjson" | "csv") if limit.is_some() || cursor.is_some() => {
            return Err(errors::query_invalid(
                "limit and cursor are for pages: csv and ndjson give all entries at once",
            ));
        }
        Some("ndjson") => Form::JsonLines,
        Some("csv") => Form::Csv,
        Some(_) => return Err(errors::query_invalid("format is json, ndjson or csv")),
    };
    Ok(StatementRequest { window, form })
}

/// The window that these parameters ask for.
pub(in super::super) fn window(
    from: Option<&str>,
    to: Option<&str>,
    order: Option<&str>,
) -> Result<Window, Problem> {
    let window = Window {
        from: from.map(|from| time("from", from)).transpose()?,
        to: to.map(|to| time("to", to)).transpose()?,
        order: match order {
            None | Some("desc") => Order::Descending,
            Some("asc") => Order::Ascending,
            Some(_) => return Err(errors::query_invalid("order is asc or desc")),
        },
    };
    if let (Some(from), Some(to)) = (window.from, window.to)
        && to <= from
    {
        return Err(errors::query_invalid("to must be later than from"));
    }
    Ok(window)
}

fn time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    rfc3339::parse(text).ok_or_else(|| errors::time_invalid(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<StatementRequest, &'static str> {
        super::read(Some(query)).map_err(|problem| problem.code.as_str())
    }

    #[test]
    fn pages_are_read_strictly() {
        for (query, expected) in [
            ("", Ok(50)),
            ("limit=1", Ok(1)),
            ("limit=1000", Ok(1000)),
            ("limit=%31%30", Ok(10)),
            ("format=json&limit=10", Ok(10)),
            ("limit=%3", Err("query_invalid")),
            ("limit=1%26limit=2", Err("limit_invalid")),
            ("limit=1001", Err("limit_invalid")),
            ("limit=0", Err("limit_invalid")),
            ("limit=-1", Err("limit_invalid")),
            ("limit=+1", Err("limit_invalid")),
            ("limit=", Err("limit_invalid")),
            ("limit=1&limit=1", Err("query_invalid")),
            ("page=1", Err("query_invalid")),
            ("format=xml", Err("query_invalid")),
            ("format=csv&limit=1", Err("query_invalid")),
            ("format=ndjson&cursor=1", Err("query_invalid")),
        ] {
            let limit = read(query).map(|request| match request.form {
                Form::Page { limit, .. } => limit,
                Form::JsonLines | Form::Csv => panic!("{query}"),
            });
            assert_eq!(limit, expected, "{query}");
        }
    }

    #[test]
    fn windows_are_read_strictly() {
        let at = |seconds: u64| Some(Timestamp::from_nanos(seconds * 1_000_000_000));
        let window = |from, to, order| Ok(Window { from, to, order });
        for (query, expected) in [
            ("format=csv", window(None, None, Order::Descending)),
            ("order=desc", window(None, None, Order::Descending)),
            (
                "from=1970-01-01T00:00:01Z&to=1970-01-01T01:00:02%2B01:00&order=asc",
                window(at(1), at(2), Order::Ascending),
            ),
            (
                "to=9999-12-31T23:59:59Z&format=ndjson",
                window(
                    None,
                    Some(Timestamp::from_nanos(u64::MAX)),
                    Order::Descending,
                ),
            ),
            (
                "from=1970-01-01T00:00:01Z&to=1970-01-01T00:00:01Z",
                Err("query_invalid"),
            ),
            ("from=2026-01-01", Err("time_invalid")),
            ("to=", Err("time_invalid")),
            ("order=up", Err("query_invalid")),
        ] {
            assert_eq!(
                read(query).map(|request| request.window),
                expected,
                "{query}"
            );
        }
    }
}
