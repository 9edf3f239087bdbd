//! The 2024 challenge's checks, over real sockets, against the real binary.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::LastroProcess;

use crate::support::{Bank, assert_clean, binary, folder, rounds, serve};

/// Step 1 of the official load: 25 debits at once, then 25 credits at once.
async fn debits_then_credits(bank: &Bank) {
    for (kind, total) in [("d", -25), ("c", 0)] {
        let answers = join_all((0..25).map(|_| bank.transact("1", kind, 1))).await;
        assert!(
            answers.iter().all(|(status, _)| *status == 200),
            "{answers:?}"
        );
        let statement = bank.statement("1").await;
        assert_eq!(statement["saldo"], {
            let mut saldo = statement["saldo"].clone();
            saldo["total"] = json!(total);
            saldo["limite"] = json!(100_000);
            saldo
        });
    }
}

/// Step 2 for one account.
async fn user(bank: &Bank, client: &str, limit: u64) {
    let fresh = bank.statement(client).await;
    assert_eq!(
        (&fresh["saldo"]["total"], &fresh["saldo"]["limite"]),
        (&json!(0), &json!(limit))
    );
    assert_eq!(
        say(bank, client, "c", "toma").await,
        (200, json!({"limite": limit, "saldo": 1}))
    );
    assert_eq!(say(bank, client, "d", "devolve").await.1["saldo"], json!(0));
    let statement = bank.statement(client).await;
    assert_eq!(descriptions(&statement)[..2], ["devolve", "toma"]);
    let (status, answer) = say(bank, client, "c", "danada").await;
    assert_eq!(status, 200);
    for statement in join_all((0..4).map(|_| bank.statement(client))).await {
        assert_eq!(descriptions(&statement)[0], "danada");
        assert_eq!(statement["saldo"]["total"], answer["saldo"]);
        assert_eq!(statement["saldo"]["limite"], answer["limite"]);
    }
    for body in [
        json!({"valor": 1.2, "tipo": "d", "descricao": "devolve"}),
        json!({"valor": 1, "tipo": "x", "descricao": "devolve"}),
        json!({"valor": 1, "tipo": "c", "descricao": "123456789 e mais um pouco"}),
        json!({"valor": 1, "tipo": "c", "descricao": ""}),
        json!({"valor": 1, "tipo": "c", "descricao": null}),
    ] {
        let url = format!("{}/clientes/{client}/transacoes", bank.url);
        let response = bank.http.post(url).json(&body).send().await.unwrap();
        assert!([422, 400].contains(&response.status().as_u16()), "{body}");
    }
    assert_eq!(
        bank.statement(client).await["saldo"]["total"],
        answer["saldo"]
    );
}

async fn say(bank: &Bank, client: &str, kind: &str, description: &str) -> (u16, Value) {
    let body = json!({"valor": 1, "tipo": kind, "descricao": description});
    let url = format!("{}/clientes/{client}/transacoes", bank.url);
    let response = bank.http.post(url).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn descriptions(statement: &Value) -> Vec<&str> {
    let entries = statement["ultimas_transacoes"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["descricao"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_1_and_2_of_the_official_load() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    debits_then_credits(&bank).await;
    let users = [
        ("1", 100_000),
        ("2", 80_000),
        ("3", 1_000_000),
        ("4", 10_000_000),
        ("5", 500_000),
    ];
    let users = users.map(|(client, limit)| {
        let bank = bank.clone();
        async move { user(&bank, client, limit).await }
    });
    let (_, (status, _)) = tokio::join!(join_all(users), bank.get("/clientes/6/extrato"));
    assert_eq!(status, 404);
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// 1,000 times: what is right once may be luck.
#[tokio::test(flavor = "multi_thread")]
async fn debits_then_credits_at_once_a_thousand_times() {
    let folder = folder();
    // Each round is two syncs or more; the page cache is enough for what is tested here.
    let arguments = ["--demo", "--durability", "os"];
    let process = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    let bank = Bank::of(&process);
    for _ in 0..1_000 {
        debits_then_credits(&bank).await;
    }
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}

/// 64 connections debit and credit one account around its limit.
#[tokio::test(flavor = "multi_thread")]
async fn no_connection_passes_the_limit() {
    const LIMIT: i64 = 80_000;
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    let workers = (0..64_u64).map(|worker| {
        let bank = Bank {
            http: reqwest::Client::new(),
            ..bank.clone()
        };
        tokio::spawn(async move {
            let (mut sum, mut refused) = (0_i64, 0);
            for step in 0..u64::from(rounds()) * 10 {
                let amount = 1 + (worker * 7_919 + step * 104_729) % 5_000;
                // Twice as many debits as credits: it stays near the limit.
                let kind = if (worker + step) % 3 == 0 { "c" } else { "d" };
                let (status, answer) = bank.transact("2", kind, amount).await;
                match status {
                    200 => {
                        let balance = answer["saldo"].as_i64().unwrap();
                        assert!(balance >= -LIMIT, "the balance {balance} passes the limit");
                        let amount = i64::try_from(amount).unwrap();
                        sum += if kind == "c" { amount } else { -amount };
                    }
                    422 => {
                        assert_eq!(answer["code"], "insufficient_funds");
                        refused += 1;
                    }
                    other => panic!("{other}: {answer}"),
                }
            }
            (sum, refused)
        })
    });
    let sums: Vec<(i64, u32)> = join_all(workers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let total: i64 = sums.iter().map(|(sum, _)| sum).sum();
    assert_eq!(bank.statement("2").await["saldo"]["total"], json!(total));
    assert!(
        sums.iter().map(|(_, refused)| refused).sum::<u32>() > 100,
        "the limit was not near"
    );
    assert!(process.stop().unwrap().success());
    assert_clean(folder.path());
}
