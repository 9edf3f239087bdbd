//! The endpoints of webhooks: how they stand, what became of each delivery, and what operators do with them.

use axum::extract::Request;
use axum::http::StatusCode;
use events::{
    DELIVERIES_MAX, DeliveriesQuery, Delivery, DeliveryState, EndpointStatus, FeedPlace, LastTry,
    Steering,
};
use serde::{Deserialize, Serialize};

use super::parameters;
use super::path::webhook_in_path;
use crate::call::{Answered, Call};
use crate::errors;
use crate::json::{self, Text};
use crate::problem::Problem;
use crate::rfc3339::Nanos;

const LIMIT_DEFAULT: usize = 100;
/// The most bytes of one delivery in an answer: two texts of 200 characters, each up to 6 bytes as JSON.
const DELIVERY_BYTES_MAX: usize = 4 * 1024;

/// The endpoints.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WebhooksView<'a> {
    /// Every endpoint of the configuration, in the order of their names.
    endpoints: Vec<EndpointView<'a>>,
}

/// An endpoint as it stands.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EndpointView<'a> {
    #[schema(example = "orders")]
    name: &'a str,
    /// Where it sends, without the query of the URL.
    #[schema(example = "https://hooks.example.com/lastro")]
    url: &'a str,
    /// `active`; `failing`: its receiver has taken nothing since it failed; `disabled`: by an operator, the configuration or
    /// its receiver (410); `stopped`: something has to be mended; `standby`: another node that shares the ledger sends.
    #[schema(example = "active")]
    state: &'static str,
    /// Why it does not send, or what goes wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Everything up to this position was delivered, given up, or not asked for; `null` while that is not known.
    #[schema(value_type = Option<String>)]
    position: Option<String>,
    /// How many events are in hand that are not delivered, at most 512. Others wait in the ledger.
    waiting_count: usize,
    /// How many of these are being sent.
    requests_count: usize,
    /// How many events were given up and can be tried again.
    dead_letters_count: usize,
    /// How many events were delivered since the server was started.
    delivered_count: u64,
    /// When the oldest event was decided that is not delivered; missing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_waiting_at: Option<Nanos>,
    /// How long ago that was, in milliseconds; 0 if there is none.
    lag_ms: u64,
    /// The last request that has ended since the server was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_try: Option<LastTryOfEndpointView<'a>>,
    /// When the next request is due; missing if none waits for its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Nanos>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct LastTryOfEndpointView<'a> {
    /// The message that it was about.
    webhook_id: &'a str,
    #[serde(flatten)]
    last: LastTryView<'a>,
}

/// A request to a receiver.
#[derive(Serialize, utoipa::ToSchema)]
struct LastTryView<'a> {
    #[schema(value_type = String, format = DateTime)]
    at: Nanos,
    /// The HTTP status; missing if no complete answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 503)]
    status: Option<u16>,
    /// Why no complete answer came.
    #[serde(skip_serializing_if = "str::is_empty")]
    failure: &'a str,
    /// The beginning of the answer's body; what controls or turns text is replaced by U+FFFD.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(max_length = 200)]
    body: &'a str,
}

/// Deliveries of an endpoint.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DeliveriesView<'a> {
    /// Those of the newest events first.
    #[schema(max_items = 1000)]
    deliveries: Vec<DeliveryView<'a>>,
}

/// An event on its way to an endpoint.
#[derive(Serialize, utoipa::ToSchema)]
struct DeliveryView<'a> {
    /// The id of the message, the same each time that it is sent: the event's `position`.
    webhook_id: String,
    #[schema(example = "transfer.posted")]
    event_type: &'a str,
    /// When the event was decided.
    #[schema(value_type = String, format = DateTime)]
    event_timestamp: Nanos,
    /// `waiting`, `delivered` or `dead`.
    #[schema(example = "delivered")]
    state: &'static str,
    /// How often it was sent; what is being sent is not counted.
    tries_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    first_try_at: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_try: Option<LastTryView<'a>>,
    /// When it is sent; missing once it has ended, and while it is being sent or waits for an earlier event of its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Nanos>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest<'a> {
    /// The position behind which the endpoint begins again: an event's `position`, the `next` of a page of events, or
    /// `beginning` for the ledger's first event.
    #[serde(borrow)]
    #[schema(value_type = String, example = "beginning")]
    after: Text<'a>,
}

