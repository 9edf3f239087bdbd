//! `GET /v1/accounts/{id}/balance?at=`.

use serde_json::json;

use crate::support::five;

#[tokio::test]
async fn a_balance_is_told_as_it_was() {
    let (face, _) = five().await;
    let mut moments = Vec::new();
    for amount in 1..=3 {
        let body = json!({
            "id": crate::support::new_id(), "debit_account_id": "world:BRL",
            "credit_account_id": "1", "amount": amount, "description": "x",
        });
        let answer = face.post("/v1/transfers", body).await;
        moments.push(answer.body["timestamp"].as_str().unwrap().to_owned());
    }
    let at = async |at: &str| {
        let answer = face.get(&format!("/v1/accounts/1/balance?at={at}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    for (moment, (number, balance)) in moments.iter().zip([(1, 1), (2, 3), (3, 6)]) {
        let expected = json!({
            "account_id": "1", "at": moment, "balance": balance, "entry_number": number,
        });
        assert_eq!(at(moment).await, expected);
    }
    let long_ago = at("1999-12-31T23:59:59Z").await;
    assert_eq!(
        (&long_ago["balance"], &long_ago["entry_number"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(at("2500-01-01T00:00:00-05:00").await["balance"], 6);
}

/// Common clients cut times to microseconds: who asks by the transfer itself misses nothing.
#[tokio::test]
async fn a_balance_is_told_by_the_transfer_it_follows() {
    let (face, _) = five().await;
    let mut balance = 0;
    for amount in 1..=3_u64 {
        let id = crate::support::new_id();
        let body = json!({
            "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1",
            "amount": amount, "description": "x",
        });
        let transfer = face.post("/v1/transfers", body).await;
        balance += amount;
        let answer = face
            .get(&format!("/v1/accounts/1/balance?after={id}"))
            .await;
        let expected = json!({
            "account_id": "1", "at": transfer.body["timestamp"], "balance": balance,
            "entry_number": amount,
        });
        assert_eq!((answer.status, answer.body), (200, expected));
        let elsewhere = face
            .get(&format!("/v1/accounts/2/balance?after={id}"))
            .await;
        assert_eq!(elsewhere.problem(), (422, "transfer_of_other_accounts"));
    }
    let id = crate::support::new_id();
    let unknown = face
        .get(&format!("/v1/accounts/1/balance?after={id}"))
        .await;
    assert_eq!(unknown.problem(), (404, "transfer_not_found"));
}

#[tokio::test]
async fn not_every_account_and_time_will_do() {
    let (face, _) = five().await;
    for (path, expected) in [
        ("1/balance", (400, "time_invalid")),
        ("1/balance?at=yesterday", (400, "time_invalid")),
        ("1/balance?limit=1", (400, "query_invalid")),
        (
            "nobody/balance?at=2026-01-01T00:00:00Z",
            (404, "account_not_found"),
        ),
        (
            "%20/balance?at=2026-01-01T00:00:00Z",
            (400, "account_id_invalid"),
        ),
    ] {
        let answer = face.get(&format!("/v1/accounts/{path}")).await;
        assert_eq!(answer.problem(), expected, "{path}");
    }
}
