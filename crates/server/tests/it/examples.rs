//! The examples of the OpenAPI document: each request is accepted, each answer is a real one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{
    Batch, Clock, Command, Dispatching, Engine, LastAnswer, Millis, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, Timestamp, Unavailable, Unsettled, UnsettledPlace,
    UnsettledQuery, UnsettledState,
};
use outbox::{Operations, Outbox, OutboxOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Double, Face, Manner, Setup, five_accounts_at};
use crate::v1_webhooks::Endpoints;

/// 2026-01-31T23:59:59.5Z.
const NOW: u64 = 1_769_903_999_500_000_000;
const PAYMENT: u128 = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057;

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(NOW)
    }
}

/// Dispatches the one payment whose outcome is unknown.
struct Dispatcher;

impl Dispatching for Dispatcher {
    fn unsettled(&self, query: UnsettledQuery, _: Instant) -> ledger::Answer<'_, Vec<Unsettled>> {
        let place = UnsettledPlace {
            accepted_at: Timestamp::from_nanos(NOW),
            id: PaymentId::from_u128(PAYMENT),
            ordinal: 0,
        };
        let unsettled = Unsettled {
            place,
            state: UnsettledState::Unknown,
            processor: Some(ProcessorName::new("default").unwrap()),
            attempt: 1,
            unknown_since: Some(Timestamp::from_nanos(NOW)),
            next_question_at: Some(Timestamp::from_nanos(NOW + 1_000_000_000)),
            last_answer: Some(LastAnswer {
                at: Timestamp::from_nanos(NOW),
                was_question: false,
                status: Some(502),
                failure: String::new(),
                body: "Bad Gateway".to_owned(),
            }),
        };
        let is_asked = query.id.is_none_or(|id| id == place.id);
        let found = is_asked.then_some(unsettled).into_iter().collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

fn document() -> Value {
    serde_json::from_str(&server::openapi_json()).unwrap()
}

/// Each operation by its id, with its method and its path.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

/// What has to have happened before a step, beyond the steps before it.
async fn prepare(face: &Face, engine: &ReferenceEngine, operation: &str, name: &str) {
    let open = |id: &str| json!({"id": id, "currency": "BRL", "credit_limit": 0});
    let body = match (operation, name) {
        ("transfer", "top_up") => {
            for id in ["shops:7", "fees"] {
                assert_eq!(face.post("/v1/accounts", open(id)).await.status, 201);
            }
            return;
        }
        ("void_pending", _) => json!({
            "id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a70", "debit_account_id": "users:42",
            "credit_account_id": "shops:7", "amount": 600, "description": "deposit", "timeout_s": 3600,
        }),
        ("payments", "unknown") => {
            let send = Command::SendPayment {
                id: PaymentId::from_u128(PAYMENT),
                expected: PaymentExpected {
                    state: PaymentStateName::Accepted,
                    attempt: 0,
                },
                processor: ProcessorName::new("default").unwrap(),
                requested_at: Millis(1_752_582_896_007),
            };
            let sent = engine
                .submit(vec![Batch::one(send)], Instant::now())
                .await
                .unwrap();
            assert!(sent[0][0].result.is_ok(), "{sent:?}");
            return;
        }
        _ => return,
    };
    assert_eq!(face.post("/v1/transfers", body).await.status, 201);
}

/// Takes the walk; returns each step with what it was answered.
async fn walk(steps: &[Value]) -> Vec<Value> {
    let engine = five_accounts_at(Arc::new(Standing)).await;
    let ledger = Arc::clone(&engine) as Arc<dyn Engine>;
    let away = Double::new(
        Arc::clone(&engine),
        Manner::Unavailable(Unavailable::LedgerUnavailable),
    );
    let folder = tempfile::tempdir().unwrap();
    let options = OutboxOptions {
        pause_max: Duration::from_millis(20),
        ..OutboxOptions::within(2 << 20).unwrap()
    };
    let opened = Outbox::open_in(folder.path(), &options, away, Arc::new(Standing));
    let outbox = Arc::new(opened.unwrap().0);
    let setup = Setup {
        operations: Some(outbox as Arc<dyn Operations>),
        dispatching: Some(Arc::new(Dispatcher)),
        webhooks: Some(Arc::new(Endpoints::at(NOW))),
        clock: Arc::new(Standing),
        ..Setup::over(ledger)
    };
    let face = setup.start().await;
    let document = document();
    let operations = operations(&document);
    let mut taken = Vec::new();
    for step in steps {
        let id = step["operation"].as_str().unwrap();
        prepare(&face, &engine, id, step["name"].as_str().unwrap()).await;
        let of_id = operations
            .iter()
            .find(|(_, _, operation)| operation["operationId"] == id);
        let (method, _, _) = of_id.unwrap_or_else(|| panic!("{id} is an operation"));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = face
            .request(method, step["path"].as_str().unwrap())
            .header("Accept", "application/json")
            .header("X-Request-Id", "0b6e2f0d8e9c4a63a5d5a5a4d1c3f7b2");
        if !step["request"].is_null() {
            request = request.json(&step["request"]);
        }
        let response = request.send().await.unwrap();
        let mut step = step.clone();
        step["status"] = response.status().as_u16().into();
        let body = response.bytes().await.unwrap();
        step["answer"] = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body).unwrap(),
        };
        if id == "index" {
            // The version changes with every release.
            assert_eq!(step["answer"]["version"], env!("CARGO_PKG_VERSION"));
            step["answer"]["version"] = "1.0.0".into();
        }
        taken.push(step);
    }
    taken
}

