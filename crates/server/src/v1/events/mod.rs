//! The feed of events: as pages, as pages that wait for the next event, and as a stream of server-sent events.

mod kind;
mod page;
mod query;
mod reading;
mod stream;
mod view;
mod webhooks;

use axum::extract::Request;

pub(crate) use self::view::EventPageView;
pub use self::webhooks::{EventSelection, UnknownEventType, WebhookFace};

use self::query::Form;
use self::reading::Reading;
use crate::call::{Answered, Call};
use crate::ending::Ending;

/// Returns what was decided, in the ledger's own order: each event once, from any position on. A position stays
/// valid for ever, also after a restart and in a restored copy of the ledger that has the events before it.
///
/// With `Accept: text/event-stream` the answer is a stream of server-sent events, without `limit` and `wait_s`: `id` is an
/// event's position, `event` its type, `data` the event. A comment comes after 15 s without one. The stream ends when the
/// server stops, and after 10 minutes: connect again then, as browsers do by themselves.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<String>, Query, description = "The position to go on from: an event's `position`, or the \
            `next` of the page before. Left out: from the ledger's first event. `latest`: from now on"),
        ("types" = Option<String>, Query, description = "Only events of these types, with commas between them",
            example = "transfer.posted,transfer.pending"),
        ("account" = Option<String>, Query, description = "Only events that open, change or move money of this \
            account or reserve some of it, and what was refused that names it", example = "users:42"),
        ("limit" = Option<usize>, Query, description = "How many events at most, 1 to 1000; a page ends sooner once it has 1 MiB",
            minimum = 1, maximum = 1000),
        ("wait_s" = Option<u32>, Query, description = "How many seconds the answer may wait for an event where \
            there is none yet", minimum = 0, maximum = 30),
        ("Last-Event-ID" = Option<String>, Header, description = "With `text/event-stream`: the position to go on from, in place of `after`"),
    ),
    responses(
        (status = 200, description = "The events, and where to go on", content(
            (EventPageView = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "`position_invalid`, `limit_invalid`, `account_id_invalid`, `query_invalid`"),
        (status = 403, description = "`account_not_allowed`: the key may not use this `account`"),
        (status = 503, description = "`overloaded`: too many streams are open already"),
        (status = 501, description = "`not_supported`: the ledger node is of a version before events"),
    )
)]
pub(crate) async fn events(call: Call, request: Request) -> Answered {
    let ending = Ending::of(&request);
    let asked = query::read(request.uri().query(), request.headers())?;
    if let Some(account_id) = &asked.filter.account_id {
        call.check_account(account_id)?;
    }
    let reading = Reading::new(call, asked.from, asked.filter);
    match asked.form {
        Form::Page { limit, wait } => page::respond(reading, limit, wait, ending).await,
        Form::Stream => stream::respond(reading, ending).await,
    }
}
