//! What a request for events asks for.

use std::time::Duration;

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName};
use ledger::{EVENTS_PAGE_MAX, EventPosition, EventsFrom};

use super::super::parameters;
use super::kind::{EventKind, EventKinds};
use super::reading::Filter;
use crate::errors;
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 100;
const WAIT_S_MAX: u64 = 30;
const LATEST: &str = "latest";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How events are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A page; where it would be empty, only after so long.
    Page { limit: usize, wait: Duration },
    /// A stream of server-sent events.
    Stream,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventsRequest {
    pub(super) from: EventsFrom,
    pub(super) filter: Filter,
    pub(super) form: Form,
}

/// Reads `after=&types=&account=&limit=&wait_s=`, each at most once and nothing else.
pub(super) fn read(query: Option<&str>, headers: &HeaderMap) -> Result<EventsRequest, Problem> {
    let names = ["after", "types", "account", "limit", "wait_s"];
    let [after, types, account, limit, wait_s] = parameters::read(query, names)?;
    let kinds = match types.as_deref() {
        None => EventKinds::ALL,
        Some(list) => EventKinds::listed(list).map_err(unknown_type)?,
    };
    let account_id = parameters::account_id("account", account.as_deref())?;
    let form = if is_stream(headers) {
        if limit.is_some() || wait_s.is_some() {
            return Err(errors::query_invalid(
                "a stream of events (Accept: text/event-stream) takes no limit and no wait_s",
            ));
        }
        Form::Stream
    } else {
        Form::Page {
            limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, EVENTS_PAGE_MAX)?,
            wait: wait_s.as_deref().map_or(Ok(Duration::ZERO), wait)?,
        }
    };
    let last_event_id = match form {
        Form::Page { .. } => None,
        Form::Stream => headers.get(LAST_EVENT_ID),
    };
    let from = match (last_event_id, after.as_deref()) {
        (Some(id), _) => id.to_str().ok().and_then(position),
        (None, Some(LATEST)) => Some(EventsFrom::Now),
        (None, Some(text)) => position(text),
        (None, None) => Some(EventsFrom::Beginning),
    };
    Ok(EventsRequest {
        from: from.ok_or_else(errors::position_invalid)?,
        filter: Filter { kinds, account_id },
        form,
    })
}

fn position(text: &str) -> Option<EventsFrom> {
    EventPosition::parse(text).map(EventsFrom::After)
}

fn unknown_type(name: &str) -> Problem {
    const QUOTED_CHARS_MAX: usize = 40;
    let quoted: String = name.chars().take(QUOTED_CHARS_MAX).collect();
    errors::query_invalid(format!(
        "types has {quoted:?}, which is no type of events: use {}",
        type_names()
    ))
}

/// The names of all types, as a message lists them.
pub(super) fn type_names() -> String {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

/// Whether the caller prefers server-sent events.
fn is_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut types = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next());
    types.any(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn wait(text: &str) -> Result<Duration, Problem> {
    parameters::whole_number(text)
        .filter(|seconds| *seconds <= WAIT_S_MAX)
        .map(Duration::from_secs)
        .ok_or_else(|| {
            errors::query_invalid(format!(
                "wait_s is a whole number of seconds from 0 to {WAIT_S_MAX}"
            ))
        })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const POSITION: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";

    fn read(query: &str, headers: &[(HeaderName, &str)]) -> Result<EventsRequest, &'static str> {
        let header = |(name, value): &(HeaderName, &str)| {
            (name.clone(), HeaderValue::from_str(value).unwrap())
        };
        let headers = headers.iter().map(header).collect();
        super::read(Some(query), &headers).map_err(|problem| problem.code.as_str())
    }

    fn page(limit: usize, wait_s: u64) -> Form {
        let wait = Duration::from_secs(wait_s);
        Form::Page { limit, wait }
    }

    #[test]
    fn pages_are_read_strictly() {
        for (query, expected) in [
            ("", Ok(page(100, 0))),
            ("limit=1", Ok(page(1, 0))),
            ("limit=1000&wait_s=30", Ok(page(1_000, 30))),
            ("wait_s=0", Ok(page(100, 0))),
            ("limit=0", Err("limit_invalid")),
            ("limit=1001", Err("limit_invalid")),
            ("limit=+1", Err("limit_invalid")),
            ("wait_s=31", Err("query_invalid")),
            ("wait_s=-1", Err("query_invalid")),
            ("wait_s=1.5", Err("query_invalid")),
            ("wait_s=", Err("query_invalid")),
            ("limit=1&limit=1", Err("query_invalid")),
            ("from=1", Err("query_invalid")),
            ("types=", Err("query_invalid")),
            ("types=transfer", Err("query_invalid")),
            ("account=", Err("account_id_invalid")),
            ("account=a%20b", Err("account_id_invalid")),
            ("after=", Err("position_invalid")),
            ("after=1", Err("position_invalid")),
            ("after=%", Err("query_invalid")),
        ] {
            let form = read(query, &[]).map(|request| request.form);
            assert_eq!(form, expected, "{query}");
        }
    }

    #[test]
    fn a_page_begins_where_it_is_told_to() {
        let from = |query: &str| read(query, &[]).map(|request| request.from);
        let position = EventPosition::parse(POSITION).unwrap();
        assert_eq!(from(""), Ok(EventsFrom::Beginning));
        assert_eq!(from("after=latest"), Ok(EventsFrom::Now));
        let after = format!("after={POSITION}");
        assert_eq!(from(&after), Ok(EventsFrom::After(position)));
    }

    #[test]
    fn streams_go_on_from_the_last_event() {
        let accept = (ACCEPT, "application/json;q=0.1, Text/Event-Stream;q=0.9");
        let last = (LAST_EVENT_ID, POSITION);
        let stream = read("after=latest", &[accept.clone(), last]).unwrap();
        let position = EventPosition::parse(POSITION).unwrap();
        assert_eq!(stream.form, Form::Stream);
        assert_eq!(stream.from, EventsFrom::After(position));
        let bad = (LAST_EVENT_ID, "12");
        assert_eq!(
            read("", &[accept.clone(), bad.clone()]),
            Err("position_invalid")
        );
        assert_eq!(read("limit=1", &[accept]), Err("query_invalid"));
        assert_eq!(
            read("", &[bad]).map(|page| page.from),
            Ok(EventsFrom::Beginning)
        );
    }
}