#[tokio::test]
async fn each_example_is_what_is_accepted_and_answered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openapi/examples.json");
    let committed = std::fs::read_to_string(&path).unwrap();
    let steps: Vec<Value> = serde_json::from_str(&committed).unwrap();
    let taken = walk(&steps).await;
    for step in &taken {
        let is_refused = step["name"] == "too_much";
        let status = step["status"].as_u64().unwrap();
        assert!((200..300).contains(&status) || is_refused, "{step:#}");
    }
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{:#}\n", Value::from(taken))).unwrap();
        return;
    }
    for (step, taken) in steps.iter().zip(&taken) {
        assert_eq!(
            taken, step,
            "where the new answer is meant: `LASTRO_UPDATE_GOLDEN=1 cargo test -p server examples`"
        );
    }
}

#[test]
fn the_document_is_consistent() {
    let document = document();
    let operations = operations(&document);
    let mut ids = BTreeSet::new();
    let tags: BTreeMap<_, _> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["name"].as_str().unwrap(), &tag["description"]))
        .collect();
    assert!(tags.values().all(|description| description.is_string()));
    let mut used = BTreeSet::new();
    for (method, path, operation) in &operations {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().expect(&place);
        assert!(ids.insert(id), "{place}: {id} is there twice");
        assert!(operation["summary"].is_string(), "{place}");
        assert!(operation["security"].is_array(), "{place}");
        let [tag] = &operation["tags"].as_array().expect(&place)[..] else {
            panic!("{place} has one tag");
        };
        assert!(tags.contains_key(tag.as_str().unwrap()), "{place}: {tag}");
        used.insert(tag.as_str().unwrap());
        assert!(operation["responses"]["default"].is_object(), "{place}");
        for (_, content) in operation["requestBody"]["content"]
            .as_object()
            .into_iter()
            .flatten()
        {
            assert!(content["examples"].is_object(), "{place} has no example");
        }
        let answers = operation["responses"].as_object().unwrap();
        let mut of_success = answers
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .filter_map(|(_, answer)| answer["content"].get("application/json"))
            .peekable();
        let has_example = of_success.peek().is_none()
            || of_success.any(|content| content["examples"].is_object());
        assert!(has_example, "{place} has no example of its answer");
    }
    assert_eq!(used.len(), tags.len(), "every tag is used");
    assert!(document["servers"][0]["url"].is_string());
    let schemes = document["components"]["securitySchemes"].as_object();
    assert_eq!(schemes.map(serde_json::Map::len), Some(1));
}

/// Each reference of the document leads to something that is there, and each schema is used.
#[test]
fn references_lead_to_schemas() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<_> = schemas
        .keys()
        .map(|name| format!("#/components/schemas/{name}"))
        .collect();
    assert_eq!(references, there);
}

/// Each example is what the schema beside it says.
#[test]
fn examples_are_as_their_schemas_say() {
    let document = document();
    let mut contents = Vec::new();
    contents_with_examples(&document["paths"], &mut contents);
    assert!(contents.len() > 30, "{}", contents.len());
    for content in contents {
        let schema = json!({"allOf": [content["schema"]], "components": document["components"]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, example) in content["examples"].as_object().unwrap() {
            let errors = validator.iter_errors(&example["value"]);
            let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
            assert!(
                errors.is_empty(),
                "{name} is no {}: {errors:#?}",
                content["schema"]
            );
        }
    }
}

fn contents_with_examples<'d>(value: &'d Value, contents: &mut Vec<&'d Value>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("schema") && members.contains_key("examples") {
                contents.push(value);
            }
            let members = members.values();
            members.for_each(|member| contents_with_examples(member, contents));
        }
        Value::Array(items) => {
            let items = items.iter();
            items.for_each(|item| contents_with_examples(item, contents));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            members
                .values()
                .for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
