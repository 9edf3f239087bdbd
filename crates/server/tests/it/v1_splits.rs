//! One amount for several accounts: `splits` of transfers and of posts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{as_read, five, new_id};

fn split(id: &str, splits: &Value) -> Value {
    json!({
        "id": id, "debit_account_id": "1", "splits": splits, "description": "order",
        "reference": "order 1",
    })
}

/// The transfers that were made, as a statement would have them.
fn moved(body: &Value) -> Vec<(&str, &str, &str, u64, &str)> {
    let outcomes = body["outcomes"].as_array().unwrap();
    let moved = outcomes.iter().map(|outcome| {
        let text = |name: &str| outcome["transfer"][name].as_str().unwrap();
        (
            text("kind"),
            text("debit_account_id"),
            text("credit_account_id"),
            outcome["transfer"]["amount"].as_u64().unwrap(),
            text("description"),
        )
    });
    moved.collect()
}

#[tokio::test]
async fn a_transfer_is_split_once() {
    let (face, _) = five().await;
    let id = new_id();
    let splits = json!([
        {"credit_account_id": "2", "amount": 900},
        {"credit_account_id": "3", "amount": 70, "description": "fee"},
        {"credit_account_id": "world:BRL", "amount": 30},
    ]);
    let mut asked = split(&id, &splits);
    asked["dry_run"] = json!(true);
    let preview = face.post("/v1/transfers", asked.clone()).await;
    assert_eq!(preview.status, 200, "{preview:?}");
    assert_eq!(face.get(&format!("/v1/batches/{id}")).await.status, 404);

    asked["dry_run"] = json!(false);
    let first = face.post("/v1/transfers", asked.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    assert_eq!(
        first.location.as_deref(),
        Some(&*format!("/v1/batches/{id}"))
    );
    let expected = [
        ("transfer", "1", "2", 900, "order"),
        ("transfer", "1", "3", 70, "fee"),
        ("transfer", "1", "world:BRL", 30, "order"),
    ];
    assert_eq!(moved(&first.body), expected);
    assert_eq!(moved(&preview.body), expected);
    assert_eq!(
        first.body["outcomes"][2]["transfer"]["reference"],
        "order 1"
    );
    let again = face.post("/v1/transfers", asked.clone()).await;
    assert_eq!((again.status, again.replayed), (200, true));
    let read = face.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(moved(&read.body), expected);
    let second = &read.body["outcomes"][1]["transfer"];
    let path = format!("/v1/transfers/{}", second["id"].as_str().unwrap());
    assert_eq!(as_read(second), face.get(&path).await.body);
    assert_eq!(face.get("/v1/accounts/1").await.body["balance"], -1_000);

    asked["splits"][1]["amount"] = json!(71);
    let other = face.post("/v1/transfers", asked).await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (409, &json!("exists_with_different_members"))
    );
}

#[tokio::test]
async fn a_split_is_done_as_a_whole_or_not_at_all() {
    let (face, _) = five().await;
    let splits = json!([
        {"credit_account_id": "2", "amount": 1},
        {"credit_account_id": "3", "amount": 100_000},
    ]);
    let key = "an order";
    let mut asked = split("", &splits);
    asked.as_object_mut().unwrap().remove("id");
    let refused = face
        .keyed(Method::POST, "/v1/transfers", key, asked.clone())
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("batch_member_failed"))
    );
    assert_eq!(refused.body["index"], 1);
    assert_eq!(refused.body["outcomes"][1]["code"], "insufficient_funds");
    assert_eq!(face.get("/v1/accounts/2").await.body["balance"], 0);
    let again = face.keyed(Method::POST, "/v1/transfers", key, asked).await;
    assert_eq!((again.status, again.replayed), (422, true));
}