impl<'a> From<&'a EndpointStatus> for EndpointView<'a> {
    fn from(status: &'a EndpointStatus) -> Self {
        let last = status.last_try.as_ref();
        Self {
            name: &status.name,
            url: &status.url,
            state: status.state.as_str(),
            reason: status.reason.as_deref(),
            position: status.position.map(|place| place.to_string()),
            waiting_count: status.waiting_count,
            requests_count: status.requests_count,
            dead_letters_count: status.dead_letters_count,
            delivered_count: status.delivered_count,
            oldest_waiting_at: status.oldest_waiting_at.map(Nanos),
            lag_ms: status.lag_ns / 1_000_000,
            last_try: last.map(|(webhook_id, last)| LastTryOfEndpointView {
                webhook_id,
                last: LastTryView::from(last),
            }),
            next_try_at: status.next_try_at.map(Nanos),
        }
    }
}

impl<'a> From<&'a LastTry> for LastTryView<'a> {
    fn from(last: &'a LastTry) -> Self {
        Self {
            at: Nanos(last.at),
            status: last.status,
            failure: &last.failure,
            body: &last.body,
        }
    }
}

impl<'a> From<&'a Delivery> for DeliveryView<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        let (placed, tries) = (&delivery.record.placed, &delivery.record.tries);
        Self {
            webhook_id: placed.webhook_id(),
            event_type: &placed.event_type,
            event_timestamp: Nanos(placed.timestamp),
            state: delivery.state.as_str(),
            tries_count: tries.count,
            first_try_at: tries.first_at.map(Nanos),
            last_try: tries.last.as_ref().map(LastTryView::from),
            next_try_at: delivery.next_try_at.map(Nanos),
        }
    }
}

/// Lists the endpoints that events are sent to, with how far each has come and what goes wrong.
///
/// Endpoints are in the configuration; the secrets that messages are signed with are never shown. Only for keys
/// without a bound on accounts.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    responses(
        (status = 200, description = "The endpoints", body = WebhooksView),
        (status = 403, description = "`account_not_allowed`: the key is bound to accounts"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
    )
)]
pub(crate) async fn webhooks(call: Call, _: Request) -> Answered {
    let endpoints = call.webhooks().await?;
    let view = WebhooksView {
        endpoints: endpoints.iter().map(EndpointView::from).collect(),
    };
    Ok(json::respond(StatusCode::OK, &view))
}

/// Lists deliveries of an endpoint, those of the newest events first: all that wait, all dead letters, and the newest
/// 1,000 that were delivered since the server was started.
#[utoipa::path(
    get, path = "/v1/webhooks/{name}/deliveries", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The endpoint's name", example = "orders"),
        ("state" = Option<String>, Query, description = "Only those that are `waiting`, `delivered` or `dead`",
            example = "dead"),
        ("limit" = Option<usize>, Query, description = "How many at most, 1 to 1000; 100 by default",
            minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "Deliveries", body = DeliveriesView),
        (status = 400, description = "`limit_invalid`, `query_invalid`, `path_invalid`"),
        (status = 403, description = "`account_not_allowed`: the key is bound to accounts"),
        (status = 404, description = "`webhook_not_found`"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
    )
)]
pub(crate) async fn deliveries(call: Call, request: Request) -> Answered {
    let name = webhook_in_path(request.uri().path())?.into_owned();
    let query = query(name, request.uri().query())?;
    let place = call.place((query.limit + 1) * DELIVERY_BYTES_MAX)?;
    let deliveries = call.deliveries(query).await?;
    let deliveries = deliveries.ok_or_else(errors::webhook_not_found)?;
    let view = DeliveriesView {
        deliveries: deliveries.iter().map(DeliveryView::from).collect(),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

fn query(name: String, query: Option<&str>) -> Result<DeliveriesQuery, Problem> {
    let [state, limit] = parameters::read(query, ["state", "limit"])?;
    let named = |text: &str| {
        let mut states = DeliveryState::ALL.into_iter();
        let state = states.find(|state| state.as_str() == text);
        state.ok_or_else(|| errors::query_invalid("state is waiting, delivered or dead"))
    };
    Ok(DeliveriesQuery {
        name,
        state: state.as_deref().map(named).transpose()?,
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, DELIVERIES_MAX)?,
    })
}

/// Has an endpoint begin again behind a position: everything behind it is sent, in order, also what was sent before,
/// with the same `webhook-id`. What waits is forgotten, dead letters stay. It also moves an endpoint forward,
/// past events that it is not to get, and starts one that is stopped.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/replay", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name", example = "orders")),
    request_body = ReplayRequest,
    responses(
        (status = 200, description = "The endpoint", body = EndpointView),
        (status = 400, description = "`position_invalid`, or not well formed"),
        (status = 404, description = "`webhook_not_found`"),
        (status = 409, description = "`webhook_stopped`: the configuration disables it; `webhook_on_other_node`"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
        crate::openapi::responses::NotJson,
    )
)]
pub(crate) async fn replay_webhook(call: Call, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let name = webhook_in_path(parts.uri.path())?.into_owned();
    json::check_content_type(&parts.headers)?;
    let body = call.body(body).await?;
    let replay = json::parse::<ReplayRequest<'_>>(&body)?;
    let place = FeedPlace::parse(&replay.after.0).ok_or_else(errors::replay_position_invalid)?;
    steer(&call, name, Steering::Replay(place)).await
}

