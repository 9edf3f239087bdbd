//! `/v1/accounts/{id}/limits`: who gave an account which limit, when and why.

use std::sync::Arc;

use ledger::Engine;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Held, Keyring, Setup, answer, five, five_accounts, new_id};

fn told(body: &Value) -> Vec<(u64, Option<&str>, Option<&str>)> {
    let limits = body["limits"].as_array().unwrap().iter();
    let told = limits.map(|limit| {
        (
            limit["credit_limit"].as_u64().unwrap(),
            limit["who"].as_str(),
            limit["why"].as_str(),
        )
    });
    told.collect()
}

#[tokio::test]
async fn every_limit_is_told_with_who_decided_it_and_why() {
    let (face, _) = five().await;
    let change = json!({"credit_limit": 200_000, "who": "ana", "why": "ticket 4711"});
    assert_eq!(face.patch("/v1/accounts/1", change).await.status, 200);
    let batch = json!({"atomic": true, "id": new_id(), "commands": [
        {"kind": "change_limit", "account_id": "1", "credit_limit": 150_000, "why": "\"less\""},
        {"kind": "change_freeze", "account_id": "1", "frozen": "debits", "who": "bo"},
    ]});
    assert_eq!(face.post("/v1/batches", batch).await.status, 200);
    assert_eq!(
        face.patch("/v1/accounts/1", json!({"credit_limit": 1}))
            .await
            .status,
        200
    );
    // What is refused is no limit.
    let too_low = json!({"credit_limit": 9_007_199_254_740_991_u64, "expected_credit_limit": 7});
    assert_eq!(face.patch("/v1/accounts/1", too_low).await.status, 409);
    let expected = [
        (1, None, None),
        (150_000, None, Some("\"less\"")),
        (200_000, Some("ana"), Some("ticket 4711")),
        (100_000, None, None),
    ];
    let all = face.get("/v1/accounts/1/limits").await;
    assert_eq!(all.status, 200, "{all:?}");
    assert_eq!(told(&all.body), expected);
    // In pages, the oldest first.
    let (mut walked, mut path) = (Vec::new(), "?order=asc&limit=1".to_owned());
    loop {
        let page = face.get(&format!("/v1/accounts/1/limits{path}")).await;
        walked.extend(told(&page.body).into_iter().map(|(limit, ..)| limit));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("?order=asc&limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(walked, [100_000, 200_000, 150_000, 1]);
    let second = all.body["limits"][2]["timestamp"].as_str().unwrap();
    let since = face
        .get(&format!("/v1/accounts/1/limits?from={second}"))
        .await;
    assert_eq!(told(&since.body), expected[..3]);
    // The events say it, too.
    let types = "account.limit_changed,account.frozen";
    let events = face.get(&format!("/v1/events?types={types}")).await;
    let events = events.body["events"].as_array().unwrap().iter();
    let by: Vec<_> = events
        .map(|event| (event["who"].as_str(), event["why"].as_str()))
        .collect();
    let first = (Some("ana"), Some("ticket 4711"));
    let rest = [(None, Some("\"less\"")), (Some("bo"), None), (None, None)];
    assert_eq!((by[0], &by[1..]), (first, &rest[..]));
}

#[tokio::test]
async fn limits_are_of_accounts_that_have_one() {
    let (face, _) = five().await;
    for (path, status, code) in [
        ("/v1/accounts/nobody/limits", 404, "account_not_found"),
        ("/v1/accounts/world:BRL/limits", 422, "account_reserved"),
        ("/v1/accounts/1/limits?limit=0", 400, "limit_invalid"),
        ("/v1/accounts/1/limits?cursor=x", 400, "cursor_invalid"),
        ("/v1/accounts/1/limits?from=now", 400, "time_invalid"),
        ("/v1/accounts/1/limits?why=x", 400, "query_invalid"),
    ] {
        assert_eq!(face.get(path).await.problem(), (status, code), "{path}");
    }
    for text in ["", " ", "a\nb", &"x".repeat(141)] {
        let change = json!({"credit_limit": 5, "why": text});
        let answer = face.patch("/v1/accounts/1", change).await;
        assert_eq!(answer.problem(), (422, "description_invalid"), "{text:?}");
        let member = json!({"kind": "close_account", "account_id": "1", "who": text});
        let batch = json!({"atomic": false, "commands": [member]});
        assert_eq!(
            face.post("/v1/batches", batch).await.problem().1,
            "description_invalid"
        );
    }
    let change = json!({"kind": "transfer", "why": "x"});
    let batch = json!({"atomic": false, "commands": [change]});
    assert_eq!(
        face.post("/v1/batches", batch).await.problem().1,
        "json_invalid"
    );
    assert_eq!(told(&face.get("/v1/accounts/1/limits").await.body).len(), 1);
    // Who asks again for another reason, and for the same change, is answered as before.
    let key = "raise";
    let raise = |why: &str| json!({"credit_limit": 300_000, "why": why});
    let first = face
        .keyed(Method::PATCH, "/v1/accounts/1", key, raise("a"))
        .await;
    let again = face
        .keyed(Method::PATCH, "/v1/accounts/1", key, raise("b"))
        .await;
    assert_eq!(
        (first.status, again.status, again.replayed),
        (200, 200, true)
    );
    let limits = face.get("/v1/accounts/1/limits?limit=1").await;
    assert_eq!(told(&limits.body), [(300_000, None, Some("a"))]);
}

#[tokio::test]
async fn where_keys_are_asked_for_the_ledger_knows_who() {
    let setup = Setup::over(five_accounts().await as Arc<dyn Engine>);
    let keys = Keyring::new().keys;
    let face = Setup { keys, ..setup }.start().await;
    let secret = Held::All.secret().unwrap();
    for change in [
        json!({"credit_limit": 2}),
        json!({"credit_limit": 3, "why": "ticket 4711"}),
        json!({"credit_limit": 4, "who": "ana"}),
    ] {
        let request = face.request(Method::PATCH, "/v1/accounts/1").json(&change);
        assert_eq!(answer(request.bearer_auth(&secret)).await.status, 200);
    }
    let request = face.request(Method::GET, "/v1/accounts/1/limits");
    let limits = answer(request.bearer_auth(&secret)).await;
    let name = Keyring::record_of_all().name;
    let expected = [
        (4, Some("ana"), None),
        (3, Some(&*name), Some("ticket 4711")),
        (2, Some(&*name), None),
        (100_000, None, None),
    ];
    assert_eq!(told(&limits.body), expected);
}