#[tokio::test]
async fn a_post_is_split_and_keeps_its_rest() {
    let (face, _) = five().await;
    let hold = new_id();
    let held = face
        .post(
            "/v1/transfers",
            json!({
                "id": hold, "debit_account_id": "1", "credit_account_id": "2", "amount": 1_000,
                "description": "hotel", "reference": "stay 7", "timeout_s": 60,
            }),
        )
        .await;
    assert_eq!(held.status, 201);
    let path = format!("/v1/transfers/{hold}/post");
    let part = new_id();
    let asked = json!({
        "id": part, "amount": 600, "final": false,
        "splits": [
            {"credit_account_id": "3", "amount": 50, "description": "fee"},
            {"credit_account_id": "4", "amount": 20},
        ],
    });
    let first = face.post(&path, asked.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    let expected = [
        ("post", "1", "2", 600, "hotel"),
        ("transfer", "2", "3", 50, "fee"),
        ("transfer", "2", "4", 20, "hotel"),
    ];
    assert_eq!(moved(&first.body), expected);
    assert_eq!(first.body["outcomes"][2]["transfer"]["reference"], "stay 7");
    let last = json!({
        "id": new_id(), "amount": 400, "splits": [{"credit_account_id": "3", "amount": 400}],
    });
    assert_eq!(face.post(&path, last).await.status, 201);
    // The pending transfer has ended, and what was asked before is what was asked before.
    let again = face.post(&path, asked).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(moved(&again.body), expected);
    let balances = ["1", "2", "3", "4"].map(|id| format!("/v1/accounts/{id}"));
    let mut told = Vec::new();
    for path in &balances {
        told.push(face.get(path).await.body["balance"].as_i64().unwrap());
    }
    assert_eq!(told, [-1_000, 530, 450, 20]);
}

#[tokio::test]
async fn bad_splits_are_refused_and_change_nothing() {
    let (face, _) = five().await;
    let one = |id: &str, amount: Value| json!([{"credit_account_id": id, "amount": amount}]);
    let many: Vec<Value> = vec![json!({"credit_account_id": "2", "amount": 1}); 101];
    for (splits, status, code, detail) in [
        (json!([]), 400, "json_invalid", "1 to 100 members"),
        (json!(many), 400, "json_invalid", "1 to 100 members"),
        (
            one("no spaces", json!(1)),
            400,
            "account_id_invalid",
            "splits[0]: ",
        ),
        // A form that the ledger refuses, as in any batch: no id is used.
        (
            one("2", json!(0)),
            422,
            "batch_member_failed",
            "the amount 0 is out of range",
        ),
        (
            one("2", json!(-1)),
            422,
            "amount_out_of_range",
            "splits[0]: ",
        ),
        (
            one("2", json!(1.5)),
            400,
            "json_invalid",
            "amounts are in minor units",
        ),
        (
            json!([{"amount": 1}]),
            400,
            "json_invalid",
            "credit_account_id",
        ),
        (
            json!([{"credit_account_id": "2", "amount": 1, "share": 1}]),
            400,
            "json_invalid",
            "share",
        ),
    ] {
        let answer = face.post("/v1/transfers", split(&new_id(), &splits)).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{answer:?}"
        );
        let told = answer.body["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
    // A transfer has one credit account or several.
    let mut both = split(&new_id(), &one("2", json!(1)));
    both["amount"] = json!(1);
    assert_eq!(
        face.post("/v1/transfers", both).await.body["code"],
        "json_invalid"
    );
    // A description that only mentions them is one.
    let text = json!({
        "id": new_id(), "debit_account_id": "1", "credit_account_id": "2", "amount": 1,
        "description": "\"splits\"",
    });
    assert_eq!(face.post("/v1/transfers", text).await.status, 201);
    let path = format!("/v1/transfers/{}/post", new_id());
    for (body, status, code) in [
        (
            json!({"id": new_id(), "splits": one("3", json!(1))}),
            400,
            "json_invalid",
        ),
        (
            json!({"id": new_id(), "amount": 5, "splits": one("3", json!(6))}),
            400,
            "json_invalid",
        ),
        (
            json!({"id": new_id(), "amount": 5, "splits": one("3", json!(5))}),
            404,
            "pending_not_found",
        ),
    ] {
        let answer = face.post(&path, body).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{answer:?}"
        );
    }
    assert_eq!(face.get("/v1/accounts/1").await.body["balance"], -1);
}
