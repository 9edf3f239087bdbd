//! The 2024 challenge: its routes, and the steps of its official load that look at answers.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Face, everything, five};

const LIMITS: [u64; 5] = [100_000, 80_000, 1_000_000, 10_000_000, 500_000];

async fn statement(face: &Face, id: u32) -> Value {
    let answer = face.get(&format!("/clientes/{id}/extrato")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.content_type, "application/json");
    answer.body
}

#[tokio::test]
async fn step_1_twenty_five_at_once() {
    let (face, _) = five().await;
    for (tipo, total) in [("d", -25), ("c", 0)] {
        let at_once = (0..25).map(|_| face.transact(1, tipo, 1, "validacao"));
        for answer in join_all(at_once).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert_eq!(statement(&face, 1).await["saldo"]["total"], total);
    }
}

#[tokio::test]
async fn step_2_five_users_and_no_sixth() {
    let (face, _) = five().await;
    let users = (1..=5).map(|id| user(&face, id));
    join_all(users).await;
    for path in ["/clientes/6/extrato", "/clientes/0/extrato"] {
        assert_eq!(face.get(path).await.problem(), (404, "account_not_found"));
    }
}

async fn user(face: &Face, id: u32) {
    let limit = LIMITS[id as usize - 1];
    let first = statement(face, id).await;
    assert_eq!(first["saldo"]["limite"], limit);
    assert_eq!(first["saldo"]["total"], 0);
    assert_eq!(first["ultimas_transacoes"], json!([]));

    let answer = face.transact(id, "c", 1, "toma").await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!({"limite": limit, "saldo": 1}))
    );
    let answer = face.transact(id, "d", 1, "devolve").await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!({"limite": limit, "saldo": 0}))
    );
    let lines = statement(face, id).await["ultimas_transacoes"].clone();
    assert_line(&lines[0], 1, "d", "devolve");
    assert_line(&lines[1], 1, "c", "toma");

    let answered = face.transact(id, "c", 1, "danada").await;
    assert_eq!(answered.status, 200);
    for seen in join_all((0..4).map(|_| statement(face, id))).await {
        assert_line(&seen["ultimas_transacoes"][0], 1, "c", "danada");
        assert_eq!(seen["saldo"]["total"], answered.body["saldo"]);
        assert_eq!(seen["saldo"]["limite"], answered.body["limite"]);
    }
    for body in [
        json!({"valor": 1.2, "tipo": "d", "descricao": "devolve"}),
        json!({"valor": 1, "tipo": "x", "descricao": "devolve"}),
        json!({"valor": 1, "tipo": "c", "descricao": "123456789 e mais um pouco"}),
        json!({"valor": 1, "tipo": "c", "descricao": ""}),
        json!({"valor": 1, "tipo": "c", "descricao": null}),
    ] {
        let answer = face.post(&format!("/clientes/{id}/transacoes"), body).await;
        assert_eq!(answer.problem().0, 422);
    }
}

fn assert_line(line: &Value, valor: u64, tipo: &str, descricao: &str) {
    assert_eq!(
        (&line["valor"], &line["tipo"], &line["descricao"]),
        (&json!(valor), &json!(tipo), &json!(descricao))
    );
    assert_micros(&line["realizada_em"]);
}

#[track_caller]
fn assert_micros(time: &Value) {
    let text = time.as_str().unwrap();
    assert_eq!(text.len(), "2024-01-17T02:34:41.217753Z".len(), "{text}");
    assert!(text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
}

#[tokio::test]
async fn a_debit_beyond_the_limit_changes_nothing() {
    let (face, engine) = five().await;
    assert_eq!(
        face.transact(2, "d", 80_000, "tudo").await.body["saldo"],
        -80_000
    );
    let before = everything(&engine).0;
    let refused = face.transact(2, "d", 1, "mais").await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
    assert_eq!(refused.body["available"], 0);
    assert_eq!(refused.body["required"], 1);
    assert_eq!(everything(&engine).0, before);
}

#[tokio::test]
async fn a_statement_shows_the_last_ten_newest_first() {
    let (face, _) = five().await;
    for n in 1..=12 {
        assert_eq!(face.transact(3, "c", n, &format!("n{n}")).await.status, 200);
    }
    let body = statement(&face, 3).await;
    assert_micros(&body["saldo"]["data_extrato"]);
    assert_eq!(body["saldo"]["total"], 78);
    let lines = body["ultimas_transacoes"].as_array().unwrap();
    let amounts: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["valor"].as_u64())
        .collect();
    assert_eq!(amounts, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert!(lines[0]["realizada_em"].as_str() <= body["saldo"]["data_extrato"].as_str());
}

#[tokio::test]
async fn the_description_is_counted_in_characters() {
    let (face, _) = five().await;
    assert_eq!(face.transact(1, "c", 1, "ééééééééé💸").await.status, 200);
    let answer = face.transact(1, "c", 1, "ééééééééé💸x").await;
    assert_eq!(answer.problem(), (422, "description_invalid"));
}

#[tokio::test]
async fn unknown_accounts_are_404_before_the_body_is_judged() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    for id in [
        "6",
        "06",
        "01",
        "+1",
        "-1",
        "abc",
        "%31",
        "1.0",
        "99999999999999999999999",
    ] {
        let path = format!("/clientes/{id}/transacoes");
        let answer = face.post(&path, json!({"bad": true})).await;
        assert_eq!(answer.problem(), (404, "account_not_found"), "{id}");
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn an_account_that_is_not_open_is_unknown() {
    let engine =
        ledger::reference::ReferenceEngine::new(std::sync::Arc::new(crate::support::SystemClock));
    let face = crate::support::Setup::over(std::sync::Arc::new(engine))
        .start()
        .await;
    assert_eq!(
        face.transact(1, "c", 1, "x").await.problem(),
        (404, "account_not_found")
    );
    assert_eq!(
        face.transact(1, "c", 1, "").await.problem(),
        (404, "account_not_found")
    );
    let answer = face.get("/clientes/1/extrato").await;
    assert_eq!(answer.problem(), (404, "account_not_found"));
}
