//! The endpoints of webhooks: how they are shown and steered.

use std::sync::Arc;
use std::time::Instant;

use events::{
    DeliveriesQuery, Delivery, DeliveryRecord, DeliveryState, EndpointState, EndpointStatus,
    FeedPlace, LastTry, NotSteered, Placed, Steering, Tries, Webhooks,
};
use ledger::{Answer, Engine, EventPosition, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{Face, Setup, five_accounts};

/// Two endpoints: `orders` works, `stopped` does not. They do what they are told, and remember it.
pub(crate) struct Endpoints {
    now: u64,
    orders: Mutex<Vec<(String, Steering)>>,
}

impl Endpoints {
    pub(crate) fn at(now: u64) -> Self {
        Self {
            now,
            orders: Mutex::default(),
        }
    }

    fn time(&self, seconds: u64) -> Timestamp {
        Timestamp::from_nanos(self.now - seconds * 1_000_000_000)
    }

    fn last(&self, status: u16) -> LastTry {
        LastTry {
            at: self.time(2),
            status: Some(status),
            failure: String::new(),
            body: "busy \u{fffd}".to_owned(),
        }
    }

    fn status(&self, name: &str) -> EndpointStatus {
        let is_stopped = name == "stopped";
        EndpointStatus {
            name: name.to_owned(),
            url: "https://hooks.example.com/lastro".to_owned(),
            state: match is_stopped {
                true => EndpointState::Stopped,
                false => EndpointState::Failing,
            },
            reason: is_stopped.then(|| "its state is damaged".to_owned()),
            position: (!is_stopped).then_some(FeedPlace::After(position(6))),
            waiting_count: 2,
            requests_count: 1,
            dead_letters_count: 1,
            delivered_count: 40,
            oldest_waiting_at: Some(self.time(90)),
            lag_ns: 90_000_000_000,
            last_try: Some((position(7).to_string(), self.last(503))),
            next_try_at: Some(Timestamp::from_nanos(self.now + 1)),
        }
    }

    fn delivery(&self, number: u8, state: DeliveryState) -> Delivery {
        let placed = Placed {
            after: FeedPlace::After(position(number - 1)),
            position: position(number),
            event_type: "transfer.posted".to_owned(),
            timestamp: self.time(100 - u64::from(number)),
        };
        let tries = match state {
            DeliveryState::Waiting => Tries::default(),
            DeliveryState::Delivered | DeliveryState::Dead => Tries {
                count: 3,
                tried_for_ms: 15_000,
                first_at: Some(self.time(20)),
                last: Some(self.last(200)),
            },
        };
        Delivery {
            record: DeliveryRecord { placed, tries },
            state,
            next_try_at: (state == DeliveryState::Waiting)
                .then_some(Timestamp::from_nanos(self.now)),
        }
    }
}

fn position(number: u8) -> EventPosition {
    EventPosition::from_bytes([number; EventPosition::BYTES])
}

impl Webhooks for Endpoints {
    fn endpoints(&self, _: Instant) -> Answer<'_, Vec<EndpointStatus>> {
        let all = ["orders", "stopped"].map(|name| self.status(name));
        Box::pin(async move { Ok(all.into()) })
    }

    fn deliveries(&self, query: DeliveriesQuery, _: Instant) -> Answer<'_, Option<Vec<Delivery>>> {
        let found = (query.name == "orders").then(|| {
            let all = DeliveryState::ALL.into_iter().zip(7_u8..);
            let all = all.filter(|(state, _)| query.state.is_none_or(|asked| asked == *state));
            let all = all.map(|(state, number)| self.delivery(number, state));
            all.take(query.limit).collect()
        });
        Box::pin(async move { Ok(found) })
    }

    fn steer(
        &self,
        name: String,
        order: Steering,
        _: Instant,
    ) -> Answer<'_, Option<Result<EndpointStatus, NotSteered>>> {
        let done = match (&*name, order) {
            (_, Steering::Replay(FeedPlace::After(after))) if after == position(0xff) => {
                Some(Err(NotSteered::PositionInvalid))
            }
            ("orders", _) => Some(Ok(self.status(&name))),
            ("stopped", _) => Some(Err(NotSteered::Stopped("its state is damaged".to_owned()))),
            _ => None,
        };
        if matches!(done, Some(Ok(_))) {
            self.orders.lock().push((name, order));
        }
        Box::pin(async move { Ok(done) })
    }
}

/// 2026-01-31T23:59:59.5Z.
const NOW: u64 = 1_769_903_999_500_000_000;

async fn face() -> (Face, Arc<Endpoints>) {
    let endpoints = Arc::new(Endpoints::at(NOW));
    let setup = Setup {
        webhooks: Some(Arc::clone(&endpoints) as Arc<dyn Webhooks>),
        ..Setup::over(five_accounts().await as Arc<dyn Engine>)
    };
    (setup.start().await, endpoints)
}

