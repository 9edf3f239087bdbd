//! `GET /v1/accounts/{id}/statement` of windows of time, and of all entries at once.

use axum::http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::Seeds;

use crate::support::{Double, Face, Manner, Setup, five, five_accounts, new_id};

const STATEMENT: &str = "/v1/accounts/1/statement";

async fn transfer(face: &Face, number: u64) {
    let (debit, credit) = match number % 3 {
        0 => ("1", "world:BRL"),
        _ => ("world:BRL", "1"),
    };
    let body = json!({
        "id": new_id(), "debit_account_id": debit, "credit_account_id": credit,
        "amount": 1 + number % 7, "description": format!("no. {number}, \"quoted\"; =1"),
        "reference": "o-1", "metadata": {"a": "b"},
    });
    let answer = face.post("/v1/transfers", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// All entries of the account, the oldest first.
async fn entries(face: &Face) -> Vec<Value> {
    let answer = face.get(&format!("{STATEMENT}?limit=1000")).await;
    let mut entries = answer.body["entries"].as_array().unwrap().clone();
    entries.reverse();
    entries
}

/// The entries of all pages, and the window that each of them tells.
async fn pages(face: &Face, query: &str) -> (Vec<Value>, Value) {
    let (mut all, mut cursor, mut window) = (Vec::new(), String::new(), None);
    loop {
        let answer = face.get(&format!("{STATEMENT}?{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        all.extend(answer.body["entries"].as_array().unwrap().iter().cloned());
        let told = answer.body["window"].clone();
        assert_eq!(window.get_or_insert_with(|| told.clone()), &told, "{query}");
        match answer.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (all, window.unwrap()),
        }
    }
}

async fn text(face: &Face, query: &str) -> (reqwest::header::HeaderMap, String) {
    let request = face.request(Method::GET, &format!("{STATEMENT}?{query}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    (answer.headers().clone(), answer.text().await.unwrap())
}

/// Opening balance and entries make the closing balance, whatever the window, its order and its pages; as lines it is
/// the same.
#[tokio::test]
async fn a_window_adds_up() {
    let (face, _) = five().await;
    for number in 0..60 {
        transfer(&face, number).await;
    }
    let all = entries(&face).await;
    let time = |index: usize| all[index]["timestamp"].as_str().unwrap();
    for seed in Seeds::from_env(40) {
        let mut random = StdRng::seed_from_u64(seed);
        let first = random.random_range(0..all.len());
        let end = random.random_range(first..=all.len());
        let (mut query, mut expected) = (String::from("x"), &all[..]);
        query.clear();
        if random.random_bool(0.8) {
            query += &format!("&from={}", time(first));
            expected = &all[first..];
        }
        if random.random_bool(0.8) && end > first && end < all.len() {
            query += &format!("&to={}", time(end));
            expected = &expected[..expected.len() - (all.len() - end)];
        }
        let is_ascending = random.random_bool(0.5);
        query += if is_ascending {
            "&order=asc"
        } else {
            "&order=desc"
        };
        let mut expected = expected.to_vec();
        let number = |entry: Option<&Value>| entry.unwrap()["number"].as_u64().unwrap();
        let opening = match number(expected.first()) {
            1 => json!(0),
            number => all[number as usize - 2]["balance_after"].clone(),
        };
        let closing = expected.last().unwrap()["balance_after"].clone();
        if !is_ascending {
            expected.reverse();
        }
        let limit = random.random_range(1..70);
        let again = format!("LASTRO_SEED={seed}: {query}&limit={limit}");
        let (found, window) = pages(&face, &format!("{query}&limit={limit}")).await;
        // Without a window all is the whole statement.
        if !window.is_null() {
            assert_eq!(window["opening_balance"], opening, "{again}");
            assert_eq!(window["closing_balance"], closing, "{again}");
            assert_eq!(window["entries_count"], expected.len(), "{again}");
        }
        assert_eq!(found, expected, "{again}");
        check_lines(&face, &query, &expected, &opening, &closing).await;
    }
}

async fn check_lines(
    face: &Face,
    query: &str,
    expected: &[Value],
    opening: &Value,
    closing: &Value,
) {
    let (headers, lines) = text(face, &format!("{query}&format=ndjson")).await;
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["lastro-opening-balance"], opening.to_string());
    assert_eq!(headers["lastro-closing-balance"], closing.to_string());
    assert_eq!(headers["lastro-entries"], expected.len().to_string());
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, expected, "{query}");
    let (headers, table) = text(face, &format!("{query}&format=csv")).await;
    assert!(
        headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), expected.len() + 1);
    let mut sum = opening.as_i64().unwrap();
    for (row, entry) in rows[1..].iter().zip(expected) {
        let description = entry["description"].as_str().unwrap().replace('"', "\"\"");
        let is_debit = entry["debit_account_id"] == "1";
        let amount = entry["amount"].as_i64().unwrap() * if is_debit { -1 } else { 1 };
        sum += amount;
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let expected = format!(
            "{},\"{}\",\"{}\",\"transfer\",\"{}\",\"{}\",\"BRL\",{amount},{},\"{description}\",\"o-1\",\"{{\"\"a\"\":\"\"b\"\"}}\",\"\",\"\",\"\"",
            entry["number"],
            text("timestamp"),
            text("transfer_id"),
            text("debit_account_id"),
            text("credit_account_id"),
            entry["balance_after"],
        );
        assert_eq!(*row, expected);
    }
    assert_eq!(sum, closing.as_i64().unwrap(), "{query}");
}

/// The first page settles where a window ends, although entries are made while it is read.
#[tokio::test]
async fn a_window_that_ends_now_does_not_grow_between_its_pages() {
    let (face, _) = five().await;
    for number in 0..5 {
        transfer(&face, number).await;
    }
    let future = "from=2020-01-01T00:00:00Z&to=2500-01-01T00:00:00Z";
    for query in ["order=asc", "order=asc&from=2020-01-01T00:00:00Z", future] {
        let before = entries(&face).await.len();
        let first = face.get(&format!("{STATEMENT}?{query}&limit=3")).await;
        transfer(&face, 1).await;
        let mut seen = first.body["entries"].as_array().unwrap().len();
        let mut cursor = first.body["next_cursor"].clone();
        while let Some(next) = cursor.as_str() {
            let page = face
                .get(&format!("{STATEMENT}?{query}&limit=3&cursor={next}"))
                .await;
            assert_eq!(page.body["window"], first.body["window"], "{query}");
            seen += page.body["entries"].as_array().unwrap().len();
            cursor = page.body["next_cursor"].clone();
        }
        assert_eq!(seen, before, "{query}");
    }
}

#[tokio::test]
async fn windows_without_entries_are_empty() {
    let (face, _) = five().await;
    transfer(&face, 1).await;
    for (query, balance) in [
        ("to=2020-01-01T00:00:00Z", 0),
        ("from=2500-01-01T00:00:00Z", 2),
        (
            "from=2500-01-01T00:00:00Z&to=2510-01-01T00:00:00Z&order=asc",
            2,
        ),
        (
            "from=1960-01-01T00:00:00Z&to=1970-01-01T00:00:00.000000001Z",
            0,
        ),
    ] {
        let (entries, window) = pages(&face, query).await;
        assert_eq!(entries, Vec::<Value>::new(), "{query}");
        assert_eq!(window["opening_balance"], balance, "{query}");
        assert_eq!(window["closing_balance"], balance, "{query}");
        assert_eq!(window["entries_count"], 0, "{query}");
        let (headers, lines) = text(&face, &format!("{query}&format=ndjson")).await;
        assert_eq!(
            (lines.as_str(), &headers["lastro-entries"]),
            ("", &"0".parse().unwrap())
        );
    }
    // Nothing was ever on this one.
    let empty = face.get("/v1/accounts/2/statement?order=asc").await;
    assert_eq!(empty.body["window"]["closing_balance"], 0);
    assert_eq!(empty.body["account"]["id"], "2");
}

#[tokio::test]
async fn what_is_wrong_with_a_window_is_told() {
    let (face, _) = five().await;
    for number in 0..3 {
        transfer(&face, number).await;
    }
    let cursor = face.get(&format!("{STATEMENT}?order=asc&limit=1")).await;
    let cursor = cursor.body["next_cursor"].as_str().unwrap().to_owned();
    for (path, expected) in [
        (
            format!("{STATEMENT}?from=2026-01-01"),
            (400, "time_invalid"),
        ),
        (
            format!("{STATEMENT}?format=csv&limit=10"),
            (400, "query_invalid"),
        ),
        (
            format!("{STATEMENT}?cursor={cursor}"),
            (400, "cursor_invalid"),
        ),
        (
            format!("{STATEMENT}?order=desc&cursor={cursor}"),
            (400, "cursor_invalid"),
        ),
        (
            format!("/v1/accounts/2/statement?order=asc&cursor={cursor}"),
            (400, "cursor_invalid"),
        ),
        (
            "/v1/accounts/none/statement?order=asc".into(),
            (404, "account_not_found"),
        ),
        (
            "/v1/accounts/none/statement?format=csv".into(),
            (404, "account_not_found"),
        ),
        (
            "/v1/accounts/none/statement?from=2020-01-01T00:00:00Z".into(),
            (404, "account_not_found"),
        ),
        (
            "/v1/accounts/world:USD/statement?format=ndjson".into(),
            (404, "account_not_found"),
        ),
    ] {
        assert_eq!(face.get(&path).await.problem(), expected, "{path}");
    }
}

/// What is longer than a piece waits for a ledger that has too much to do, and breaks off where that lasts: nobody takes a
/// part for the whole.
#[tokio::test]
async fn an_answer_with_all_entries_is_whole_or_breaks_off() {
    let engine = Double::new(five_accounts().await, Manner::Well);
    let face = Setup::over(engine.clone()).start().await;
    let commands: Vec<_> = (0..600)
        .map(|_| {
            json!({
                "kind": "transfer", "id": new_id(), "debit_account_id": "world:BRL",
                "credit_account_id": "1", "amount": 1, "description": "x",
            })
        })
        .collect();
    let batch = face.post(
        "/v1/batches",
        json!({"atomic": false, "commands": commands}),
    );
    assert_eq!(batch.await.status, 200);
    for form in ["ndjson", "csv"] {
        for (times, is_whole) in [(0, true), (2, true), (1_000, false)] {
            let mut request = face.request(Method::GET, &format!("{STATEMENT}?format={form}"));
            request = request.header("accept-encoding", "identity");
            // The account and the first piece are read before the answer begins.
            let well_count = 2;
            if times > 0 {
                engine.behave(Manner::OverloadedAfter { well_count, times });
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["lastro-entries"], "600");
            let body = answer.text().await;
            assert_eq!(body.is_ok(), is_whole, "{form} {times}: {body:?}");
            if let Ok(body) = body {
                let header = usize::from(form == "csv");
                assert_eq!(body.lines().count(), 600 + header);
            }
            engine.behave(Manner::Well);
        }
        engine.behave(Manner::OverloadedAfter {
            well_count: 0,
            times: 1,
        });
        let refused = face.get(&format!("{STATEMENT}?format={form}")).await;
        assert_eq!(refused.problem(), (503, "overloaded"));
    }
}

/// An answer in progress is not idle, however long it goes on.
#[tokio::test]
async fn an_answer_with_all_entries_may_take_longer_than_a_connection_may_be_idle() {
    let engine = Double::new(five_accounts().await, Manner::Well);
    let mut setup = Setup::over(engine.clone());
    setup.limits.idle_timeout = std::time::Duration::from_millis(300);
    let face = setup.start().await;
    let commands: Vec<_> = (0..1_500)
        .map(|_| {
            json!({
                "kind": "transfer", "id": new_id(), "debit_account_id": "world:BRL",
                "credit_account_id": "1", "amount": 1, "description": "x",
            })
        })
        .collect();
    let batch = face.post(
        "/v1/batches",
        json!({"atomic": false, "commands": commands}),
    );
    assert_eq!(batch.await.status, 200);
    // Six pieces.
    engine.behave(Manner::Late(std::time::Duration::from_millis(150)));
    let (_, lines) = text(&face, "format=ndjson").await;
    assert_eq!(lines.lines().count(), 1_500);
}
