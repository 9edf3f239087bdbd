//! `"dry_run": true`: the answer that the request would get, and nothing done.

use serde_json::{Value, json};

use crate::support::{Answer, everything, five, new_id};

fn transfer(id: &str, amount: u64) -> Value {
    json!({
        "id": id, "debit_account_id": "1", "credit_account_id": "2", "amount": amount,
        "description": "x", "reference": "order 7", "metadata": {"shop": "7"},
    })
}

fn dry(mut body: Value) -> Value {
    body["dry_run"] = json!(true);
    body
}

fn timeless(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    for time in ["timestamp", "request_id"] {
        if let Some(body) = body.as_object_mut() {
            body.remove(time);
        }
    }
    body
}

#[tokio::test]
async fn a_transfer_is_told_before_it_is_done() {
    let (face, engine) = five().await;
    let id = new_id();
    let before = everything(&engine);
    let told = face.post("/v1/transfers", dry(transfer(&id, 10))).await;
    assert_eq!((told.status, told.dry_run), (200, true), "{told:?}");
    assert_eq!((told.location.clone(), told.replayed), (None, false));
    assert_eq!(everything(&engine), before);
    let path = format!("/v1/transfers/{id}");
    assert_eq!(face.get(&path).await.status, 404);

    let done = face.post("/v1/transfers", transfer(&id, 10)).await;
    assert_eq!((done.status, done.dry_run), (201, false));
    assert_eq!(timeless(&done), timeless(&told));
    let again = face.post("/v1/transfers", dry(transfer(&id, 10))).await;
    assert_eq!(
        (again.status, again.replayed, again.dry_run),
        (200, true, true)
    );
    assert_eq!(again.body, done.body);
    let other = face.post("/v1/transfers", dry(transfer(&id, 11))).await;
    assert_eq!(other.problem(), (409, "exists_with_different_amount"));
}

#[tokio::test]
async fn a_refusal_that_is_told_takes_no_id() {
    let (face, engine) = five().await;
    let id = new_id();
    let before = everything(&engine);
    let told = face
        .post("/v1/transfers", dry(transfer(&id, 100_001)))
        .await;
    assert_eq!(told.problem(), (422, "insufficient_funds"));
    assert_eq!(told.body["available"], 100_000);
    assert_eq!(everything(&engine), before);
    let less = face.post("/v1/transfers", transfer(&id, 100_000)).await;
    assert_eq!(less.status, 201);
    let refused = face
        .post("/v1/transfers", transfer(&new_id(), 100_001))
        .await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
}

#[tokio::test]
async fn the_end_of_a_reservation_is_told() {
    let (face, engine) = five().await;
    let id = new_id();
    let mut pend = transfer(&id, 10);
    pend["timeout_s"] = json!(0);
    assert_eq!(face.post("/v1/transfers", pend).await.status, 201);
    let before = everything(&engine);
    for (end, amount) in [("post", Some(4)), ("post", Some(11)), ("void", None)] {
        let mut body = json!({"id": new_id()});
        if let Some(amount) = amount {
            body["amount"] = json!(amount);
        }
        let told = face
            .post(&format!("/v1/transfers/{id}/{end}"), dry(body))
            .await;
        match amount {
            Some(11) => assert_eq!(told.problem(), (422, "amount_exceeds_pending")),
            _ => {
                assert_eq!((told.status, told.dry_run), (200, true));
                assert_eq!(told.body["kind"], end);
                assert_eq!(told.body["reference"], "order 7");
                assert_eq!(told.body.get("metadata"), None);
            }
        }
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_batch_is_told_as_a_whole() {
    let (face, engine) = five().await;
    let member = |amount| {
        let mut member = transfer(&new_id(), amount);
        member["kind"] = json!("transfer");
        member
    };
    let before = everything(&engine);
    // The second sees what the first would have done.
    let commands = [member(60_000), member(50_000)];
    let each = json!({"atomic": false, "commands": commands});
    let told = face.post("/v1/batches", dry(each)).await;
    assert_eq!((told.status, told.dry_run), (200, true), "{told:?}");
    let codes: Vec<_> = told.body["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| outcome["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["created", "insufficient_funds"]);

    let id = new_id();
    let all = json!({"atomic": true, "id": id, "commands": commands});
    let told = face.post("/v1/batches", dry(all.clone())).await;
    assert_eq!(told.problem(), (422, "batch_member_failed"));
    assert!(told.dry_run);
    assert_eq!(everything(&engine), before);
    let done = face.post("/v1/batches", all).await;
    assert_eq!(timeless(&done), timeless(&told));
    assert!(!done.replayed);
}
