//! Pending transfers that are posted in several parts: `"final": false`.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::ManualClock;

use crate::support::{Answer, Face, Setup, everything, five, five_accounts_at, new_id};

/// A pending transfer of 600 from account 1, which may take 100,000, to account 2.
async fn held(face: &Face, timeout_s: u32) -> String {
    let id = new_id();
    let body = json!({
        "id": id, "debit_account_id": "1", "credit_account_id": "2",
        "amount": 600, "description": "hold", "reference": "order 7", "timeout_s": timeout_s,
    });
    assert_eq!(face.post("/v1/transfers", body).await.status, 201);
    id
}

async fn post(face: &Face, id: &str, body: Value) -> Answer {
    face.post(&format!("/v1/transfers/{id}/post"), body).await
}

async fn part(face: &Face, id: &str, amount: u64) -> Answer {
    post(
        face,
        id,
        json!({"id": new_id(), "amount": amount, "final": false}),
    )
    .await
}

/// What a read tells of a pending transfer.
async fn read(face: &Face, id: &str) -> [Value; 4] {
    let body = face.get(&format!("/v1/transfers/{id}")).await.body;
    ["pending_state", "posted_amount", "ended_by", "expires_at"].map(|field| body[field].clone())
}

/// `debits_pending`, `available` and `balance` of account 1.
async fn figures(face: &Face) -> (u64, u64, i64) {
    let account = face.get("/v1/accounts/1").await.body;
    (
        account["debits_pending"].as_u64().unwrap(),
        account["available"].as_u64().unwrap(),
        account["balance"].as_i64().unwrap(),
    )
}

