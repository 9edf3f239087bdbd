//! Whatever the body, the answer is one that the route documents: never a 5xx, always JSON.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::Method;
use serde_json::{Map, Value, json};
use testkit::Seeds;

use crate::support::{Answer, answer, five};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every member's name that some body has, and some that none has.
const NAMES: [&str; 23] = [
    "id",
    "kind",
    "atomic",
    "commands",
    "account_id",
    "debit_account_id",
    "credit_account_id",
    "pending_id",
    "amount",
    "credit_limit",
    "timeout_s",
    "description",
    "reference",
    "metadata",
    "dry_run",
    "currency",
    "closed",
    "frozen",
    "expected_frozen",
    "final",
    "valor",
    "",
    "__proto__",
];

/// Values that some member takes, and some that none does.
fn leaf() -> impl Strategy<Value = Value> {
    let texts = [
        ID,
        "1",
        "2",
        "world:BRL",
        "nobody",
        ".",
        "BRL",
        "USD",
        "transfer",
        "post",
        "void",
        "open_account",
        "change_limit",
        "change_freeze",
        "close_account",
        "debits",
        "none",
        "x",
        "",
        "\u{0}",
        "\u{1f600}",
        "processor:a:BRL",
    ];
    prop_oneof![
        4 => select(texts.to_vec()).prop_map(Value::from),
        2 => prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..2_000_u64, any::<u64>()]
            .prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => ".{0,20}".prop_map(Value::from),
    ]
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let members = btree_map(select(NAMES.to_vec()), value, 0..8);
    members.prop_map(|members: BTreeMap<&str, Value>| {
        let members: Map<String, Value> = members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Value::from(members)
    })
}

/// Bodies that are right but for a few members.
fn bent_bodies() -> impl Strategy<Value = Value> {
    let members = vec((select(NAMES.to_vec()), leaf()), 0..3);
    let bent = (select(good_bodies()), any::<Option<u64>>(), members);
    (bent, any::<bool>()).prop_map(|((mut body, new_id, members), inside)| {
        let has_commands = body.get("commands").is_some();
        if let Some(number) = new_id {
            let id = json!(format!("00000000-0000-4000-8001-{:012x}", number >> 16));
            if has_commands {
                body["commands"][0]["id"] = id;
            } else if body["id"] == ID {
                body["id"] = id;
            }
        }
        let target = if inside && has_commands {
            &mut body["commands"][0]
        } else {
            &mut body
        };
        for (name, value) in members {
            target[name] = value;
        }
        body
    })
}

/// Such bodies, and bodies that are anything.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let nested = prop_oneof![leaf(), vec(object(leaf()), 0..4).prop_map(Value::from)];
    let any_object = object(nested);
    let text = prop_oneof![6 => bent_bodies(), 3 => any_object, 1 => leaf()]
        .prop_map(|value| value.to_string().into_bytes());
    // And some of it broken: a byte changed, or the end cut.
    (text, any::<Option<(Index, u8)>>(), any::<Index>()).prop_map(|(mut text, broken, cut)| {
        if let Some((at, byte)) = broken {
            let at = at.index(text.len());
            if byte < 128 {
                text[at] = byte;
            } else {
                text.truncate(cut.index(text.len()));
            }
        }
        text
    })
}

fn good_bodies() -> Vec<Value> {
    let transfer = json!({
        "id": ID, "debit_account_id": "1", "credit_account_id": "2", "amount": 1,
        "description": "x",
    });
    let mut command = transfer.clone();
    command["kind"] = json!("transfer");
    vec![
        transfer,
        json!({"id": ID}),
        json!({"id": ID, "amount": 1, "description": "x", "reference": "r", "metadata": {"a": "b"}}),
        json!({"id": "a", "currency": "BRL", "credit_limit": 1}),
        json!({"credit_limit": 1_000_000}),
        json!({"closed": true}),
        json!({"frozen": "debits", "expected_frozen": "none"}),
        json!({"id": ID, "amount": 1, "final": false}),
        json!({"atomic": true, "id": ID, "commands": [command]}),
        json!({"atomic": false, "commands": [command, {"kind": "post", "pending_id": ID}]}),
        json!({"valor": 1, "tipo": "c", "descricao": "x"}),
    ]
}

const ROUTES: [(Method, &str); 8] = [
    (Method::POST, "/v1/accounts"),
    (Method::PATCH, "/v1/accounts/3"),
    (Method::POST, "/v1/transfers"),
    (
        Method::POST,
        "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/post",
    ),
    (
        Method::POST,
        "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/void",
    ),
    (
        Method::POST,
        "/v1/transfers/01890a5d-ac96-774b-bcce-b302099a8057/reverse",
    ),
    (Method::POST, "/v1/batches"),
    (Method::POST, "/clientes/1/transacoes"),
];

#[track_caller]
fn check(route: &str, answer: &Answer) {
    let documented = [200, 201, 400, 404, 409, 413, 422];
    assert!(documented.contains(&answer.status), "{route}: {answer:?}");
    if answer.status < 400 {
        assert_eq!(answer.content_type, "application/json", "{route}");
        assert!(answer.body.is_object(), "{route}: {answer:?}");
    } else {
        let (_, code) = answer.problem();
        assert!(!code.is_empty());
    }
}

#[test]
fn no_body_is_answered_with_a_server_error() {
    let is_long = std::env::var("LASTRO_LONG").is_ok_and(|value| value == "1");
    for seed in Seeds::from_env(1) {
        let config = Config {
            cases: if is_long { 50_000 } else { 6_000 },
            failure_persistence: None,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        check_bodies(TestRunner::new_with_rng(config, rng))
            .unwrap_or_else(|failure| panic!("LASTRO_SEED={seed}: {failure}"));
    }
}

fn check_bodies(mut runner: TestRunner) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (face, engine) = runtime.block_on(five());
    let cases = (select(ROUTES.to_vec()), body());
    let run = runner.run(&cases, |((method, path), body)| {
        let request = face.request(method, path).body(body);
        let request = request.header("content-type", "application/json");
        check(path, &runtime.block_on(answer(request)));
        Ok(())
    });
    run.map_err(|failure| failure.to_string())?;
    // Some of them did something, and money was conserved.
    engine.read(|books| {
        let events_count = books.events().len();
        assert!(events_count > 20, "only {events_count} events");
        let balances = books.accounts().map(|(_, account)| account.balance());
        assert_eq!(balances.sum::<i64>(), 0);
    });
    Ok(())
}
