//! Pending transfers: reserved, posted, voided, expired.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::ManualClock;

use crate::support::{
    Answer, Face, Setup, answer, as_read, everything, five, five_accounts_at, new_id,
};

/// A hold of 600 on account 1, which may take 100,000.
fn hold(id: &str, timeout_s: u32) -> Value {
    json!({
        "id": id, "debit_account_id": "1", "credit_account_id": "2",
        "amount": 600, "description": "hold", "timeout_s": timeout_s,
    })
}

async fn held(face: &Face, timeout_s: u32) -> String {
    let id = new_id();
    let answer = face.post("/v1/transfers", hold(&id, timeout_s)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    id
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

async fn pending_state(face: &Face, id: &str) -> Value {
    let path = format!("/v1/transfers/{id}");
    face.get(&path).await.body["pending_state"].clone()
}

fn route(id: &str, end: &str) -> String {
    format!("/v1/transfers/{id}/{end}")
}

#[tokio::test]
async fn a_pending_transfer_reserves_and_moves_nothing() {
    let (face, engine) = five().await;
    let id = new_id();
    let first = face.post("/v1/transfers", hold(&id, 60)).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    assert_eq!(first.location, Some(format!("/v1/transfers/{id}")));
    let expected = json!({
        "id": id, "kind": "pend", "timeout_s": 60, "expires_at": first.body["expires_at"],
        "debit_account_id": "1", "credit_account_id": "2", "amount": 600, "description": "hold",
        "timestamp": first.body["timestamp"],
    });
    assert_eq!(first.body, expected);
    assert!(first.body["expires_at"].as_str() > first.body["timestamp"].as_str());
    assert_eq!(figures(&face).await, (600, 99_400, 0));
    let credited = face.get("/v1/accounts/2").await.body;
    assert_eq!(
        (&credited["credits_pending"], &credited["available"]),
        (&json!(600), &json!(80_000))
    );
    let statement = face.get("/v1/accounts/1/statement").await.body;
    assert_eq!(statement["entries"], json!([]));

    let before = everything(&engine);
    let again = face.post("/v1/transfers", hold(&id, 60)).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    let other = face.post("/v1/transfers", hold(&id, 61)).await;
    assert_eq!(other.problem(), (409, "exists_with_different_timeout_s"));
    let mut at_once = hold(&id, 60);
    at_once.as_object_mut().unwrap().remove("timeout_s");
    let other = face.post("/v1/transfers", at_once).await;
    assert_eq!(other.problem(), (409, "exists_with_different_kind"));
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn more_than_is_available_is_not_reserved() {
    let (face, _) = five().await;
    let mut body = hold(&new_id(), 60);
    body["amount"] = json!(100_001);
    let refused = face.post("/v1/transfers", body).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
    held(&face, 60).await;
    let mut body = hold(&new_id(), 0);
    body["amount"] = json!(99_401);
    let refused = face.post("/v1/transfers", body).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
    assert_eq!(refused.body["available"], 99_400);
}

#[tokio::test]
async fn a_pending_transfer_is_posted_once() {
    let (face, engine) = five().await;
    let id = held(&face, 60).await;
    assert_eq!(pending_state(&face, &id).await, "pending");
    let own_id = new_id();
    let body = json!({"id": own_id});
    let posted = face.post(&route(&id, "post"), body.clone()).await;
    assert_eq!((posted.status, posted.replayed), (201, false), "{posted:?}");
    assert_eq!(posted.location, Some(format!("/v1/transfers/{own_id}")));
    let expected = json!({
        "id": own_id, "kind": "post", "pending_id": id, "debit_account_id": "1",
        "credit_account_id": "2", "amount": 600, "description": "hold",
        "timestamp": posted.body["timestamp"],
        "debit": {"entry_number": 1, "balance_after": -600},
        "credit": {"entry_number": 1, "balance_after": 600},
    });
    assert_eq!(posted.body, expected);
    assert_eq!(figures(&face).await, (0, 99_400, -600));
    assert_eq!(pending_state(&face, &id).await, "posted");
    let path = format!("/v1/transfers/{own_id}");
    assert_eq!(face.get(&path).await.body, as_read(&expected));

    let before = everything(&engine);
    let again = face.post(&route(&id, "post"), body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    // In full is another command than the same amount by name.
    let named = json!({"id": own_id, "amount": 600});
    let other = face.post(&route(&id, "post"), named).await;
    assert_eq!(other.problem(), (409, "exists_with_different_amount"));
    let other = face
        .post(&route(&new_id(), "post"), json!({"id": own_id}))
        .await;
    assert_eq!(other.problem(), (409, "exists_with_different_pending_id"));
    let other = face.post(&route(&id, "void"), json!({"id": own_id})).await;
    assert_eq!(other.problem(), (409, "exists_with_different_kind"));
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_part_is_posted_and_the_rest_released() {
    let (face, _) = five().await;
    let id = held(&face, 0).await;
    let too_much = json!({"id": new_id(), "amount": 601});
    let refused = face.post(&route(&id, "post"), too_much).await;
    assert_eq!(refused.problem(), (422, "amount_exceeds_pending"));
    assert_eq!(
        (&refused.body["available"], &refused.body["required"]),
        (&json!(600), &json!(601))
    );
    let part = json!({"id": new_id(), "amount": 250});
    let posted = face.post(&route(&id, "post"), part).await;
    assert_eq!((posted.status, &posted.body["amount"]), (201, &json!(250)));
    assert_eq!(figures(&face).await, (0, 99_750, -250));
}

#[tokio::test]
async fn a_pending_transfer_is_voided() {
    let (face, engine) = five().await;
    let id = held(&face, 60).await;
    let body = json!({"id": new_id()});
    let voided = face.post(&route(&id, "void"), body.clone()).await;
    assert_eq!((voided.status, voided.replayed), (201, false), "{voided:?}");
    assert_eq!(
        (&voided.body["kind"], &voided.body["pending_id"]),
        (&json!("void"), &json!(id))
    );
    assert!(voided.body.get("debit").is_none(), "{voided:?}");
    assert_eq!(figures(&face).await, (0, 100_000, 0));
    assert_eq!(pending_state(&face, &id).await, "voided");
    let before = everything(&engine);
    let again = face.post(&route(&id, "void"), body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, voided.body);
    assert_eq!(everything(&engine), before);
}

/// Both ends of each: what was ended once is not ended again, by whatever end.
#[tokio::test]
async fn what_is_ended_stays_ended() {
    let (face, _) = five().await;
    for (end, code) in [
        ("post", "pending_already_posted"),
        ("void", "pending_already_voided"),
    ] {
        let id = held(&face, 60).await;
        let ended = face.post(&route(&id, end), json!({"id": new_id()})).await;
        assert_eq!(ended.status, 201);
        for second in ["post", "void"] {
            let body = json!({"id": new_id()});
            let refused = face.post(&route(&id, second), body.clone()).await;
            assert_eq!(refused.problem(), (422, code), "{end}, {second}");
            assert_eq!(refused.body["pending_id"], id.as_str());
            assert!(!refused.replayed);
            let again = face.post(&route(&id, second), body).await;
            assert!(again.replayed, "a refusal is remembered too");
            assert_eq!((again.status, &again.body), (422, &refused.body));
        }
    }
}

#[tokio::test]
async fn only_pending_transfers_are_ended() {
    let (face, _) = five().await;
    let at_once = json!({
        "id": new_id(), "debit_account_id": "world:BRL", "credit_account_id": "1",
        "amount": 1, "description": "x",
    });
    let moved = face.post("/v1/transfers", at_once).await;
    for end in ["post", "void"] {
        for id in [new_id(), moved.body["id"].as_str().unwrap().to_owned()] {
            let refused = face.post(&route(&id, end), json!({"id": new_id()})).await;
            assert_eq!(refused.problem(), (404, "pending_not_found"), "{end}");
            assert_eq!(refused.body["pending_id"], id.as_str());
        }
        let bad = face
            .post(&route("4711", end), json!({"id": new_id()}))
            .await;
        assert_eq!(bad.problem(), (400, "id_invalid"));
    }
}

#[tokio::test]
async fn a_pending_transfer_expires_by_itself() {
    let clock = Arc::new(ManualClock::default());
    let engine = five_accounts_at(clock.clone()).await;
    let face = Setup::over(engine).start().await;
    let (short, endless) = (held(&face, 5).await, held(&face, 0).await);
    clock.advance_ns(4_000_000_000);
    assert_eq!(figures(&face).await, (1_200, 98_800, 0));
    clock.advance_ns(1_000_001_000);
    assert_eq!(figures(&face).await, (600, 99_400, 0));
    assert_eq!(pending_state(&face, &short).await, "expired");
    for end in ["post", "void"] {
        let refused = face
            .post(&route(&short, end), json!({"id": new_id()}))
            .await;
        assert_eq!(refused.problem(), (422, "pending_expired"), "{end}");
    }
    clock.advance_ns(1_000_000_000 * 60 * 60 * 24 * 365 * 100);
    assert_eq!(pending_state(&face, &endless).await, "pending");
    let posted = face
        .post(&route(&endless, "post"), json!({"id": new_id()}))
        .await;
    assert_eq!(posted.status, 201);
    // The longest time there is does not overflow.
    let longest = held(&face, u32::MAX).await;
    assert_eq!(pending_state(&face, &longest).await, "pending");
}

/// What a read shows of a pending transfer's end: the post's or the void's own id, amount and time.
#[tokio::test]
async fn a_pending_transfer_shows_how_it_ended() {
    let clock = Arc::new(ManualClock::default());
    clock.set(ledger::Timestamp::from_nanos(1_796_000_000_000_000_000));
    let engine = five_accounts_at(clock.clone()).await;
    let face = Setup::over(engine).start().await;
    let read = async |id: &str| {
        let body = face.get(&format!("/v1/transfers/{id}")).await.body;
        let fields = ["pending_state", "posted_amount", "ended_by", "ended_at"];
        fields.map(|field| body.get(field).cloned())
    };
    let ids = [(); 4].map(|()| new_id());
    for id in &ids {
        let made = face.post("/v1/transfers", hold(id, 60)).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.body.get("ended_at"), None);
        assert_eq!(read(id).await, [Some(json!("pending")), None, None, None]);
    }
    let [in_part, in_full, voided, expired] = &ids;
    let ends = [(); 3].map(|()| new_id());
    let [by_part, by_full, by_void] = &ends;
    clock.advance_ns(1_000_000_000);
    let part = json!({"id": by_part, "amount": 250});
    let first = face.post(&route(in_part, "post"), part).await;
    let second = face
        .post(&route(in_full, "post"), json!({"id": by_full}))
        .await;
    let third = face
        .post(&route(voided, "void"), json!({"id": by_void}))
        .await;
    clock.advance_ns(89_000_000_000);
    let with = |state: &str, amount: Option<u64>, by: Option<&str>, at: Value| {
        let (amount, by) = (amount.map(Value::from), by.map(Value::from));
        [Some(json!(state)), amount, by, Some(at)]
    };
    let timestamp = |end: &Answer| end.body["timestamp"].clone();
    assert_eq!(timestamp(&first), "2026-11-30T00:53:21.000000000Z");
    let expected = with("posted", Some(250), Some(by_part), timestamp(&first));
    assert_eq!(read(in_part).await, expected);
    let expected = with("posted", Some(600), Some(by_full), timestamp(&second));
    assert_eq!(read(in_full).await, expected);
    let expected = with("voided", None, Some(by_void), timestamp(&third));
    assert_eq!(read(voided).await, expected);
    // Thirty seconds after it was due: that is when its end was recorded.
    let at = json!("2026-11-30T00:54:50.000000000Z");
    assert_eq!(read(expired).await, with("expired", None, None, at));
    // What ended it shows no end of its own.
    assert_eq!(read(by_part).await, [None, None, None, None]);
}

#[tokio::test]
async fn a_key_stands_for_the_id_and_then_nothing_else_is_needed() {
    let (face, _) = five().await;
    let send = async |id: &str, end: &str, key: &str| -> Answer {
        let request = face.request(Method::POST, &route(id, end));
        answer(request.header("Idempotency-Key", key)).await
    };
    for (end, kind) in [("post", "post"), ("void", "void")] {
        let id = held(&face, 60).await;
        let without = answer(face.request(Method::POST, &route(&id, end))).await;
        assert_eq!(without.problem(), (400, "id_missing"));
        let key = format!("the {end} of order 4711");
        let first = send(&id, end, &key).await;
        assert_eq!((first.status, &first.body["kind"]), (201, &json!(kind)));
        let again = send(&id, end, &key).await;
        assert_eq!((again.status, again.replayed), (200, true));
        assert_eq!(again.body, first.body);
        let path = route(&id, end);
        let empty = face.keyed(Method::POST, &path, &key, json!({})).await;
        assert_eq!(empty.body, first.body);
        // A key is one id in the space of all transfers.
        let id = held(&face, 60).await;
        let other = send(&id, end, &key).await;
        assert_eq!(other.problem(), (409, "exists_with_different_pending_id"));
        let body = json!({"id": new_id()});
        let conflict = face.keyed(Method::POST, &route(&id, end), &key, body).await;
        assert_eq!(conflict.problem(), (400, "idempotency_key_conflict"));
    }
}
