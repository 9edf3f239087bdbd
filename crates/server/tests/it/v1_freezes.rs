//! Accounts of which an operator stops debits, credits or both: `PATCH /v1/accounts/{id}` with `frozen`.

use serde_json::{Value, json};

use crate::support::{Face, everything, five, new_id};

fn transfer(debit: &str, credit: &str) -> Value {
    json!({
        "id": new_id(), "debit_account_id": debit, "credit_account_id": credit,
        "amount": 10, "description": "x",
    })
}

async fn freeze(face: &Face, frozen: &str) {
    let changed = face.patch("/v1/accounts/1", json!({"frozen": frozen}));
    let changed = changed.await;
    assert_eq!(
        (changed.status, &changed.body["frozen"]),
        (200, &json!(frozen))
    );
}

#[tokio::test]
async fn a_frozen_account_takes_nothing_new_and_honours_what_was_reserved() {
    let (face, _) = five().await;
    let mut hold = transfer("1", "2");
    hold["timeout_s"] = json!(0);
    let held = face.post("/v1/transfers", hold).await;
    assert_eq!(held.status, 201);
    freeze(&face, "debits").await;
    let body = transfer("1", "2");
    let refused = face.post("/v1/transfers", body.clone()).await;
    assert_eq!(refused.problem(), (422, "account_frozen"));
    assert_eq!(
        (&refused.body["account_id"], &refused.body["side"]),
        (&json!("1"), &json!("debit"))
    );
    let credited = face.post("/v1/transfers", transfer("2", "1")).await;
    assert_eq!(credited.status, 201);
    freeze(&face, "both").await;
    let refused = face.post("/v1/transfers", transfer("2", "1")).await;
    assert_eq!(refused.problem(), (422, "account_frozen"));
    assert_eq!(refused.body["side"], "credit");
    let posted = face
        .post(
            &format!("/v1/transfers/{}/post", held.body["id"].as_str().unwrap()),
            json!({"id": new_id()}),
        )
        .await;
    assert_eq!(posted.status, 201, "{posted:?}");
    // The challenge's route is refused as well.
    let spent = face.transact(1, "d", 1, "x").await;
    assert_eq!(spent.status, 422);
    freeze(&face, "none").await;
    // The refused one keeps its id; a new one goes through.
    let again = face.post("/v1/transfers", body).await;
    assert_eq!(again.problem(), (422, "account_frozen"));
    assert!(again.replayed);
    let moved = face.post("/v1/transfers", transfer("1", "2")).await;
    assert_eq!(moved.status, 201);
}

#[tokio::test]
async fn views_lists_and_events_show_what_is_frozen() {
    let (face, _) = five().await;
    freeze(&face, "credits").await;
    assert_eq!(face.get("/v1/accounts/1").await.body["frozen"], "credits");
    let list = face.get("/v1/accounts?limit=2").await.body;
    let listed = list["accounts"].as_array().unwrap();
    let frozen: Vec<_> = listed.iter().map(|account| &account["frozen"]).collect();
    assert_eq!(frozen, [&json!("credits"), &json!("none")]);
    let statement = face.get("/v1/accounts/1/statement").await.body;
    assert_eq!(statement["account"]["frozen"], "credits");
    freeze(&face, "none").await;
    let path = "/v1/events?types=account.frozen,account.unfrozen";
    let page = face.get(path).await.body;
    let events = page["events"].as_array().unwrap();
    let shown: Vec<_> = events
        .iter()
        .map(|event| (&event["type"], &event["account"]["frozen"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!("account.frozen"), &json!("credits")),
            (&json!("account.unfrozen"), &json!("none")),
        ]
    );
}

#[tokio::test]
async fn a_freeze_takes_the_place_of_what_it_expects() {
    let (face, engine) = five().await;
    let change = |body: Value| face.patch("/v1/accounts/1", body);
    let body = json!({"frozen": "debits", "expected_frozen": "none"});
    assert_eq!(change(body.clone()).await.status, 200);
    // What is so already overwrites nothing.
    assert_eq!(change(body).await.status, 200);
    let conflict = change(json!({"frozen": "both", "expected_frozen": "none"})).await;
    assert_eq!(conflict.problem(), (409, "account_in_other_state"));
    assert_eq!(conflict.body["frozen"], "debits");
    let both = json!({"frozen": "both", "expected_frozen": "debits", "credit_limit": 7});
    let both = change(both).await;
    assert_eq!(
        (&both.body["frozen"], &both.body["credit_limit"]),
        (&json!("both"), &json!(7))
    );
    let before = everything(&engine);
    for (body, expected) in [
        (json!({"frozen": "all"}), (400, "frozen_invalid")),
        (
            json!({"frozen": "none", "expected_frozen": ""}),
            (400, "frozen_invalid"),
        ),
        (json!({"frozen": true}), (400, "json_invalid")),
        (json!({"expected_frozen": "both"}), (400, "change_missing")),
        (
            json!({"credit_limit": 7, "expected_frozen": "both"}),
            (400, "json_invalid"),
        ),
    ] {
        assert_eq!(change(body.clone()).await.problem(), expected, "{body}");
    }
    let reserved = json!({"frozen": "both"});
    let reserved = face.patch("/v1/accounts/world:BRL", reserved).await;
    assert_eq!(reserved.problem(), (422, "account_reserved"));
    assert_eq!(everything(&engine), before);
    let member = json!({
        "kind": "change_freeze", "account_id": "1", "frozen": "none", "expected_frozen": "both",
    });
    let batch = json!({"atomic": true, "id": new_id(), "commands": [member]});
    let batch = face.post("/v1/batches", batch).await;
    assert_eq!(batch.body["outcomes"][0]["account"]["frozen"], "none");
    let member = json!({"kind": "change_freeze", "account_id": "1", "frozen": "some"});
    let batch = face
        .post(
            "/v1/batches",
            json!({"atomic": false, "commands": [member]}),
        )
        .await;
    assert_eq!(batch.problem(), (400, "frozen_invalid"));
}
