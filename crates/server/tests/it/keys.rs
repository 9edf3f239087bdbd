//! Who may come in over HTTP: every route, under every kind of key.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledger::Engine;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use server::{Keys, KeysOptions, Scope};
use testkit::Seeds;

use crate::keys_table::Asks::{AnyKey, Commands, Nothing, One};
use crate::keys_table::{ROWS, Row};
use crate::support::{Answer, Face, Held, Keyring, Setup, answer, five_accounts, new_id};

/// In the document are neither itself nor what is not there.
const NOT_IN_THE_DOCUMENT: [&str; 3] = ["/openapi.json", "/nowhere", "DELETE"];

/// Account 1, a transfer to it and a payment of it are there; the keys `mine:*` are about neither.
struct Bank {
    face: Face,
}

impl Bank {
    async fn start(keys: Keys) -> Self {
        let engine = five_accounts().await;
        let face = Setup {
            keys,
            ..Setup::over(engine as Arc<dyn Engine>)
        };
        Self {
            face: face.start().await,
        }
    }

    fn request(&self, method: &str, path: &str, held: Held) -> RequestBuilder {
        let request = self.face.request(method.parse().unwrap(), path);
        match held.secret() {
            None => request,
            Some(secret) => request.bearer_auth(secret),
        }
    }

    async fn send(&self, method: &str, path: &str, held: Held, body: &Value) -> Answer {
        let request = self.request(method, path, held);
        let has_body = !body.is_null();
        answer(if has_body {
            request.json(body)
        } else {
            request
        })
        .await
    }

    /// Something that one who may do everything has made; its id.
    async fn made(&self, path: &str, id_name: &str, mut body: Value) -> String {
        let id = new_id();
        body[id_name] = json!(id);
        let made = self.send("POST", path, Held::All, &body).await;
        assert!([200, 201, 202].contains(&made.status), "{made:?}");
        id
    }

    async fn transfer(&self, timeout_s: Option<u32>) -> String {
        let mut body = transfer();
        if let Some(timeout_s) = timeout_s {
            body["timeout_s"] = json!(timeout_s);
        }
        self.made("/v1/transfers", "id", body).await
    }

    async fn batch(&self) -> String {
        let mut command = transfer();
        command["id"] = json!(new_id());
        command["kind"] = json!("transfer");
        let body = json!({"atomic": true, "commands": [command]});
        self.made("/v1/batches", "id", body).await
    }

    async fn payment(&self) -> String {
        let body = json!({"amount": 1, "accountId": "1"});
        self.made("/payments", "correlationId", body).await
    }

