//! `GET /v1/balances`: what every account held at one moment, whatever is written meanwhile.

use std::sync::Arc;

use ledger::{Engine, Unavailable};
use serde_json::{Value, json};

use crate::support::{
    Double, Face, Held, Keyring, Manner, Setup, answer, five, five_accounts, new_id,
};

async fn pay(face: &Face, debit: &str, credit: &str, amount: u64) -> String {
    let body = json!({
        "id": new_id(), "debit_account_id": debit, "credit_account_id": credit, "amount": amount,
        "description": "x",
    });
    let answer = face.post("/v1/transfers", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["timestamp"].as_str().unwrap().to_owned()
}

/// Every page of a walk, with what happens between two of them.
async fn walk(face: &Face, query: &str, mut between: impl AsyncFnMut()) -> (Vec<Value>, Value) {
    let mut balances = Vec::new();
    let mut page = face.get(&format!("/v1/balances?{query}")).await;
    loop {
        assert_eq!(page.status, 200, "{page:?}");
        balances.extend_from_slice(page.body["balances"].as_array().unwrap());
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            return (balances, page.body);
        };
        assert_eq!(page.body["totals"], Value::Null);
        between().await;
        let next = format!("/v1/balances?{query}&cursor={cursor}");
        page = face.get(&next).await;
    }
}

fn shown(balances: &[Value]) -> Vec<(String, i64)> {
    let shown = balances.iter().map(|balance| {
        let id = balance["account_id"].as_str().unwrap().to_owned();
        (id, balance["balance"].as_i64().unwrap())
    });
    shown.collect()
}

fn expected(balances: &[(&str, i64)]) -> Vec<(String, i64)> {
    let balances = balances.iter();
    balances
        .map(|(id, amount)| ((*id).to_owned(), *amount))
        .collect()
}

#[tokio::test]
async fn all_pages_are_of_one_moment_and_sum_to_zero() {
    let (face, _) = five().await;
    for (amount, account) in (1..).zip(["1", "2", "3"]) {
        pay(&face, "world:BRL", account, amount * 100).await;
    }
    pay(&face, "4", "5", 7).await;
    let of_then = [
        ("1", 100),
        ("2", 200),
        ("3", 300),
        ("4", -7),
        ("5", 7),
        ("world:BRL", -600),
    ];
    let totals = json!([
        {"currency": "BRL", "debit_balances": 607, "credit_balances": 607, "balance": 0},
    ]);
    for limit in [1, 2, 5, 100] {
        let of_now = face.get("/v1/balances").await;
        let now = shown(of_now.body["balances"].as_array().unwrap());
        let mut opened = 0;
        let query = format!("limit={limit}");
        let walked = walk(&face, &query, async || {
            pay(&face, "world:BRL", "5", 1000).await;
            pay(&face, "5", "world:BRL", 999).await;
            opened += 1;
            let account = json!({
                "id": format!("9-{limit}-{opened}"), "currency": "BRL", "credit_limit": 0,
            });
            assert_eq!(face.post("/v1/accounts", account).await.status, 201);
        });
        let (balances, last) = walked.await;
        assert_eq!(shown(&balances), now, "limit {limit}");
        assert_eq!(last["totals"][0]["balance"], 0);
        if limit == 1 {
            assert_eq!(
                (shown(&balances), &last["totals"]),
                (expected(&of_then), &totals)
            );
        }
    }
}

#[tokio::test]
async fn balances_are_as_they_were_at_a_time_and_at_the_end_of_a_day() {
    let (face, _) = five().await;
    let first = pay(&face, "world:BRL", "1", 500).await;
    pay(&face, "1", "2", 200).await;
    let (balances, last) = walk(&face, &format!("at={first}"), async || {}).await;
    assert_eq!(last["at"], json!(first));
    let of_first = [
        ("1", 500),
        ("2", 0),
        ("3", 0),
        ("4", 0),
        ("5", 0),
        ("world:BRL", -500),
    ];
    assert_eq!(shown(&balances), expected(&of_first));
    assert_eq!(balances[0]["entry_number"], 1);
    assert_eq!(balances[5].get("entry_number"), None);
    // Before any account was open there is none.
    let (balances, last) = walk(&face, "at=1999-12-31&tz=America/Sao_Paulo", async || {}).await;
    assert_eq!(balances, Vec::<Value>::new());
    assert_eq!(
        (&last["at"], &last["totals"]),
        (&json!("2000-01-01T01:59:59.999999999Z"), &json!([]))
    );
    // A day that is not over ends now.
    let (balances, last) = walk(&face, "at=2500-01-01&prefix=1", async || {}).await;
    assert_eq!(shown(&balances), expected(&[("1", 300)]));
    assert_ne!(last["at"], json!("2500-01-01T23:59:59.999999999Z"));
    assert_eq!(last["totals"][0]["balance"], 300);
    let of_world = format!("/v1/accounts/world:BRL/balance?at={first}");
    assert_eq!(
        face.get(&of_world).await.body,
        json!({"account_id": "world:BRL", "at": first, "balance": -500})
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let (face, _) = five().await;
    let cursor = face.get("/v1/balances?limit=1").await.body["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let other = format!("currency=BRL&cursor={cursor}");
    for (query, code) in [
        ("at=yesterday", "time_invalid"),
        ("at=2026-13-01", "time_invalid"),
        ("at=2026-01-31&tz=Brasilia", "time_zone_invalid"),
        ("tz=UTC", "query_invalid"),
        ("limit=0", "limit_invalid"),
        ("closed=true", "query_invalid"),
        ("prefix=a%20b", "account_id_invalid"),
        ("currency=real", "currency_invalid"),
        (&other, "cursor_invalid"),
    ] {
        let answer = face.get(&format!("/v1/balances?{query}")).await;
        assert_eq!(answer.problem(), (400, code), "{query}");
    }
    let manner = Manner::Unavailable(Unavailable::NotSupported);
    let face = Setup::over(Double::new(five_accounts().await, manner))
        .start()
        .await;
    let answer = face.get("/v1/balances").await;
    assert_eq!(answer.problem(), (501, "not_supported"));
}

#[tokio::test]
async fn a_key_that_is_bound_to_accounts_is_shown_only_those() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    let open = Setup::over(Arc::clone(&engine)).start().await;
    for id in ["mine:1", "mine:2", "minelse"] {
        let account = json!({"id": id, "currency": "BRL", "credit_limit": 0});
        assert_eq!(open.post("/v1/accounts", account).await.status, 201);
    }
    let setup = Setup::over(engine);
    let keys = Keyring::new().keys;
    let face = Setup { keys, ..setup }.start().await;
    for (held, expected) in [
        (Held::Narrow, vec!["mine:1", "mine:2"]),
        // The past of the world is what others have moved, and when.
        (Held::Depositor, vec!["mine:1", "mine:2"]),
    ] {
        let request = face.request(reqwest::Method::GET, "/v1/balances");
        let page = answer(request.bearer_auth(held.secret().unwrap())).await;
        let balances = page.body["balances"].as_array().unwrap().iter();
        let ids: Vec<_> = balances
            .map(|one| one["account_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected);
    }
    for (held, status) in [(Held::All, 200), (Held::Depositor, 403)] {
        let path = "/v1/accounts/world:BRL/balance?at=2100-01-01T00:00:00Z";
        let request = face.request(reqwest::Method::GET, path);
        let balance = answer(request.bearer_auth(held.secret().unwrap())).await;
        assert_eq!(balance.status, status, "{balance:?}");
    }
}
