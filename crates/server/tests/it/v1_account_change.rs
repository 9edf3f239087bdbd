//! `PATCH /v1/accounts/{id}`: limits, and closing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{everything, five};

#[tokio::test]
async fn a_limit_is_set() {
    let (face, engine) = five().await;
    face.transact(1, "d", 700, "x").await;
    let changed = face.patch("/v1/accounts/1", json!({"credit_limit": 700}));
    let changed = changed.await;
    assert_eq!((changed.status, changed.replayed), (200, false));
    assert_eq!(
        (&changed.body["credit_limit"], &changed.body["available"]),
        (&json!(700), &json!(0))
    );
    assert_eq!(face.get("/v1/accounts/1").await.body, changed.body);
    let again = face.patch("/v1/accounts/1", json!({"credit_limit": 700}));
    assert_eq!(again.await.body, changed.body);

    let before = everything(&engine).0;
    let refused = face.patch("/v1/accounts/1", json!({"credit_limit": 699}));
    let refused = refused.await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
    assert_eq!(refused.body["required"], 700);
    for (limit, code) in [
        (json!(9_007_199_254_740_992_u64), "amount_out_of_range"),
        (json!(-1), "amount_out_of_range"),
    ] {
        let refused = face.patch("/v1/accounts/1", json!({"credit_limit": limit}));
        assert_eq!(refused.await.problem(), (422, code));
    }
    face.transact(2, "c", 1, "x").await;
    let most = json!({"credit_limit": 9_007_199_254_740_991_u64});
    let refused = face.patch("/v1/accounts/2", most).await;
    assert_eq!(refused.problem(), (422, "balance_overflow"));
    assert_eq!(everything(&engine).0[0], before[0]);
}

#[tokio::test]
async fn an_account_is_closed_for_good() {
    let (face, engine) = five().await;
    face.transact(1, "c", 5, "x").await;
    let close = json!({"closed": true});
    let refused = face.patch("/v1/accounts/1", close.clone()).await;
    assert_eq!(refused.problem(), (422, "account_in_use"));
    assert_eq!(refused.body["balance"], 5);
    face.transact(1, "d", 5, "x").await;
    let closed = face.patch("/v1/accounts/1", close.clone()).await;
    assert_eq!((closed.status, closed.replayed), (200, false));
    assert_eq!(closed.body["closed"], true);

    let before = everything(&engine);
    // What it asks for is so already, the limit included where it is named.
    for body in [close, json!({"closed": true, "credit_limit": 100_000})] {
        let again = face.patch("/v1/accounts/1", body).await;
        assert_eq!((again.status, again.replayed), (200, true));
        assert_eq!(again.body, closed.body);
    }
    let open = face.patch("/v1/accounts/1", json!({"closed": false})).await;
    assert_eq!(open.problem(), (400, "closed_invalid"));
    let limited = face.patch("/v1/accounts/1", json!({"credit_limit": 1}));
    assert_eq!(limited.await.problem(), (422, "account_closed"));
    assert_eq!(everything(&engine).0, before.0);
    let used = json!({"closed": true, "credit_limit": 1});
    let other = face.patch("/v1/accounts/1", used).await;
    assert_eq!(other.problem(), (422, "account_closed"));
    assert_eq!(face.transact(1, "c", 1, "x").await.status, 422);
}

