//! `/v1/transfers`: once means once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Face, as_read, everything, five, new_id};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn top_up(id: &str) -> Value {
    json!({
        "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1",
        "amount": 1000, "description": "top-up",
    })
}

async fn with_key(face: &Face, key: &str, body: &Value) -> Answer {
    let path = "/v1/transfers";
    face.keyed(Method::POST, path, key, body.clone()).await
}

#[tokio::test]
async fn a_transfer_moves_money_once() {
    let (face, engine) = five().await;
    let mut body = top_up(ID);
    body["reference"] = json!("00000000-0000-0000-0000-000000000001");
    let first = face.post("/v1/transfers", body.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    assert_eq!(first.location, Some(format!("/v1/transfers/{ID}")));
    let expected = json!({
        "id": ID, "kind": "transfer", "debit_account_id": "world:BRL", "credit_account_id": "1",
        "amount": 1000, "description": "top-up",
        "reference": "00000000-0000-0000-0000-000000000001",
        "timestamp": first.body["timestamp"],
        "credit": {"entry_number": 1, "balance_after": 1000},
    });
    assert_eq!(first.body, expected);

    let before = everything(&engine);
    let again = face.post("/v1/transfers", body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    assert_eq!(everything(&engine), before);
    assert_eq!(
        face.get(&format!("/v1/transfers/{ID}")).await.body,
        as_read(&expected)
    );
}

#[tokio::test]
async fn a_transfer_between_two_accounts_tells_both_sides() {
    let (face, _) = five().await;
    let mut body = top_up(ID);
    body["debit_account_id"] = json!("2");
    let answer = face.post("/v1/transfers", body).await;
    assert_eq!(
        answer.body["debit"],
        json!({"entry_number": 1, "balance_after": -1000})
    );
    assert_eq!(
        answer.body["credit"],
        json!({"entry_number": 1, "balance_after": 1000})
    );
}

#[tokio::test]
async fn other_content_under_the_same_id_names_the_first_difference() {
    let (face, engine) = five().await;
    assert_eq!(face.post("/v1/transfers", top_up(ID)).await.status, 201);
    let before = everything(&engine);
    for (field, value) in [
        ("debit_account_id", json!("2")),
        ("credit_account_id", json!("2")),
        ("amount", json!(1001)),
        ("description", json!("other")),
        ("reference", json!(ID)),
        ("metadata", json!({"order": "1017"})),
    ] {
        let mut body = top_up(ID);
        body[field] = value;
        let answer = face.post("/v1/transfers", body).await;
        let code = format!("exists_with_different_{field}");
        assert_eq!(answer.problem(), (409, &*code));
        assert_eq!(answer.body["field"], field);
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_refusal_is_remembered_and_told_again() {
    let (face, engine) = five().await;
    let mut body = top_up(ID);
    body["debit_account_id"] = json!("2");
    body["amount"] = json!(80_001);
    let first = face.post("/v1/transfers", body.clone()).await;
    assert_eq!(first.problem(), (422, "insufficient_funds"));
    assert!(!first.replayed);
    assert_eq!(first.body["account_id"], "2");
    assert_eq!(first.body["available"], 80_000);
    assert_eq!(first.body["required"], 80_001);
    assert_eq!(first.body["credit_limit"], 80_000);

    face.transact(2, "c", 5, "more").await;
    let before = everything(&engine);
    let again = face.post("/v1/transfers", body).await;
    assert!(again.replayed);
    assert_eq!((again.status, &again.body), (422, &first.body));
    assert_eq!(everything(&engine), before);

    let answer = face.get(&format!("/v1/transfers/{ID}")).await;
    assert_eq!(answer.problem(), (404, "transfer_not_found"));
    assert_eq!(answer.body["refused"], "insufficient_funds");
    let mut answered = first.body;
    answered.as_object_mut().unwrap().remove("request_id");
    assert_eq!(answer.body["refusal"], answered);
}

#[tokio::test]
async fn refusals_have_their_own_status_and_code() {
    let (face, _) = five().await;
    let dollars = json!({"id": "usd", "currency": "USD", "credit_limit": 0});
    assert_eq!(face.post("/v1/accounts", dollars).await.status, 201);
    for (field, value, expected) in [
        (
            "debit_account_id",
            json!("nobody"),
            (404, "account_not_found"),
        ),
        (
            "credit_account_id",
            json!("nobody"),
            (404, "account_not_found"),
        ),
        (
            "credit_account_id",
            json!("usd"),
            (422, "currency_mismatch"),
        ),
        (
            "credit_account_id",
            json!("world:BRL"),
            (422, "accounts_must_differ"),
        ),
        (
            "credit_account_id",
            json!("processor:a:BRL"),
            (422, "account_reserved"),
        ),
        (
            "amount",
            json!(9_007_199_254_740_991_u64),
            (422, "balance_overflow"),
        ),
        ("description", json!(""), (422, "description_invalid")),
        (
            "description",
            json!("é".repeat(141)),
            (422, "description_invalid"),
        ),
        (
            "description",
            json!("a\u{0}b"),
            (422, "description_invalid"),
        ),
    ] {
        let mut body = top_up(&new_id());
        body[field] = value;
        let answer = face.post("/v1/transfers", body).await;
        assert_eq!(answer.problem(), expected, "{field}");
    }
}

#[tokio::test]
async fn a_key_stands_for_a_missing_id() {
    let (face, _) = five().await;
    let mut body = top_up(ID);
    body.as_object_mut().unwrap().remove("id");
    let missing = face.post("/v1/transfers", body.clone()).await;
    assert_eq!(missing.problem(), (400, "id_missing"));

    let by_uuid = with_key(&face, ID, &body).await;
    assert_eq!((by_uuid.status, &by_uuid.body["id"]), (201, &json!(ID)));
    let by_body = face.post("/v1/transfers", top_up(ID)).await;
    assert_eq!((by_body.status, by_body.replayed), (200, true));

    let by_text = with_key(&face, "order 4711", &body).await;
    assert_eq!(by_text.status, 201);
    let again = with_key(&face, "order 4711", &body).await;
    assert_eq!((again.status, again.body), (200, by_text.body.clone()));
    let path = format!("/v1/transfers/{}", by_text.body["id"].as_str().unwrap());
    assert_eq!(face.get(&path).await.body, as_read(&by_text.body));

    assert_eq!(with_key(&face, ID, &top_up(ID)).await.status, 200);
    let conflict = with_key(&face, "order 4711", &top_up(ID)).await;
    assert_eq!(conflict.problem(), (400, "idempotency_key_conflict"));
}

#[tokio::test]
async fn a_transfer_that_is_not_there() {
    let (face, _) = five().await;
    let answer = face.get(&format!("/v1/transfers/{ID}")).await;
    assert_eq!(answer.problem(), (404, "transfer_not_found"));
    let answer = face.get("/v1/transfers/4711").await;
    assert_eq!(answer.problem(), (400, "id_invalid"));
}

/// A reference is any text, metadata the caller's own; both are shown wherever the transfer is.
#[tokio::test]
async fn reference_and_metadata_are_shown_and_compared() {
    let (face, _) = five().await;
    let mut body = top_up(ID);
    body["reference"] = json!("order 1017 é");
    body["metadata"] = json!({"shop": "7", "channel": "\"app\""});
    let first = face.post("/v1/transfers", body.clone()).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.body["reference"], "order 1017 é");
    assert_eq!(first.body["metadata"], body["metadata"]);
    let statement = face.get("/v1/accounts/1/statement").await.body;
    let entry = &statement["entries"][0];
    assert_eq!(entry["reference"], "order 1017 é");
    assert_eq!(entry["metadata"], body["metadata"]);

    // Empty metadata is the same as no metadata, and null is as missing.
    body["metadata"] = json!({"shop": "7"});
    let other = face.post("/v1/transfers", body.clone()).await;
    assert_eq!(other.problem(), (409, "exists_with_different_metadata"));
    let plain = top_up(&new_id());
    for empty in [json!({}), json!(null)] {
        let mut body = plain.clone();
        body["metadata"] = empty;
        body["reference"] = json!(null);
        let answer = face.post("/v1/transfers", body).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        assert_eq!(answer.body.get("metadata"), None);
    }
}

/// Before a reference was any text it was a UUID, in small letters or in large ones.
#[tokio::test]
async fn a_uuid_is_the_same_reference_in_large_letters() {
    let (face, _) = five().await;
    let mut body = top_up(ID);
    body["reference"] = json!(ID);
    assert_eq!(face.post("/v1/transfers", body.clone()).await.status, 201);
    body["reference"] = json!(ID.to_uppercase());
    let again = face.post("/v1/transfers", body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body["reference"], ID);
}
