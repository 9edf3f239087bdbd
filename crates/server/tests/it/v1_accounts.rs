//! `/v1/accounts`: opening, looking, statements in pages.

use serde_json::json;

use crate::support::five;

#[tokio::test]
async fn an_account_is_opened_once() {
    let (face, _) = five().await;
    let body = json!({"id": "users:42", "currency": "BRL", "credit_limit": 100_000});
    let first = face.post("/v1/accounts", body.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false));
    assert_eq!(first.location.as_deref(), Some("/v1/accounts/users:42"));
    let expected = json!({
        "id": "users:42", "currency": "BRL", "credit_limit": 100_000,
        "debits_posted": 0, "credits_posted": 0, "debits_pending": 0, "credits_pending": 0,
        "balance": 0, "available": 100_000, "entry_count": 0, "closed": false,
        "frozen": "none", "timestamp": first.body["timestamp"],
    });
    assert_eq!(first.body, expected);
    assert_eq!(first.body["timestamp"].as_str().unwrap().len(), 30);

    let again = face.post("/v1/accounts", body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    for path in ["/v1/accounts/users:42", "/v1/accounts/users%3A42"] {
        assert_eq!(face.get(path).await.body, expected);
    }
}

#[tokio::test]
async fn other_content_under_the_same_id_is_refused_by_field() {
    let (face, _) = five().await;
    for (currency, credit_limit, field) in
        [("USD", 100_000, "currency"), ("BRL", 1, "credit_limit")]
    {
        let body = json!({"id": "1", "currency": currency, "credit_limit": credit_limit});
        let answer = face.post("/v1/accounts", body).await;
        let code = format!("exists_with_different_{field}");
        assert_eq!(answer.problem(), (409, &*code));
        assert_eq!(answer.body["field"], field);
    }
}

#[tokio::test]
async fn unknown_and_system_accounts() {
    let (face, _) = five().await;
    let answer = face.get("/v1/accounts/nobody").await;
    assert_eq!(answer.problem(), (404, "account_not_found"));
    assert_eq!(answer.body["account_id"], "nobody");
    let answer = face.get("/v1/accounts/nobody/statement").await;
    assert_eq!(answer.problem(), (404, "account_not_found"));

    let world = face.get("/v1/accounts/world:BRL").await.body;
    assert_eq!(world["credit_limit"], json!(null));
    assert_eq!(world["available"], json!(null));
    let body = json!({"id": "world:USD", "currency": "BRL", "credit_limit": 0});
    let answer = face.post("/v1/accounts", body).await;
    assert_eq!(answer.problem(), (422, "account_reserved"));
}

#[tokio::test]
async fn a_statement_is_paged_from_the_newest_to_the_first() {
    const ENTRIES: u64 = 1_234;
    let (face, _) = five().await;
    for n in 1..=ENTRIES {
        assert_eq!(face.transact(1, "c", n, "x").await.status, 200);
    }
    for (limit, pages_expected) in [("1000", 2), ("617", 2), ("618", 2), ("300", 5)] {
        let mut numbers = Vec::new();
        let mut path = format!("/v1/accounts/1/statement?limit={limit}");
        let mut pages = 0;
        loop {
            let page = face.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            assert_eq!(page.body["account"]["entry_count"], ENTRIES);
            let entries = page.body["entries"].as_array().unwrap();
            numbers.extend(
                entries
                    .iter()
                    .map(|entry| entry["number"].as_u64().unwrap()),
            );
            pages += 1;
            match page.body["next_cursor"].as_str() {
                Some(cursor) => {
                    path = format!("/v1/accounts/1/statement?limit={limit}&cursor={cursor}");
                }
                None => break,
            }
        }
        assert_eq!(pages, pages_expected, "{limit}");
        assert!(numbers.iter().copied().eq((1..=ENTRIES).rev()), "{limit}");
    }
    let page = face.get("/v1/accounts/1/statement").await.body;
    assert_eq!(page["entries"].as_array().unwrap().len(), 50);
    let newest = &page["entries"][0];
    assert_eq!(newest["number"], ENTRIES);
    assert_eq!(newest["amount"], ENTRIES);
    assert_eq!(newest["kind"], "transfer");
    assert_eq!(newest["balance_after"], page["account"]["balance"]);
    assert_eq!(newest["debit_account_id"], "world:BRL");
    assert_eq!(newest["credit_account_id"], "1");

    let cursor = page["next_cursor"].as_str().unwrap();
    for (id, cursor) in [("2", cursor), ("1", &cursor[1..]), ("1", "zz")] {
        let path = format!("/v1/accounts/{id}/statement?cursor={cursor}");
        assert_eq!(face.get(&path).await.problem(), (400, "cursor_invalid"));
    }
}