#[tokio::test]
async fn a_hold_is_captured_in_two_parts_and_the_rest_released() {
    let (face, engine) = five().await;
    let id = held(&face, 0).await;
    let own_id = new_id();
    let body = json!({"id": own_id, "amount": 250, "final": false});
    let first = post(&face, &id, body.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    let expected = json!({
        "id": own_id, "kind": "post", "final": false, "pending_id": id, "debit_account_id": "1",
        "credit_account_id": "2", "amount": 250, "description": "hold", "reference": "order 7",
        "timestamp": first.body["timestamp"],
        "debit": {"entry_number": 1, "balance_after": -250},
        "credit": {"entry_number": 1, "balance_after": 250},
    });
    assert_eq!(first.body, expected);
    assert_eq!(figures(&face).await, (350, 99_400, -250));
    let so_far = [json!("pending"), json!(250), Value::Null, Value::Null];
    assert_eq!(read(&face, &id).await, so_far);

    let before = everything(&engine);
    let again = post(&face, &id, body.clone()).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    let other = post(&face, &id, json!({"id": own_id, "amount": 250})).await;
    assert_eq!(other.problem(), (409, "exists_with_different_final"));
    assert_eq!(other.body["field"], "final");
    let other = post(
        &face,
        &id,
        json!({"id": own_id, "amount": 251, "final": false}),
    )
    .await;
    assert_eq!(other.problem(), (409, "exists_with_different_amount"));
    assert_eq!(everything(&engine), before);

    let more = part(&face, &id, 351).await;
    assert_eq!(more.problem(), (422, "amount_exceeds_pending"));
    assert_eq!(
        (&more.body["available"], &more.body["required"]),
        (&json!(350), &json!(351))
    );
    let last_id = new_id();
    let last = json!({"id": last_id, "amount": 300, "final": true});
    let last = post(&face, &id, last).await;
    assert_eq!((last.status, last.body.get("final")), (201, None));
    assert_eq!(figures(&face).await, (0, 99_450, -550));
    let ended = [
        json!("posted"),
        json!(550),
        Value::from(last_id),
        Value::Null,
    ];
    assert_eq!(read(&face, &id).await, ended);
    let late = part(&face, &id, 1).await;
    assert_eq!(late.problem(), (422, "pending_already_posted"));
    let statement = face.get("/v1/accounts/1/statement").await.body;
    let entries = statement["entries"].as_array().unwrap();
    let entries: Vec<_> = entries.iter().map(|e| (&e["kind"], &e["amount"])).collect();
    assert_eq!(
        entries,
        [(&json!("post"), &json!(300)), (&json!("post"), &json!(250))]
    );
}

#[tokio::test]
async fn what_parts_leave_is_voided_or_expires() {
    let clock = Arc::new(ManualClock::default());
    clock.set(ledger::Timestamp::from_nanos(1_796_000_000_000_000_000));
    let engine = five_accounts_at(clock.clone()).await;
    let face = Setup::over(engine).start().await;
    let (voided, expired, whole) = (
        held(&face, 60).await,
        held(&face, 60).await,
        held(&face, 60).await,
    );
    // Each is a nanosecond later than the event before it.
    let [.., expires_at] = read(&face, &voided).await;
    let shown = expires_at.as_str().unwrap();
    assert!(shown.starts_with("2026-11-30T00:54:20.0000000"), "{shown}");
    for (id, amount) in [(&voided, 100), (&expired, 200), (&whole, 300)] {
        assert_eq!(part(&face, id, amount).await.status, 201);
        let so_far = [json!("pending"), json!(amount), Value::Null];
        assert_eq!(read(&face, id).await[..3], so_far);
    }
    let own_id = new_id();
    let path = format!("/v1/transfers/{voided}/void");
    let void = face.post(&path, json!({"id": own_id})).await;
    assert_eq!((void.status, &void.body["amount"]), (201, &json!(500)));
    let ended = [json!("voided"), json!(100), Value::from(own_id), expires_at];
    assert_eq!(read(&face, &voided).await, ended);
    // A part that reaches the whole ends it.
    let last = part(&face, &whole, 300).await;
    assert_eq!(last.status, 201);
    let ended = [json!("posted"), json!(600), last.body["id"].clone()];
    assert_eq!(read(&face, &whole).await[..3], ended);
    assert_eq!(figures(&face).await, (400, 98_700, -900));
    clock.advance_ns(61_000_000_000);
    let ended = [json!("expired"), json!(200), Value::Null];
    assert_eq!(read(&face, &expired).await[..3], ended);
    assert_eq!(figures(&face).await, (0, 99_100, -900));
    let late = part(&face, &expired, 1).await;
    assert_eq!(late.problem(), (422, "pending_expired"));
}

#[tokio::test]
async fn a_part_says_how_much_it_is() {
    let (face, engine) = five().await;
    let id = held(&face, 0).await;
    let before = everything(&engine);
    for body in [
        json!({"id": new_id(), "final": false}),
        json!({"id": new_id(), "final": false, "amount": null}),
    ] {
        let refused = post(&face, &id, body).await;
        assert_eq!(refused.problem(), (400, "json_invalid"));
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("needs an amount"), "{detail}");
    }
    for (body, problem) in [
        (json!({"final": "no"}), (400, "json_invalid")),
        (json!({"final": null}), (400, "json_invalid")),
        (
            json!({"final": false, "amount": 0}),
            (422, "amount_out_of_range"),
        ),
    ] {
        let mut body = body;
        body["id"] = json!(new_id());
        let refused = post(&face, &id, body).await;
        assert_eq!(refused.problem(), problem);
    }
    let member = json!({"kind": "post", "id": new_id(), "pending_id": id, "final": false});
    let refused = face
        .post(
            "/v1/batches",
            json!({"atomic": false, "commands": [member]}),
        )
        .await;
    assert_eq!(refused.problem(), (400, "json_invalid"));
    let member = json!({"kind": "void", "id": new_id(), "pending_id": id, "final": false});
    let refused = face
        .post(
            "/v1/batches",
            json!({"atomic": false, "commands": [member]}),
        )
        .await;
    assert_eq!(refused.problem(), (400, "json_invalid"));
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn parts_are_previewed_batched_and_in_the_events() {
    let (face, engine) = five().await;
    let id = held(&face, 0).await;
    let before = everything(&engine);
    let dry = json!({"id": new_id(), "amount": 100, "final": false, "dry_run": true});
    let dry = post(&face, &id, dry).await;
    assert_eq!((dry.status, &dry.body["final"]), (200, &json!(false)));
    assert_eq!(everything(&engine), before);
    let member = |amount: u64, is_final: bool| json!({"kind": "post", "id": new_id(), "pending_id": id, "amount": amount, "final": is_final});
    let batch = json!({
        "id": new_id(), "atomic": true,
        "commands": [member(100, false), member(150, false), member(50, true)],
    });
    let applied = face.post("/v1/batches", batch).await;
    assert_eq!(applied.status, 200, "{applied:?}");
    let outcomes = applied.body["outcomes"].as_array().unwrap();
    let finals: Vec<_> = outcomes
        .iter()
        .map(|outcome| &outcome["transfer"]["final"])
        .collect();
    assert_eq!(finals, [&json!(false), &json!(false), &Value::Null]);
    let [state, posted, ..] = read(&face, &id).await;
    assert_eq!((state, posted), (json!("posted"), json!(300)));
    let page = face.get("/v1/events?types=transfer.posted").await.body;
    let events = page["events"].as_array().unwrap();
    let finals: Vec<_> = events
        .iter()
        .map(|event| &event["transfer"]["final"])
        .collect();
    assert_eq!(finals, [&json!(false), &json!(false), &Value::Null]);
}
