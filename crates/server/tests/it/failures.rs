//! An engine that is unavailable, silent or broken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::Unavailable;
use reqwest::Method;
use serde_json::json;
use server::Limits;

use crate::support::{Double, Face, Manner, Setup, answer, five_accounts};

async fn face(manner: Manner) -> (Face, Arc<Double>) {
    let double = Double::new(five_accounts().await, manner);
    let mut setup = Setup::over(double.clone());
    setup.limits = Limits {
        engine_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    (setup.start().await, double)
}

const POSTS: [&str; 7] = [
    "/clientes/1/transacoes",
    "/v1/transfers",
    "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/post",
    "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/void",
    "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/reverse",
    "/v1/batches",
    "/v1/accounts",
];
const GETS: [&str; 5] = [
    "/v1/accounts/1/balance?at=2026-01-01T00:00:00Z",
    "/clientes/1/extrato",
    "/v1/accounts/1",
    "/v1/accounts/1/statement",
    "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057",
];

fn body(path: &str) -> serde_json::Value {
    match path {
        "/v1/transfers" => json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "debit_account_id": "world:BRL",
            "credit_account_id": "1", "amount": 1, "description": "x",
        }),
        "/v1/accounts" => json!({"id": "a", "currency": "BRL", "credit_limit": 1}),
        "/v1/batches" => json!({
            "atomic": false, "commands": [{"kind": "close_account", "account_id": "1"}],
        }),
        reversed if reversed.ends_with("/reverse") => {
            json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058", "description": "x"})
        }
        ended if ended.starts_with("/v1/transfers/") => {
            json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058"})
        }
        _ => json!({"valor": 1, "tipo": "c", "descricao": "x"}),
    }
}

/// Every route that asks the engine answers the same.
async fn check_all(face: &Face, status: u16, code: &str, retry_after: Option<&str>) {
    let mut requests = Vec::new();
    for path in POSTS {
        requests.push(face.request(Method::POST, path).json(&body(path)));
    }
    for body in [
        json!({"closed": true}),
        json!({"closed": true, "credit_limit": 1}),
    ] {
        requests.push(face.request(Method::PATCH, "/v1/accounts/1").json(&body));
    }
    for path in GETS {
        requests.push(face.request(Method::GET, path));
    }
    for request in requests {
        let answer = answer(request).await;
        assert_eq!(answer.problem(), (status, code));
        assert_eq!(answer.retry_after.as_deref(), retry_after);
    }
}

#[tokio::test]
async fn each_unavailability_has_its_status() {
    let (face, double) = face(Manner::Well).await;
    for (unavailable, status, retry_after) in [
        (Unavailable::Overloaded, 503, Some("1")),
        (Unavailable::StorageFull, 503, Some("30")),
        (Unavailable::StorageFailed, 503, Some("30")),
        (Unavailable::LedgerUnavailable, 503, Some("1")),
        (Unavailable::Opening, 503, Some("1")),
        (Unavailable::Timeout, 504, None),
        (Unavailable::StorageDamaged, 500, None),
        (Unavailable::NotSupported, 501, None),
        (Unavailable::NodeNotAllowed, 503, Some("30")),
    ] {
        double.behave(Manner::Unavailable(unavailable));
        check_all(&face, status, unavailable.code(), retry_after).await;
        let answer = face.post("/v1/transfers", body("/v1/transfers")).await;
        assert_eq!(answer.body["nothing_done"], unavailable.nothing_done());
        // A read does nothing, and has no id.
        for path in GETS.into_iter().chain(["/payments-summary"]) {
            let answer = face.get(path).await;
            assert_eq!(answer.problem(), (status, unavailable.code()), "{path}");
            assert!(answer.body.get("nothing_done").is_none(), "{path}");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(!detail.contains(" id"), "{path}: {detail}");
        }
    }
    double.behave(Manner::Well);
    assert_eq!(face.transact(1, "c", 1, "x").await.status, 200);
}

#[tokio::test]
async fn a_silent_engine_is_not_waited_for() {
    let (face, _) = face(Manner::Never).await;
    let started = Instant::now();
    let answer = face.transact(1, "c", 1, "x").await;
    assert_eq!(answer.problem(), (504, "timeout"));
    assert!((200..2_000).contains(&started.elapsed().as_millis()));
    check_all(&face, 504, "timeout", None).await;
    assert_eq!(face.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_one_requests_affair() {
    let (face, double) = face(Manner::Panic).await;
    let mut connection = face.raw().await;
    let request = "GET /clientes/1/extrato HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.send(request).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.problem(), (500, "internal_error".to_owned()));
    check_all(&face, 500, "internal_error", None).await;
    double.behave(Manner::Well);
    connection.send(request).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
}