    /// A request that would be done if its caller may: its path and body.
    async fn prepared(&self, row: &Row) -> (String, Value) {
        let with_id = |mut body: Value| {
            body["id"] = json!(new_id());
            body
        };
        let (id, query, body) = match (row.method, row.path) {
            ("POST", "/clientes/{id}/transacoes") => {
                let body = json!({"valor": 1, "tipo": "c", "descricao": "x"});
                ("1".to_owned(), "", body)
            }
            ("POST", "/payments") => {
                let body = json!({"correlationId": new_id(), "amount": 1, "accountId": "1"});
                (String::new(), "", body)
            }
            ("POST", "/v1/accounts") => {
                let body = json!({"id": new_id(), "currency": "BRL", "credit_limit": 0});
                (String::new(), "", body)
            }
            ("PATCH", _) => ("1".to_owned(), "", json!({"credit_limit": 100_000})),
            ("GET", "/v1/accounts/{id}/balance") => {
                ("1".to_owned(), "?at=2026-01-01T00:00:00Z", Value::Null)
            }
            ("POST", "/v1/transfers" | "/v1/operations") => {
                (String::new(), "", with_id(transfer()))
            }
            ("GET", "/v1/transfers/{id}" | "/v1/operations/{id}") => {
                (self.transfer(None).await, "", Value::Null)
            }
            ("POST", "/v1/transfers/{id}/post" | "/v1/transfers/{id}/void") => {
                (self.transfer(Some(0)).await, "", with_id(json!({})))
            }
            ("POST", "/v1/transfers/{id}/reverse") => {
                let body = with_id(json!({"description": "refund"}));
                (self.transfer(None).await, "", body)
            }
            ("POST", "/v1/batches") => {
                let mut command = with_id(transfer());
                command["kind"] = json!("transfer");
                let body = json!({"atomic": false, "commands": [command]});
                (String::new(), "", body)
            }
            ("GET", "/v1/batches/{id}") => (self.batch().await, "", Value::Null),
            ("POST", "/v1/payments") => {
                let body = json!({
                    "account_id": "1", "currency": "BRL", "amount": 1, "description": "x",
                });
                (String::new(), "", with_id(body))
            }
            ("GET", "/v1/transfers") => (String::new(), "?account=1", Value::Null),
            ("GET", "/v1/payments") => (String::new(), "?state=unknown", Value::Null),
            ("GET", "/v1/payments/{id}") => (self.payment().await, "", Value::Null),
            ("POST", "/v1/payments/{id}/resolve") => {
                let body = json!({
                    "resolution": "refuse", "attempt": 0, "who": "ana", "why": "test",
                });
                (self.payment().await, "", body)
            }
            ("POST", "/v1/webhooks/{name}/replay") => {
                (String::new(), "", json!({"after": "beginning"}))
            }
            _ => ("1".to_owned(), "", Value::Null),
        };
        (format!("{}{query}", row.path.replace("{id}", &id)), body)
    }
}

fn transfer() -> Value {
    json!({
        "debit_account_id": "world:BRL", "credit_account_id": "1", "amount": 1, "description": "x",
    })
}

/// The documented answer: its status, and its code where it is about the key.
fn expected(row: &Row, held: Held) -> (u16, Option<&'static str>) {
    let scope_missing = (403, Some("scope_missing"));
    match (row.asks, held) {
        (Nothing, _) => (row.answered, None),
        (_, Held::Nothing | Held::Unknown | Held::Expired | Held::Revoked) => {
            (401, Some("unauthenticated"))
        }
        (_, Held::All) => (row.answered, None),
        (_, Held::Narrow | Held::Depositor) if row.narrow == 403 => {
            (403, Some("account_not_allowed"))
        }
        (_, Held::Narrow | Held::Depositor) => (row.narrow, None),
        (AnyKey, Held::Only(_)) => (row.answered, None),
        (One(scope) | Commands(scope), Held::Only(only)) if only == scope => (row.answered, None),
        (One(_) | Commands(_), Held::Only(_)) => scope_missing,
    }
}

#[tokio::test]
async fn every_route_asks_every_kind_of_key_for_what_it_should() {
    let bank = Bank::start(Keyring::new().keys).await;
    for row in &ROWS {
        for held in Held::EVERY {
            let (path, body) = bank.prepared(row).await;
            let request = bank.request(row.method, &path, held);
            let request = if body.is_null() {
                request
            } else {
                request.json(&body)
            };
            let response = request.send().await.unwrap();
            let challenge = response.headers().get("www-authenticate").cloned();
            let (status, code) = expected(row, held);
            let name = format!("{} {} with {held:?}", row.method, row.path);
            assert_eq!(response.status(), status, "{name}");
            let is_challenged = matches!(code, Some("unauthenticated" | "scope_missing"));
            assert_eq!(challenge.is_some(), is_challenged, "{name}: {challenge:?}");
            let Some(code) = code else {
                continue;
            };
            let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
            assert!(
                challenge.is_none_or(|text| text.starts_with("Bearer ")),
                "{name}"
            );
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["code"], code, "{name}: {body}");
            if code == "scope_missing" {
                let (One(scope) | Commands(scope)) = row.asks else {
                    panic!("{name} asks for no scope");
                };
                assert_eq!(body["scope"], scope.as_str(), "{name}: {body}");
            }
        }
    }
}