#[tokio::test]
async fn both_changes_are_made_or_neither() {
    let (face, _) = five().await;
    face.transact(1, "c", 5, "x").await;
    let both = json!({"credit_limit": 7, "closed": true});
    let refused = face.patch("/v1/accounts/1", both.clone()).await;
    assert_eq!(refused.problem(), (422, "account_in_use"));
    let account = face.get("/v1/accounts/1").await.body;
    assert_eq!(
        (&account["credit_limit"], &account["closed"]),
        (&json!(100_000), &json!(false))
    );
    let changed = face.patch("/v1/accounts/2", both).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(
        (&changed.body["credit_limit"], &changed.body["closed"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(face.get("/v1/accounts/2").await.body, changed.body);
}

#[tokio::test]
async fn a_key_remembers_the_first_answer() {
    let (face, engine) = five().await;
    let send = |id: &str, key: &'static str, body: Value| {
        let path = format!("/v1/accounts/{id}");
        let face = &face;
        async move { face.keyed(Method::PATCH, &path, key, body).await }
    };
    let first = send("1", "raise", json!({"credit_limit": 200_000})).await;
    assert_eq!((first.status, first.replayed), (200, false));
    face.patch("/v1/accounts/1", json!({"credit_limit": 1}))
        .await;
    let before = everything(&engine);
    let again = send("1", "raise", json!({"credit_limit": 200_000})).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, first.body);
    let other = send("1", "raise", json!({"credit_limit": 3})).await;
    assert_eq!(other.problem(), (409, "exists_with_different_members"));
    assert_eq!(everything(&engine), before);

    face.transact(2, "c", 5, "x").await;
    let refused = send("2", "close", json!({"closed": true})).await;
    assert_eq!(refused.problem(), (422, "account_in_use"));
    face.transact(2, "d", 5, "x").await;
    let again = send("2", "close", json!({"closed": true})).await;
    assert!(again.replayed);
    assert_eq!((again.status, again.body), (422, refused.body));
}

#[tokio::test]
async fn not_every_account_and_body_will_do() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    for (path, body, expected) in [
        (
            "nobody",
            json!({"closed": true}),
            (404, "account_not_found"),
        ),
        (
            "nobody",
            json!({"closed": true, "credit_limit": 1}),
            (404, "account_not_found"),
        ),
        (
            "world:BRL",
            json!({"closed": true}),
            (422, "account_reserved"),
        ),
        (
            "world:BRL",
            json!({"credit_limit": 1}),
            (422, "account_reserved"),
        ),
        (
            "a%20b",
            json!({"closed": true}),
            (400, "account_id_invalid"),
        ),
        ("1", json!({}), (400, "change_missing")),
        ("1", json!({"closed": null}), (400, "change_missing")),
        ("1", json!({"closed": 1}), (400, "json_invalid")),
        ("1", json!({"closed": "true"}), (400, "json_invalid")),
        ("1", json!({"credit_limit": "1"}), (400, "json_invalid")),
        ("1", json!({"credit_limit": 1.5}), (400, "json_invalid")),
        (
            "1",
            json!({"credit_limit": 1, "x": 1}),
            (400, "json_invalid"),
        ),
        ("1", json!([]), (400, "json_invalid")),
    ] {
        let answer = face
            .patch(&format!("/v1/accounts/{path}"), body.clone())
            .await;
        assert_eq!(answer.problem(), expected, "{path} {body}");
    }
    let (accounts, _) = everything(&engine);
    assert_eq!(accounts, before.0);
}

#[tokio::test]
async fn a_change_takes_the_place_of_what_it_expects() {
    let (face, _) = five().await;
    let change = |body: Value| face.patch("/v1/accounts/1", body);
    let conflict = change(json!({"credit_limit": 1, "expected_credit_limit": 2})).await;
    assert_eq!(conflict.problem(), (409, "account_in_other_state"));
    assert_eq!(
        (
            &conflict.body["credit_limit"],
            &conflict.body["entry_count"]
        ),
        (&json!(100_000), &json!(0))
    );
    let changed = change(json!({"credit_limit": 7, "expected_credit_limit": 100_000})).await;
    assert_eq!(
        (changed.status, &changed.body["credit_limit"]),
        (200, &json!(7))
    );
    // What is so already overwrites nothing.
    let again = change(json!({"credit_limit": 7, "expected_credit_limit": 100_000})).await;
    assert_eq!(
        (again.status, &again.body["credit_limit"]),
        (200, &json!(7))
    );
    face.transact(1, "c", 5, "x").await;
    face.transact(1, "d", 5, "x").await;
    let conflict = change(json!({"closed": true, "expected_entry_count": 1})).await;
    assert_eq!(conflict.problem(), (409, "account_in_other_state"));
    for useless in [
        json!({"closed": true, "expected_credit_limit": 7}),
        json!({"credit_limit": 8, "expected_entry_count": 2}),
    ] {
        assert_eq!(change(useless).await.problem(), (400, "json_invalid"));
    }
    let closed = change(json!({"closed": true, "expected_entry_count": 2})).await;
    assert_eq!((closed.status, &closed.body["closed"]), (200, &json!(true)));
}