/// Has an endpoint try its dead letters again, the oldest first, as many as there is room for; each for three
/// days, as if it was new. They keep their order among themselves, and hold up no other events of their accounts.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/retry", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name", example = "orders")),
    responses(
        (status = 200, description = "The endpoint; its `dead_letters_count` is what is left", body = EndpointView),
        (status = 404, description = "`webhook_not_found`"),
        (status = 409, description = "`webhook_stopped`, `webhook_on_other_node`"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
    )
)]
pub(crate) async fn retry_webhook(call: Call, request: Request) -> Answered {
    let name = webhook_in_path(request.uri().path())?.into_owned();
    steer(&call, name, Steering::Retry).await
}

/// Has an endpoint send again, at once, after it was disabled, or where its receiver asked for time.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/enable", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name", example = "orders")),
    responses(
        (status = 200, description = "The endpoint", body = EndpointView),
        (status = 404, description = "`webhook_not_found`"),
        (status = 409, description = "`webhook_stopped`, `webhook_on_other_node`"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
    )
)]
pub(crate) async fn enable_webhook(call: Call, request: Request) -> Answered {
    let name = webhook_in_path(request.uri().path())?.into_owned();
    steer(&call, name, Steering::Enable).await
}

/// Has an endpoint send nothing more, also after a restart, until it is enabled. Its events wait in the ledger.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/disable", tag = "webhooks",
    params(("name" = String, Path, description = "The endpoint's name", example = "orders")),
    responses(
        (status = 200, description = "The endpoint", body = EndpointView),
        (status = 404, description = "`webhook_not_found`"),
        (status = 409, description = "`webhook_stopped`, `webhook_on_other_node`"),
        (status = 501, description = "`not_supported`: another process has the ledger"),
    )
)]
pub(crate) async fn disable_webhook(call: Call, request: Request) -> Answered {
    let name = webhook_in_path(request.uri().path())?.into_owned();
    steer(&call, name, Steering::Disable).await
}

async fn steer(call: &Call, name: String, steering: Steering) -> Answered {
    let status = call.steer_webhook(name, steering).await?;
    Ok(json::respond(StatusCode::OK, &EndpointView::from(&status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        for (text, expected) in [
            ("", Ok((None, 100))),
            ("state=dead", Ok((Some(DeliveryState::Dead), 100))),
            (
                "state=waiting&limit=1000",
                Ok((Some(DeliveryState::Waiting), 1_000)),
            ),
            (
                "state=delivered&limit=1",
                Ok((Some(DeliveryState::Delivered), 1)),
            ),
            ("limit=0", Err("limit_invalid")),
            ("limit=1001", Err("limit_invalid")),
            ("state=", Err("query_invalid")),
            ("state=Dead", Err("query_invalid")),
            ("cursor=1", Err("query_invalid")),
        ] {
            let read = query("a".to_owned(), Some(text));
            let read = read.map(|query| (query.state, query.limit));
            assert_eq!(
                read.map_err(|problem| problem.code.as_str()),
                expected,
                "{text}"
            );
        }
    }
}