/// No route is missing from the matrix above.
#[test]
fn every_route_of_the_document_is_in_the_matrix() {
    let document: Value = serde_json::from_str(&server::openapi_json()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    let rows = ROWS.iter().filter(|row| {
        ![row.method, row.path]
            .iter()
            .any(|word| NOT_IN_THE_DOCUMENT.contains(word))
    });
    let rows: BTreeSet<_> = rows
        .map(|row| (row.method.to_owned(), row.path.to_owned()))
        .collect();
    assert_eq!(rows, documented);
}

#[tokio::test]
async fn freezes_are_for_operators() {
    let bank = Bank::start(Keyring::new().keys).await;
    let body = json!({"frozen": "none"});
    let member = json!({"kind": "change_freeze", "account_id": "1", "frozen": "none"});
    let batch = json!({"atomic": false, "commands": [member]});
    for (held, is_allowed) in [
        (Held::Only(Scope::Write), false),
        (Held::Only(Scope::Operate), true),
    ] {
        for (method, path, body) in [
            ("PATCH", "/v1/accounts/1", &body),
            ("POST", "/v1/batches", &batch),
        ] {
            let answer = bank.send(method, path, held, body).await;
            match is_allowed {
                true => assert_eq!(answer.status, 200, "{answer:?}"),
                false => {
                    assert_eq!(answer.problem(), (403, "scope_missing"));
                    assert_eq!(answer.body["scope"], "operate");
                }
            }
        }
    }
}

#[tokio::test]
async fn credit_is_for_operators_to_grant() {
    let bank = Bank::start(Keyring::new().keys).await;
    let open = |limit: u64| json!({"id": new_id(), "currency": "BRL", "credit_limit": limit});
    let batch = |open: &Value| {
        let command = json!({
            "kind": "open_account", "account_id": open["id"], "currency": open["currency"],
            "credit_limit": open["credit_limit"],
        });
        json!({"atomic": false, "commands": [command]})
    };
    for (held, limit, expected) in [
        (Held::Only(Scope::Write), 0, None),
        (Held::Only(Scope::Write), 1, Some("operate")),
        (Held::Only(Scope::Operate), 0, Some("write")),
        (Held::Only(Scope::Operate), 1, None),
    ] {
        let opened = bank.send("POST", "/v1/accounts", held, &open(limit)).await;
        let in_batch = bank
            .send("POST", "/v1/batches", held, &batch(&open(limit)))
            .await;
        for answer in [opened, in_batch] {
            match expected {
                None => assert!(answer.status < 300, "{held:?}: {answer:?}"),
                Some(scope) => {
                    assert_eq!(answer.problem(), (403, "scope_missing"));
                    assert_eq!(answer.body["scope"], scope);
                }
            }
        }
    }
}

/// One whose accounts are limited moves money between them, and no other.
#[tokio::test]
async fn accounts_bound_what_is_moved_and_seen() {
    let bank = Bank::start(Keyring::new().keys).await;
    for id in ["mine:a", "mine:b"] {
        let body = json!({"id": id, "currency": "BRL", "credit_limit": 100});
        let opened = bank.send("POST", "/v1/accounts", Held::Narrow, &body).await;
        assert_eq!(opened.status, 201, "{opened:?}");
    }
    let moved = |debit: &str, credit: &str| {
        json!({
            "id": new_id(), "debit_account_id": debit, "credit_account_id": credit, "amount": 1,
            "description": "x",
        })
    };
    for (debit, credit, is_allowed) in [
        ("mine:a", "mine:b", true),
        ("mine:a", "1", false),
        ("1", "mine:a", false),
        ("world:BRL", "mine:a", false),
    ] {
        let body = moved(debit, credit);
        let answer = bank
            .send("POST", "/v1/transfers", Held::Narrow, &body)
            .await;
        match is_allowed {
            true => assert_eq!(answer.status, 201, "{answer:?}"),
            false => {
                assert_eq!(answer.problem(), (403, "account_not_allowed"));
                let named = answer.body["account_id"].as_str().unwrap();
                assert!(!named.starts_with("mine:"), "{answer:?}");
            }
        }
        // Nothing was done under the id: one who may can still use it.
        let again = bank.send("POST", "/v1/transfers", Held::All, &body).await;
        assert_eq!(again.replayed, is_allowed, "{again:?}");
    }
    // A deposit is seen by the one who has its credit side, and by no other: the world's is everybody's.
    for (credit, status) in [("mine:a", 200), ("1", 403)] {
        let mut deposit = moved("world:BRL", credit);
        deposit["kind"] = json!("transfer");
        let batch = json!({"atomic": true, "id": new_id(), "commands": [deposit.clone()]});
        let made = bank.send("POST", "/v1/batches", Held::All, &batch).await;
        assert_eq!(made.status, 200, "{made:?}");
        for (what, id) in [("transfers", &deposit["id"]), ("batches", &batch["id"])] {
            let path = format!("/v1/{what}/{}", id.as_str().unwrap());
            for held in [Held::Narrow, Held::Depositor] {
                let seen = bank.send("GET", &path, held, &Value::Null).await;
                assert_eq!(seen.status, status, "{held:?}: {seen:?}");
            }
        }
    }
}

/// A pending transfer is ended by one who may use both of its accounts; what is not there is not ended,
/// also if another caller makes it a moment later.
#[tokio::test]
async fn pending_transfers_are_ended_by_their_own() {
    let bank = Bank::start(Keyring::new().keys).await;
    let body = json!({"id": "mine:a", "currency": "BRL", "credit_limit": 100});
    bank.send("POST", "/v1/accounts", Held::Narrow, &body).await;
    let body = json!({"id": "mine:b", "currency": "BRL", "credit_limit": 0});
    bank.send("POST", "/v1/accounts", Held::Narrow, &body).await;
    let pend = |id: &str, debit: &str, credit: &str| {
        json!({
            "kind": "transfer", "id": id, "debit_account_id": debit, "credit_account_id": credit,
            "amount": 1, "description": "x", "timeout_s": 0,
        })
    };
    let post = |pending_id: &str| json!({"kind": "post", "id": new_id(), "pending_id": pending_id});
    let batch = |atomic: bool, commands: Vec<Value>| match atomic {
        true => json!({"atomic": true, "id": new_id(), "commands": commands}),
        false => json!({"atomic": false, "commands": commands}),
    };
    let send = async |body: Value| bank.send("POST", "/v1/batches", Held::Narrow, &body).await;

    let own = new_id();
    let both = vec![pend(&own, "mine:a", "mine:b"), post(&own)];
    assert_eq!(send(batch(true, both)).await.status, 200);
    let unknown = new_id();
    let apart = send(batch(false, vec![post(&unknown)])).await;
    assert_eq!(apart.problem(), (404, "pending_not_found"));
    // It may be somebody else's by the time that the batch is applied.
    let both = vec![pend(&unknown, "mine:a", "mine:b"), post(&unknown)];
    let apart = send(batch(false, both)).await;
    assert_eq!(apart.problem(), (404, "pending_not_found"));
    let others = bank.transfer(Some(0)).await;
    let mixed = vec![pend(&others, "mine:a", "mine:b"), post(&others)];
    let answer = send(batch(true, mixed)).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    // Decided first, a post would be decided upon the others' transfer, and its refusal would show it.
    let reversed = vec![post(&others), pend(&others, "mine:a", "mine:b")];
    let answer = send(batch(true, reversed)).await;
    assert_eq!(answer.problem(), (403, "account_not_allowed"));
    let path = format!("/v1/transfers/{others}");
    let seen = bank.send("GET", &path, Held::All, &Value::Null).await;
    assert_eq!(seen.body["pending_state"], "pending");
    // Whose it is is not shown to one who may not see it.
    let hidden = bank.send("GET", &path, Held::Narrow, &Value::Null).await;
    assert_eq!(hidden.problem(), (403, "account_not_allowed"));
    assert_eq!(hidden.body.get("account_id"), None, "{hidden:?}");
}

/// An `Idempotency-Key` is each tenant's own; a UUID is the id itself in all of them.
#[tokio::test]
async fn tenants_have_idempotency_keys_of_their_own() {
    let of_bank = server::KeyRecord {
        name: "of-bank".to_owned(),
        tenant: "bank".to_owned(),
        hash: Held::Unknown
            .secret()
            .unwrap()
            .parse::<server::KeySecret>()
            .unwrap()
            .hash(),
        ..Keyring::record_of_all()
    };
    let keys = vec![Keyring::record_of_all(), of_bank];
    let bank = Bank::start(Keys::new(keys, KeysOptions::default()).unwrap()).await;
    let keyed = async |held: Held, key: &str| {
        let request = bank
            .request("POST", "/v1/transfers", held)
            .json(&transfer());
        answer(request.header("Idempotency-Key", key)).await
    };
    for (key, is_shared) in [("order 4711", false), (&*new_id(), true)] {
        let first = keyed(Held::All, key).await;
        assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
        assert!(keyed(Held::All, key).await.replayed);
        // The holder of the other key.
        let other = keyed(Held::Unknown, key).await;
        assert_eq!(other.replayed, is_shared, "{other:?}");
    }
}

#[tokio::test]
async fn the_challenges_are_open_where_that_was_asked_for() {
    let keyring = Keyring::with(KeysOptions {
        is_challenge_open: true,
        ..KeysOptions::default()
    });
    let bank = Bank::start(keyring.keys).await;
    let credit = json!({"valor": 1, "tipo": "c", "descricao": "x"});
    let outside = json!({"correlationId": new_id(), "amount": 1});
    let of_account = json!({"correlationId": new_id(), "amount": 1, "accountId": "1"});
    for (method, path, held, body, expected) in [
        (
            "GET",
            "/clientes/1/extrato",
            Held::Nothing,
            &Value::Null,
            200,
        ),
        ("GET", "/payments-summary", Held::Nothing, &Value::Null, 200),
        ("GET", "/v1/accounts/1", Held::Nothing, &Value::Null, 401),
        ("GET", "/openapi.json", Held::Nothing, &Value::Null, 401),
        (
            "POST",
            "/clientes/1/transacoes",
            Held::Nothing,
            &credit,
            200,
        ),
        ("POST", "/payments", Held::Nothing, &outside, 202),
        ("POST", "/payments", Held::Nothing, &of_account, 401),
        ("POST", "/payments", Held::Unknown, &outside, 401),
        ("POST", "/payments", Held::All, &of_account, 202),
    ] {
        let answer = bank.send(method, path, held, body).await;
        assert_eq!(answer.status, expected, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn failures_are_held_back_and_a_valid_key_is_not() {
    let keyring = Keyring::with(KeysOptions {
        failures_per_s_max: 0,
        ..KeysOptions::default()
    });
    let bank = Bank::start(keyring.keys).await;
    for held in [Held::Nothing, Held::Unknown, Held::Expired] {
        let answer = bank.send("GET", "/v1/accounts/1", held, &Value::Null).await;
        assert_eq!(answer.problem(), (429, "rate_limited"));
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
        let answer = bank
            .send("GET", "/v1/accounts/1", Held::All, &Value::Null)
            .await;
        assert_eq!(answer.status, 200);
    }
}

/// A key has its own bounds: one that has used them up is in no other's way.
#[tokio::test]
async fn keys_have_rates_of_their_own() {
    let record = Keyring::record_of_all();
    let other = Held::Unknown
        .secret()
        .unwrap()
        .parse::<server::KeySecret>()
        .unwrap();
    let records = vec![
        server::KeyRecord {
            commands_per_s: Some(1),
            ..record.clone()
        },
        server::KeyRecord {
            name: "other".to_owned(),
            hash: other.hash(),
            requests_per_s: Some(1),
            ..record
        },
    ];
    let keys = Keys::new(records.clone(), KeysOptions::default()).unwrap();
    let bank = Bank::start(keys.clone()).await;
    // A thousand seconds' worth at once: it is taken, and nothing more for as long.
    let command = || {
        let mut command = transfer();
        command["kind"] = json!("transfer");
        command["id"] = json!(new_id());
        command
    };
    let batch =
        json!({"atomic": false, "commands": (0..1_000).map(|_| command()).collect::<Vec<_>>()});
    let send = async |path: &str, body: &Value| bank.send("POST", path, Held::All, body).await;
    assert_eq!(send("/v1/batches", &batch).await.status, 200);
    let mut one = transfer();
    one["id"] = json!(new_id());
    // Also after the keys were read again.
    for _ in 0..2 {
        let answer = send("/v1/transfers", &one).await;
        assert_eq!(answer.problem(), (429, "rate_limited"));
        let wait: u32 = answer.retry_after.unwrap().parse().unwrap();
        assert!((500..=1_000).contains(&wait), "{wait}");
        keys.replace(records.clone()).unwrap();
    }
    assert_eq!(
        bank.send("GET", "/v1/accounts/1", Held::All, &Value::Null)
            .await
            .status,
        200
    );
    // Of many requests at once, one a second is answered.
    let many = (0..50).map(|_| bank.send("GET", "/v1/accounts/1", Held::Unknown, &Value::Null));
    let answers = futures_util::future::join_all(many).await;
    let of = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert!(of(200) >= 1 && of(429) >= 1, "{} and {}", of(200), of(429));
    assert_eq!(of(200) + of(429), 50);
}

/// Parts of headers that look like a valid one.
fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    let secret = Held::All.secret().unwrap();
    let capitals = secret.to_uppercase();
    let parts: Vec<Vec<u8>> = [
        "Bearer",
        "bearer",
        "Basic",
        " ",
        "  ",
        "\t",
        ",",
        "=",
        "\"",
        "lastro_",
        "lastro",
        &secret,
        &secret[..40],
        &secret[7..],
        &capitals,
        "0",
        "f",
    ]
    .iter()
    .map(|part| part.as_bytes().to_vec())
    .chain([vec![0xff], vec![0x80, 0x81]])
    .collect();
    let any = vec(
        prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8],
        0..80,
    );
    prop_oneof![vec(prop_oneof![select(parts), any], 0..6).prop_map(|parts| parts.concat())]
}

/// Whatever stands in the header, nobody comes in by it but with a valid key, and nothing breaks.
#[test]
fn no_header_opens_the_door_by_chance() {
    for seed in Seeds::from_env(1) {
        let config = Config {
            cases: 400,
            failure_persistence: None,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        check_headers(TestRunner::new_with_rng(config, rng))
            .unwrap_or_else(|failure| panic!("LASTRO_SEED={seed}: {failure}"));
    }
}

fn check_headers(mut runner: TestRunner) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bank = runtime.block_on(Bank::start(Keyring::new().keys));
    let ran = runner.run(&vec(header_bytes(), 1..3), |values| {
        let mut request = bank.face.request(Method::GET, "/v1/accounts/1");
        for value in &values {
            let Ok(value) = HeaderValue::from_bytes(value) else {
                return Ok(());
            };
            request = request.header(AUTHORIZATION, value);
        }
        let response = runtime.block_on(request.send()).unwrap();
        let is_valid = matches!(&*values, [value] if is_valid(value));
        let expected = if is_valid { 200 } else { 401 };
        prop_assert_eq!(response.status().as_u16(), expected, "{:?}", values);
        Ok(())
    });
    ran.map_err(|failure| failure.to_string())
}

/// Whether it is the scheme, white space, and the secret of the key that may do everything.
fn is_valid(value: &[u8]) -> bool {
    let secret = Held::All.secret().unwrap();
    let Some((scheme, rest)) = value.trim_ascii().split_at_checked(6) else {
        return false;
    };
    let is_apart = rest.first().is_some_and(u8::is_ascii_whitespace);
    scheme.eq_ignore_ascii_case(b"bearer") && is_apart && rest.trim_ascii() == secret.as_bytes()
}