#[tokio::test]
async fn endpoints_are_shown_with_what_goes_wrong() {
    let (face, _) = face().await;
    let answer = face.get("/v1/webhooks").await;
    assert_eq!(answer.status, 200);
    let [orders, stopped] = &answer.body["endpoints"].as_array().unwrap()[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(
        orders,
        &json!({
            "name": "orders", "url": "https://hooks.example.com/lastro", "state": "failing",
            "position": "06".repeat(24), "waiting_count": 2, "requests_count": 1, "dead_letters_count": 1,
            "delivered_count": 40, "oldest_waiting_at": "2026-01-31T23:58:29.500000000Z", "lag_ms": 90_000,
            "last_try": {"webhook_id": "07".repeat(24), "at": "2026-01-31T23:59:57.500000000Z", "status": 503,
                "body": "busy \u{fffd}"},
            "next_try_at": "2026-01-31T23:59:59.500000001Z",
        })
    );
    assert_eq!(stopped["position"], Value::Null);
    assert_eq!(
        (&stopped["state"], &stopped["reason"]),
        (&json!("stopped"), &json!("its state is damaged"))
    );
}

#[tokio::test]
async fn deliveries_are_listed_by_their_state() {
    let (face, _) = face().await;
    let path = |query: &str| format!("/v1/webhooks/orders/deliveries{query}");
    let all = face.get(&path("")).await;
    let states = |body: &Value| {
        let all = body["deliveries"].as_array().unwrap().iter();
        all.map(|one| one["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&all.body), ["waiting", "delivered", "dead"]);
    assert_eq!(states(&face.get(&path("?limit=1")).await.body), ["waiting"]);
    let dead = face.get(&path("?state=dead")).await;
    assert_eq!(
        dead.body["deliveries"][0],
        json!({
            "webhook_id": "09".repeat(24), "event_type": "transfer.posted",
            "event_timestamp": "2026-01-31T23:58:28.500000000Z", "state": "dead", "tries_count": 3,
            "first_try_at": "2026-01-31T23:59:39.500000000Z",
            "last_try": {"at": "2026-01-31T23:59:57.500000000Z", "status": 200, "body": "busy \u{fffd}"},
        })
    );
    let missing = face.get("/v1/webhooks/nobody/deliveries").await;
    assert_eq!(missing.problem(), (404, "webhook_not_found"));
    assert_eq!(
        face.get(&path("?state=x")).await.problem(),
        (400, "query_invalid")
    );
}

#[tokio::test]
async fn operators_steer_endpoints() {
    let (face, endpoints) = face().await;
    let post = async |path: &str, body: Value| {
        let path = format!("/v1/webhooks/{path}");
        match body {
            Value::Null => crate::support::answer(face.request(reqwest::Method::POST, &path)).await,
            body => face.post(&path, body).await,
        }
    };
    let after = position(3).to_string();
    for (path, body) in [
        ("orders/replay", json!({"after": after})),
        ("orders/replay", json!({"after": "beginning"})),
        ("orders/retry", Value::Null),
        ("orders/enable", Value::Null),
        ("orders/disable", Value::Null),
    ] {
        let answer = post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.body["name"], "orders");
    }
    let expected = [
        Steering::Replay(FeedPlace::After(position(3))),
        Steering::Replay(FeedPlace::Beginning),
        Steering::Retry,
        Steering::Enable,
        Steering::Disable,
    ];
    let given: Vec<_> = std::mem::take(&mut *endpoints.orders.lock());
    assert_eq!(given, expected.map(|order| ("orders".to_owned(), order)));
    for (path, body, expected) in [
        ("nobody/retry", Value::Null, (404, "webhook_not_found")),
        ("stopped/enable", Value::Null, (409, "webhook_stopped")),
        (
            "orders/replay",
            json!({"after": "ff".repeat(24)}),
            (400, "position_invalid"),
        ),
        (
            "orders/replay",
            json!({"after": "latest"}),
            (400, "position_invalid"),
        ),
        ("orders/replay", json!({"after": 7}), (400, "json_invalid")),
        ("orders/replay", json!({}), (400, "json_invalid")),
        (
            "orders/replay",
            json!({"after": "beginning", "to": "x"}),
            (400, "json_invalid"),
        ),
        (
            "orders/replay",
            Value::Null,
            (415, "content_type_unsupported"),
        ),
    ] {
        assert_eq!(
            post(path, body.clone()).await.problem(),
            expected,
            "{path} {body}"
        );
    }
    assert_eq!(*endpoints.orders.lock(), []);
}

#[tokio::test]
async fn a_node_without_the_ledger_says_who_sends_webhooks() {
    let face = Setup::over(five_accounts().await as Arc<dyn Engine>)
        .start()
        .await;
    let answer = face.get("/v1/webhooks").await;
    assert_eq!(answer.problem(), (501, "not_supported"));
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("the process that has the ledger"),
        "{detail}"
    );
}
