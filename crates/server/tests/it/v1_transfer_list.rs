//! `GET /v1/transfers`: by account and by reference, page by page, to whom; and the statements of the system's accounts.

use reqwest::Method;
use serde_json::{Value, json};
use server::{Keys, KeysOptions};

use crate::support::{Answer, Face, Held, Keyring, Setup, answer, five, five_accounts};

/// The id of the transfer of this number.
fn id(number: u128) -> String {
    uuid::Uuid::from_u128(number).to_string()
}

/// Moves or reserves 10 from one account to another.
async fn transfer(face: &Face, number: u128, from: &str, to: &str, more: Value) {
    let mut body = json!({
        "id": id(number), "debit_account_id": from, "credit_account_id": to, "amount": 10,
        "description": "x",
    });
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    let answer = face.post("/v1/transfers", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn act(face: &Face, number: u128, act: &str, body: Value) {
    let path = format!("/v1/transfers/{}/{act}", id(number));
    let answer = face.post(&path, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// 1 and 2 are deposits to account 1, 3 a transfer to account 2; 4 a pending one that 5 posts a part of and 6 voids the
/// rest of; 7 a pending one with a time; 8 reverses 3; 9 was refused. 2, 3 and 4 have one reference.
async fn history(face: &Face) {
    let order = json!({"reference": "order 1017"});
    transfer(face, 1, "world:BRL", "1", json!({})).await;
    transfer(face, 2, "world:BRL", "1", order.clone()).await;
    transfer(face, 3, "1", "2", order.clone()).await;
    let pend = json!({"reference": "order 1017", "timeout_s": 0});
    transfer(face, 4, "2", "1", pend).await;
    let part = json!({"id": id(5), "amount": 4, "final": false});
    act(face, 4, "post", part).await;
    act(face, 4, "void", json!({"id": id(6)})).await;
    transfer(face, 7, "1", "world:BRL", json!({"timeout_s": 600})).await;
    act(face, 3, "reverse", json!({"id": id(8), "description": "x"})).await;
    let refused = json!({
        "id": id(9), "debit_account_id": "1", "credit_account_id": "2", "amount": 1_000_000_000_u64,
        "description": "x", "reference": "order 1017",
    });
    assert_eq!(face.post("/v1/transfers", refused).await.status, 422);
}

/// The numbers of the transfers, or of the entries' transfers, of a page.
fn numbers(page: &Answer, list: &str, member: &str) -> Vec<u128> {
    assert_eq!(page.status, 200, "{page:?}");
    let number = |one: &Value| {
        let id: uuid::Uuid = one[member].as_str().unwrap().parse().unwrap();
        id.as_u128()
    };
    let all = page.body[list].as_array().unwrap();
    all.iter().map(number).collect()
}

async fn get(face: &Face, path: &str) -> Answer {
    let request = face.request(Method::GET, path);
    answer(request.bearer_auth(Held::All.secret().unwrap())).await
}

/// Every page of a list, with what happens between two of them.
async fn walk(face: &Face, query: &str, mut between: impl AsyncFnMut(u128)) -> Vec<u128> {
    let mut listed = Vec::new();
    let mut cursor = String::new();
    for number in 0.. {
        let page = get(face, &format!("/v1/transfers?{query}{cursor}")).await;
        listed.extend(numbers(&page, "transfers", "id"));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return listed,
        }
        between(number).await;
    }
    unreachable!("a list ends")
}

#[tokio::test]
async fn transfers_are_listed_by_account_and_by_reference() {
    let (face, _) = five().await;
    history(&face).await;
    for (query, expected) in [
        ("account=1", vec![8, 7, 6, 5, 4, 3, 2, 1]),
        ("account=1&order=asc", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("account=2", vec![8, 6, 5, 4, 3]),
        ("account=world:BRL", vec![7, 2, 1]),
        ("account=5", vec![]),
        ("account=nobody", vec![]),
        // What ends a reservation has its reference.
        ("reference=order%201017", vec![6, 5, 4, 3, 2]),
        ("reference=order%201017&account=2", vec![6, 5, 4, 3]),
        ("reference=order", vec![]),
        ("account=1&kind=pend", vec![7, 4]),
        ("account=1&kind=post", vec![5]),
        ("account=1&kind=void", vec![6]),
        ("account=1&kind=reverse", vec![8]),
        ("account=1&kind=settle", vec![]),
        ("account=1&kind=transfer&order=asc", vec![1, 2, 3]),
        ("account=1&state=pending", vec![7]),
        ("account=1&state=voided", vec![4]),
        ("account=1&state=expired", vec![]),
        ("account=1&kind=post&state=posted", vec![]),
    ] {
        for limit in [1, 2, 1_000] {
            let query = format!("{query}&limit={limit}");
            assert_eq!(walk(&face, &query, async |_| {}).await, expected, "{query}");
        }
    }
    // Each is as it is shown by its id: with its end, with what was reversed.
    let page = face.get("/v1/transfers?account=1").await;
    for transfer in page.body["transfers"].as_array().unwrap() {
        let path = format!("/v1/transfers/{}", transfer["id"].as_str().unwrap());
        assert_eq!(face.get(&path).await.body, *transfer);
    }
}

#[tokio::test]
async fn a_window_has_what_is_from_its_beginning_to_before_its_end() {
    let (face, _) = five().await;
    history(&face).await;
    let all = face.get("/v1/transfers?account=1&order=asc").await;
    let time = |number: usize| {
        let transfer = &all.body["transfers"][number - 1];
        transfer["timestamp"].as_str().unwrap().replace('+', "%2B")
    };
    for (window, expected) in [
        (format!("from={}", time(3)), vec![3, 4, 5, 6, 7, 8]),
        (format!("to={}", time(3)), vec![1, 2]),
        (format!("from={}&to={}", time(4), time(7)), vec![4, 5, 6]),
        ("from=2999-01-01T00:00:00Z".into(), vec![]),
        (
            "to=9999-12-31T23:59:59Z".into(),
            vec![1, 2, 3, 4, 5, 6, 7, 8],
        ),
    ] {
        for limit in [1, 100] {
            let query = format!("account=1&{window}&limit={limit}");
            let asc = walk(&face, &format!("{query}&order=asc"), async |_| {}).await;
            assert_eq!(asc, expected, "{query}");
            let mut desc = walk(&face, &query, async |_| {}).await;
            desc.reverse();
            assert_eq!(desc, expected, "{query}");
        }
    }
}

/// Pages that are read while it is written to: what was there comes once, in both orders.
#[tokio::test]
async fn pages_do_not_drift_while_the_account_is_written_to() {
    for (order, limit) in [("desc", 1), ("desc", 3), ("asc", 1), ("asc", 3)] {
        let (face, _) = five().await;
        history(&face).await;
        let query = format!("account=1&limit={limit}&order={order}");
        let listed = walk(&face, &query, async |number| {
            if number < 20 {
                transfer(&face, 100 + number, "world:BRL", "1", json!({})).await;
            }
        });
        let mut listed = listed.await;
        let count = listed.len();
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(listed.len(), count, "{order} {limit}");
        let before = listed.iter().filter(|number| **number < 100);
        assert_eq!(before.count(), 8, "{order} {limit}: {listed:?}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_only_with_the_query_that_it_was_given_for() {
    let (face, _) = five().await;
    history(&face).await;
    let page = face.get("/v1/transfers?account=1&limit=1").await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    for query in ["account=2", "reference=1", "account=1&order=asc"] {
        let path = format!("/v1/transfers?{query}&cursor={cursor}");
        assert_eq!(face.get(&path).await.problem(), (400, "cursor_invalid"));
    }
    for (query, problem) in [
        ("", "query_invalid"),
        ("?kind=pend", "query_invalid"),
        ("?account=a%20b", "account_id_invalid"),
        ("?reference=%07", "reference_invalid"),
        ("?account=1&from=now", "time_invalid"),
        ("?account=1&limit=0", "limit_invalid"),
    ] {
        let answer = face.get(&format!("/v1/transfers{query}")).await;
        assert_eq!(answer.problem(), (400, problem), "{query}");
    }
}

/// A key that takes deposits may use `world:BRL`, and does not see when others take them.
#[tokio::test]
async fn a_key_that_is_bound_to_accounts_lists_what_it_may_read() {
    let engine = five_accounts().await;
    let open = Setup::over(engine.clone()).start().await;
    history(&open).await;
    transfer(
        &open,
        10,
        "world:BRL",
        "3",
        json!({"reference": "order 1017"}),
    )
    .await;
    for (patterns, query, expected) in [
        (
            vec!["1", "world:*"],
            "account=1&order=asc",
            Some(vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ),
        (vec!["1", "world:*"], "account=world:BRL", None),
        (
            vec!["1", "world:*"],
            "reference=order%201017",
            Some(vec![6, 5, 4, 3, 2]),
        ),
        (vec!["3"], "reference=order%201017", Some(vec![10])),
        (vec!["3"], "account=3", Some(vec![10])),
        (vec!["3"], "account=1", None),
        (vec!["3"], "account=1&reference=order%201017", None),
        (vec!["3"], "account=world:BRL", None),
    ] {
        let mut record = Keyring::record_of_all();
        record.accounts = patterns.iter().map(|one| one.parse().unwrap()).collect();
        let keys = Keys::new(vec![record], KeysOptions::default()).unwrap();
        let setup = Setup {
            keys,
            ..Setup::over(engine.clone())
        };
        let face = setup.start().await;
        match expected {
            Some(expected) => {
                let query = format!("{query}&limit=2");
                let listed = walk(&face, &query, async |_| {}).await;
                assert_eq!(listed, expected, "{patterns:?} {query}");
            }
            None => {
                let answer = get(&face, &format!("/v1/transfers?{query}")).await;
                assert_eq!(answer.problem(), (403, "account_not_allowed"), "{query}");
            }
        }
        for form in ["json", "csv"] {
            let path = format!("/v1/accounts/world:BRL/statement?format={form}");
            let answer = get(&face, &path).await;
            assert_eq!(answer.problem(), (403, "account_not_allowed"), "{form}");
        }
    }
}

#[tokio::test]
async fn the_systems_accounts_have_statements() {
    let (face, _) = five().await;
    history(&face).await;
    let path = "/v1/accounts/world:BRL/statement";
    let page = face.get(path).await;
    // What is only reserved makes no entry.
    assert_eq!(numbers(&page, "entries", "transfer_id"), [2, 1]);
    let entry = &page.body["entries"][0];
    assert_eq!(entry["reference"], "order 1017");
    assert_eq!(
        (&entry["number"], &entry["balance_after"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(page.body["account"]["balance"], -20);
    assert_eq!(page.body["window"], Value::Null);
    let page = face.get(&format!("{path}?order=asc&limit=1")).await;
    assert_eq!(numbers(&page, "entries", "transfer_id"), [1]);
    assert_eq!(page.body["window"]["order"], "asc");
    assert_eq!(page.body["window"]["opening_balance"], Value::Null);
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = face.get(&format!("{path}?order=asc&cursor={cursor}")).await;
    assert_eq!(numbers(&next, "entries", "transfer_id"), [2]);
    assert_eq!(next.body["next_cursor"], Value::Null);
    for wrong in [
        format!("{path}?cursor={cursor}"),
        format!("{path}?cursor=01"),
    ] {
        assert_eq!(face.get(&wrong).await.problem(), (400, "cursor_invalid"));
    }
    let nobody = face.get("/v1/accounts/world:USD/statement").await;
    assert_eq!(nobody.problem(), (404, "account_not_found"));
    let lines = face.request(Method::GET, &format!("{path}?format=ndjson&order=asc"));
    let lines = lines.send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = lines
        .iter()
        .map(|line| line["transfer_id"].clone())
        .collect();
    assert_eq!(ids, [json!(id(1)), json!(id(2))]);
    let table = face.request(Method::GET, &format!("{path}?format=csv"));
    let table = table.send().await.unwrap().text().await.unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(
        rows[1].starts_with(",\"") && rows[1].contains(",-10,,\"x\",\"order 1017\","),
        "{table}"
    );
}

/// More transfers of the system's account than a page looks at, which all are only reserved.
#[tokio::test]
async fn a_page_that_has_looked_at_enough_is_short() {
    let (face, _) = five().await;
    transfer(&face, 1, "world:BRL", "1", json!({})).await;
    for part in 0..3 {
        let commands: Vec<_> = (0..500)
            .map(|number| {
                json!({
                    "kind": "transfer", "id": id(1_000 + part * 500 + number), "timeout_s": 0,
                    "debit_account_id": "world:BRL", "credit_account_id": "1", "amount": 1,
                    "description": "x",
                })
            })
            .collect();
        let batch = json!({"atomic": false, "commands": commands});
        assert_eq!(face.post("/v1/batches", batch).await.status, 200);
    }
    let page = face.get("/v1/accounts/world:BRL/statement").await;
    assert_eq!(numbers(&page, "entries", "transfer_id"), Vec::<u128>::new());
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let path = format!("/v1/accounts/world:BRL/statement?cursor={cursor}");
    let page = face.get(&path).await;
    assert_eq!(numbers(&page, "entries", "transfer_id"), [1]);
    assert_eq!(page.body["next_cursor"], Value::Null);
    let listed = walk(&face, "account=world:BRL&kind=transfer", async |_| {}).await;
    assert_eq!(listed, [1]);
    let lines = face.request(
        Method::GET,
        "/v1/accounts/world:BRL/statement?format=ndjson",
    );
    let lines = lines.send().await.unwrap().text().await.unwrap();
    assert_eq!(lines.lines().count(), 1);
}
