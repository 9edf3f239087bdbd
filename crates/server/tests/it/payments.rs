//! Payments: the 2025 challenge's routes, and what operators do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::payments::WithoutPayments;
use ledger::reference::ReferenceEngine;
use ledger::{
    Batch, Command, Dispatching, Engine, LastAnswer, Millis, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, Timestamp, Unavailable, Unsettled, UnsettledPlace,
    UnsettledQuery, UnsettledState,
};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::{
    Answer, Double, Face, Manner, Setup, answer, everything, five, five_accounts,
};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const NUMBER: u128 = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057;

/// A payment whose body is this text.
async fn pay(face: &Face, body: String) -> Answer {
    let request = face.request(Method::POST, "/payments");
    answer(request.header(CONTENT_TYPE, "application/json").body(body)).await
}

fn body(amount: &str) -> String {
    format!(r#"{{"correlationId":"{ID}","amount":{amount}}}"#)
}

async fn apply(engine: &ReferenceEngine, command: Command) {
    let outcomes = engine
        .submit(vec![Batch::one(command)], Instant::now())
        .await;
    assert!(outcomes.unwrap()[0][0].result.is_ok());
}

async fn send(engine: &ReferenceEngine, id: u128) {
    send_after(engine, id, 0).await;
}

async fn send_after(engine: &ReferenceEngine, id: u128, attempt: u32) {
    let send = Command::SendPayment {
        id: PaymentId::from_u128(id),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt,
        },
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(1_752_582_896_007),
    };
    apply(engine, send).await;
}

#[tokio::test]
async fn a_payment_is_accepted_once() {
    let (face, engine) = five().await;
    let first = pay(&face, body("19.90")).await;
    assert_eq!((first.status, first.replayed), (202, false), "{first:?}");
    assert_eq!(first.location, Some(format!("/v1/payments/{ID}")));
    let before = everything(&engine);
    for again in ["19.90", "19.9", "1.99e1"] {
        let again = pay(&face, body(again)).await;
        assert_eq!((again.status, again.replayed), (202, true), "{again:?}");
    }
    let other = pay(&face, body("19.91")).await;
    assert_eq!(other.problem(), (409, "exists_with_different_amount"));
    assert_eq!(everything(&engine), before);
    let view = face.get(&format!("/v1/payments/{ID}")).await.body;
    let expected = json!({
        "id": ID, "state": "accepted", "attempt": 0, "currency": "BRL", "amount": 1990,
        "accepted_at": view["accepted_at"], "timestamp": view["timestamp"],
    });
    assert_eq!(view, expected);
}

#[tokio::test]
async fn bad_payments_change_nothing() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    for (amount, expected) in [
        ("19.905", (422, "amount_out_of_range")),
        ("-1", (422, "amount_out_of_range")),
        ("0", (422, "amount_out_of_range")),
        ("0.00", (422, "amount_out_of_range")),
        ("90071992547409.92", (422, "amount_out_of_range")),
        ("1e300", (422, "amount_out_of_range")),
        ("\"19.90\"", (400, "json_invalid")),
        ("null", (400, "json_invalid")),
        ("[]", (400, "json_invalid")),
        ("19,90", (400, "json_invalid")),
    ] {
        assert_eq!(
            pay(&face, body(amount)).await.problem(),
            expected,
            "{amount}"
        );
    }
    for (body, expected) in [
        (r#"{"amount":1}"#.to_owned(), (400, "json_invalid")),
        (
            format!(r#"{{"correlationId":"{ID}"}}"#),
            (400, "json_invalid"),
        ),
        (
            r#"{"correlationId":"1","amount":1}"#.to_owned(),
            (400, "id_invalid"),
        ),
        (
            format!(r#"{{"correlationId":"{ID}","amount":1,"accountId":"a b"}}"#),
            (400, "account_id_invalid"),
        ),
        (
            format!(r#"{{"correlationId":"{ID}","amount":1,"colour":1}}"#),
            (400, "json_invalid"),
        ),
    ] {
        assert_eq!(pay(&face, body.clone()).await.problem(), expected, "{body}");
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn an_account_pays_with_what_it_has() {
    let (face, _) = five().await;
    let pays = |id: u32, amount: &str| {
        format!(
            r#"{{"correlationId":"00000000-0000-0000-0000-00000000000{id}","amount":{amount},"accountId":"2"}}"#
        )
    };
    assert_eq!(pay(&face, pays(1, "500.00")).await.status, 202);
    let refused = pay(&face, pays(2, "300.01")).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds"));
    assert_eq!(refused.body["available"], 30_000);
    let again = pay(&face, pays(2, "300.01")).await;
    assert!(again.replayed);
    let path = "/v1/payments/00000000-0000-0000-0000-000000000002";
    let looked_for = face.get(path).await;
    assert_eq!(looked_for.problem(), (404, "payment_not_found"));
    assert_eq!(looked_for.body["refused"], "insufficient_funds");
    let mut answered = refused.body.clone();
    answered.as_object_mut().unwrap().remove("request_id");
    assert_eq!(looked_for.body["refusal"], answered);
    assert_eq!(
        face.get("/v1/accounts/2").await.body["debits_pending"],
        50_000
    );
}

#[tokio::test]
async fn without_processors_nothing_is_accepted() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let without = WithoutPayments::new(Arc::clone(&engine) as Arc<dyn Engine>);
    let face = Setup::over(Arc::new(without)).start().await;
    assert_eq!(pay(&face, body("1")).await.problem(), (503, "no_processor"));
    assert_eq!(everything(&engine), before);
    assert_eq!(face.transact(1, "c", 1, "toma").await.status, 200);
    assert_eq!(face.get("/payments-summary").await.status, 200);
}

fn payment(amount: u64) -> Value {
    json!({
        "id": ID, "account_id": "2", "currency": "BRL", "amount": amount, "description": "invoice 88",
        "reference": "order 7", "metadata": {"shop": "7"},
    })
}

fn dry(mut body: Value) -> Value {
    body["dry_run"] = json!(true);
    body
}

#[tokio::test]
async fn a_payment_in_minor_units_is_accepted_once_and_shown() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    let told = face.post("/v1/payments", dry(payment(1990))).await;
    assert_eq!(
        (told.status, told.dry_run, told.location.clone()),
        (200, true, None),
        "{told:?}"
    );
    assert_eq!(everything(&engine), before);

    let first = face.post("/v1/payments", payment(1990)).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    let path = format!("/v1/payments/{ID}");
    assert_eq!(first.location, Some(path.clone()));
    let at = &first.body["accepted_at"];
    let expected = json!({
        "id": ID, "state": "accepted", "attempt": 0, "account_id": "2", "currency": "BRL", "amount": 1990,
        "reference": "order 7", "metadata": {"shop": "7"}, "accepted_at": at, "timestamp": at,
    });
    assert_eq!(first.body, expected);
    assert_eq!(face.get(&path).await.body, expected);
    let account = face.get("/v1/accounts/2").await.body;
    assert_eq!(account["debits_pending"], 1990);

    // What happens to it later does not change the first answer.
    send(&engine, NUMBER).await;
    let before = everything(&engine);
    for (again, is_dry) in [(payment(1990), false), (dry(payment(1990)), true)] {
        let again = face.post("/v1/payments", again).await;
        assert_eq!(
            (again.status, again.replayed, again.dry_run),
            (200, true, is_dry)
        );
        assert_eq!(again.body, first.body);
    }
    let mut other = payment(1990);
    other["reference"] = json!("order 8");
    for (other, code) in [
        (payment(1991), "exists_with_different_amount"),
        (other, "exists_with_different_reference"),
    ] {
        let other = face.post("/v1/payments", other).await;
        assert_eq!(other.problem(), (409, code));
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_key_stands_for_the_id_of_a_payment_in_a_space_of_its_own() {
    let (face, _) = five().await;
    let give = |path: &str, body: Value| {
        let request = face.request(Method::POST, path);
        answer(request.header("Idempotency-Key", "order 4711").json(&body))
    };
    let mut keyed = payment(5);
    keyed.as_object_mut().unwrap().remove("id");
    let first = give("/v1/payments", keyed.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    let again = give("/v1/payments", keyed.clone()).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, first.body);
    let transfer = json!({
        "debit_account_id": "1", "credit_account_id": "2", "amount": 1, "description": "x",
    });
    let transfer = give("/v1/transfers", transfer).await;
    assert_eq!(transfer.status, 201, "{transfer:?}");
    assert_ne!(transfer.body["id"], first.body["id"]);
    let without = face.post("/v1/payments", keyed).await;
    assert_eq!(without.problem(), (400, "id_missing"));
    let both = give("/v1/payments", payment(5)).await;
    assert_eq!(both.problem(), (400, "idempotency_key_conflict"));
}

#[tokio::test]
async fn payments_that_cannot_be_change_nothing() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    for (member, value, expected) in [
        ("id", json!("1"), (400, "id_invalid")),
        ("account_id", json!("a b"), (400, "account_id_invalid")),
        ("currency", json!("brl"), (400, "currency_invalid")),
        ("currency", Value::Null, (400, "json_invalid")),
        ("amount", json!("19.90"), (400, "json_invalid")),
        ("amount", json!(19.9), (400, "json_invalid")),
        ("amount", json!(-1), (422, "amount_out_of_range")),
        ("reference", json!(""), (400, "reference_invalid")),
        ("metadata", json!({"": "x"}), (400, "metadata_invalid")),
        ("processor", json!("default"), (400, "json_invalid")),
    ] {
        let mut body = payment(5);
        body[member] = value;
        let refused = face.post("/v1/payments", body.clone()).await;
        assert_eq!(refused.problem(), expected, "{body}");
    }
    assert_eq!(everything(&engine), before);
    // What is decided upon the ledger is told before, and then kept under the id.
    for (member, value, expected) in [
        ("account_id", json!("nobody"), (404, "account_not_found")),
        ("currency", json!("USD"), (422, "currency_mismatch")),
        ("amount", json!(80_001), (422, "insufficient_funds")),
    ] {
        let before = everything(&engine);
        let mut body = payment(5);
        body[member] = value;
        body["id"] = json!(crate::support::new_id());
        let told = face.post("/v1/payments", dry(body.clone())).await;
        assert_eq!(told.problem(), expected, "{body}");
        assert_eq!(everything(&engine), before);
        let refused = face.post("/v1/payments", body.clone()).await;
        assert_eq!(refused.problem(), expected, "{body}");
        let again = face.post("/v1/payments", body).await;
        assert_eq!((again.problem(), again.replayed), (expected, true));
    }
}

#[tokio::test]
async fn without_processors_no_payment_is_accepted_nor_previewed() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let without = WithoutPayments::new(Arc::clone(&engine) as Arc<dyn Engine>);
    let face = Setup::over(Arc::new(without)).start().await;
    for body in [payment(5), dry(payment(5))] {
        let refused = face.post("/v1/payments", body).await;
        assert_eq!(refused.problem(), (503, "no_processor"));
    }
    assert_eq!(everything(&engine), before);
    // One that was accepted while there were processors is answered again.
    let with = Setup::over(Arc::clone(&engine) as Arc<dyn Engine>)
        .start()
        .await;
    let first = with.post("/v1/payments", payment(5)).await;
    assert_eq!(first.status, 201);
    for body in [payment(5), dry(payment(5))] {
        let again = face.post("/v1/payments", body).await;
        assert_eq!((again.status, again.replayed), (200, true), "{again:?}");
        assert_eq!(again.body, first.body);
    }
    let other = face.post("/v1/payments", payment(6)).await;
    assert_eq!(other.problem(), (409, "exists_with_different_amount"));
}

fn resolve(resolution: &str, attempt: u32) -> Value {
    json!({"resolution": resolution, "attempt": attempt, "who": "ana", "why": "she looked"})
}

#[tokio::test]
async fn an_operator_ends_what_nobody_else_can() {
    let (face, engine) = five().await;
    let path = &format!("/v1/payments/{ID}/resolve");
    assert_eq!(
        face.post(path, resolve("refuse", 0)).await.problem(),
        (404, "payment_not_found")
    );
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    for (bad, expected) in [
        (resolve("settled", 0), (422, "payment_in_other_state")),
        (resolve("lost", 1), (400, "json_invalid")),
        (
            json!({"resolution": "refuse", "attempt": 1, "who": "ana"}),
            (400, "json_invalid"),
        ),
        (
            json!({"resolution": "refuse", "attempt": 1, "who": "", "why": "x"}),
            (422, "description_invalid"),
        ),
    ] {
        assert_eq!(
            face.post(path, bad.clone()).await.problem(),
            expected,
            "{bad}"
        );
    }
    let settled = face.post(path, resolve("settled", 1)).await;
    assert_eq!(settled.body["state"], "settled", "{settled:?}");
    assert_eq!(
        settled.body["requested_at"],
        "2025-07-15T12:34:56.007000000Z"
    );
    let summary = face.get("/payments-summary").await.body;
    assert_eq!(summary["default"]["totalRequests"], 1);
    assert_eq!(
        face.post(path, resolve("release", 1)).await.problem(),
        (422, "payment_in_other_state")
    );
}

#[tokio::test]
async fn a_resolution_with_a_text_refused_today_is_answered_again_where_it_was_carried_out() {
    let (face, engine) = five().await;
    let path = &format!("/v1/payments/{ID}/resolve");
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    let mut old = resolve("settled", 1);
    old["why"] = json!("pay \u{202e}001");
    let refused = face.post(path, old.clone()).await;
    assert_eq!(refused.problem(), (422, "description_invalid"));
    let settled = face.post(path, resolve("settled", 1)).await;
    assert_eq!(settled.body["state"], "settled", "{settled:?}");
    let again = face.post(path, old).await;
    assert_eq!((again.status, &again.body), (200, &settled.body));
}

#[tokio::test]
async fn what_is_released_waits_again() {
    let (face, engine) = five().await;
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    let path = &format!("/v1/payments/{ID}/resolve");
    assert_eq!(
        face.post(path, resolve("release", 1)).await.body["state"],
        "accepted"
    );
    let refused = face.post(path, resolve("refuse", 1)).await;
    assert_eq!(refused.body["code"], "operator_refused");
}

/// What is told of the operators' decisions, without when they were made.
async fn resolutions(face: &Face) -> Value {
    let mut told = face.get(&format!("/v1/payments/{ID}")).await.body["resolutions"].take();
    for resolution in told.as_array_mut().into_iter().flatten() {
        let timestamp = resolution.as_object_mut().unwrap().remove("timestamp");
        assert!(timestamp.is_some(), "{resolution}");
    }
    told
}

#[tokio::test]
async fn who_resolved_a_payment_and_why_is_kept() {
    let (face, engine) = five().await;
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    assert_eq!(resolutions(&face).await, Value::Null);
    let path = &format!("/v1/payments/{ID}/resolve");
    let released = json!({
        "resolution": "release", "attempt": 1, "who": "ana", "why": "'; DROP TABLE é 💸",
    });
    assert_eq!(face.post(path, released.clone()).await.status, 200);
    // Again, by another one: it is done already.
    let again = face.post(path, resolve("release", 1)).await;
    assert_eq!((again.status, &again.body["attempt"]), (200, &json!(1)));
    send_after(&engine, NUMBER, 1).await;
    let settled = json!({
        "resolution": "settled", "attempt": 2, "requested_at": "2025-07-15T12:34:57.001Z",
        "who": "bia", "why": "on their statement",
    });
    let bodies = [json!({"who": "x"}), resolve("settled", 1)];
    for bad in bodies {
        assert!(face.post(path, bad).await.status >= 400);
    }
    assert_eq!(face.post(path, settled).await.status, 200);
    let expected = json!([
        {
            "resolution": "settled", "attempt": 2, "processor": "default",
            "requested_at": "2025-07-15T12:34:57.001000000Z",
            "who": "bia", "why": "on their statement",
        },
        {
            "resolution": "release", "attempt": 1, "processor": "default",
            "who": "ana", "why": "'; DROP TABLE é 💸",
        },
    ]);
    assert_eq!(resolutions(&face).await, expected);
}

#[tokio::test]
async fn the_summary_is_exact_and_inclusive() {
    let (face, engine) = five().await;
    for (id, amount) in [(1_u128, "0.10"), (2, "0.20"), (3, "90071992547409.91")] {
        let id_text = format!("00000000-0000-0000-0000-00000000000{id}");
        let body = format!(r#"{{"correlationId":"{id_text}","amount":{amount}}}"#);
        assert_eq!(pay(&face, body).await.status, 202);
        send(&engine, id).await;
        let settle = Command::SettlePayment {
            id: PaymentId::from_u128(id),
            expected: PaymentExpected {
                state: PaymentStateName::Sent,
                attempt: 1,
            },
            requested_at: Millis(1_000 * u64::try_from(id).unwrap()),
        };
        apply(&engine, settle).await;
    }
    let text = |query: &str| {
        let request = face.request(Method::GET, &format!("/payments-summary{query}"));
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let nothing = r#"{"totalRequests":0,"totalAmount":0.00}"#;
    let all = r#"{"totalRequests":3,"totalAmount":90071992547410.21}"#;
    assert_eq!(
        text("").await,
        format!(r#"{{"default":{all},"fallback":{nothing}}}"#)
    );
    let two = r#"{"totalRequests":2,"totalAmount":0.30}"#;
    let query = "?from=1970-01-01T00:00:01.000Z&to=1970-01-01T00:00:02.000Z";
    assert_eq!(
        text(query).await,
        format!(r#"{{"default":{two},"fallback":{nothing}}}"#)
    );
    let query = "?from=1970-01-01T00:00:01.001Z&to=1970-01-01T00:00:01.999Z";
    assert_eq!(
        text(query).await,
        format!(r#"{{"default":{nothing},"fallback":{nothing}}}"#)
    );
    assert_eq!(
        face.get("/payments-summary?from=x").await.problem(),
        (400, "time_invalid")
    );
}

#[tokio::test]
async fn a_purge_has_to_be_enabled() {
    let engine = five_accounts().await;
    let face = Setup::over(Arc::clone(&engine) as Arc<dyn Engine>)
        .start()
        .await;
    pay(&face, body("1")).await;
    let purged = face.post("/purge-payments", json!({})).await;
    assert_eq!(
        (purged.status, &purged.body["payments_count"]),
        (200, &json!(1))
    );
    let setup = Setup {
        is_purge_enabled: false,
        ..Setup::over(engine as Arc<dyn Engine>)
    };
    let face = setup.start().await;
    let refused = face.post("/purge-payments", json!({})).await;
    assert_eq!(refused.problem(), (404, "route_not_found"));
}

/// A node that dispatches these, and does not answer for others.
struct Dispatcher(Vec<Unsettled>);

impl Dispatching for Dispatcher {
    fn unsettled(&self, query: UnsettledQuery, _: Instant) -> ledger::Answer<'_, Vec<Unsettled>> {
        if query.id.is_some_and(|id| id.to_u128() == 99) {
            return Box::pin(std::future::ready(Err(Unavailable::Timeout)));
        }
        let is_wanted = |unsettled: &&Unsettled| {
            Some(unsettled.place) > query.after
                && query.id.is_none_or(|id| unsettled.place.id == id)
                && (!query.conflicts_only || unsettled.state.is_conflict())
        };
        let wanted = self.0.iter().filter(is_wanted).take(query.limit).cloned();
        Box::pin(std::future::ready(Ok(wanted.collect())))
    }
}

fn unsettled(id: u128, state: UnsettledState) -> Unsettled {
    Unsettled {
        place: UnsettledPlace {
            accepted_at: Timestamp::from_nanos(1_750_000_000_000_000_000),
            id: PaymentId::from_u128(id),
            ordinal: 0,
        },
        state,
        processor: Some(ProcessorName::new("default").unwrap()),
        attempt: 1,
        unknown_since: Some(Timestamp::from_nanos(1_750_000_001_000_000_000)),
        next_question_at: Some(Timestamp::from_nanos(1_750_000_002_000_000_000)),
        last_answer: Some(LastAnswer {
            at: Timestamp::from_nanos(1_750_000_001_500_000_000),
            was_question: false,
            status: Some(502),
            failure: String::new(),
            body: "<html>".to_owned(),
        }),
    }
}

#[tokio::test]
async fn operators_see_what_is_unknown_and_what_its_processor_said_last() {
    let engine = five_accounts().await;
    let dispatched = vec![
        unsettled(NUMBER, UnsettledState::Unknown),
        unsettled(NUMBER + 1, UnsettledState::OtherAmount),
        unsettled(NUMBER + 2, UnsettledState::Unknown),
    ];
    let face = Setup {
        dispatching: Some(Arc::new(Dispatcher(dispatched))),
        ..Setup::over(engine.clone())
    };
    let face = face.start().await;
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    let view = face.get(&format!("/v1/payments/{ID}")).await.body;
    let dispatch = json!({
        "state": "unknown", "processor": "default", "attempt": 1,
        "unknown_since": "2025-06-15T15:06:41.000000000Z",
        "next_question_at": "2025-06-15T15:06:42.000000000Z",
        "last_answer": {
            "at": "2025-06-15T15:06:41.500000000Z", "to": "payment", "status": 502, "body": "<html>",
        },
    });
    assert_eq!(view["dispatch"], dispatch, "{view}");
    // All of them, one by one.
    let mut path = "/v1/payments?state=unknown&limit=1".to_owned();
    let mut states = Vec::new();
    loop {
        let page = face.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let payments = page.body["payments"].as_array().unwrap();
        states.extend(payments.iter().map(|payment| payment["state"].clone()));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/payments?state=unknown&limit=1&cursor={cursor}");
    }
    assert_eq!(states, ["unknown", "conflict", "unknown"]);
    let conflicts = face.get("/v1/payments?state=conflict").await.body;
    let [conflict] = conflicts["payments"].as_array().unwrap().as_slice() else {
        panic!("{conflicts}");
    };
    assert_eq!(conflict["conflict"], "other_amount", "{conflict}");
    for (query, code) in [
        ("?state=ended", "query_invalid"),
        ("?state=unknown&reference=1", "query_invalid"),
        ("?state=unknown&limit=0", "limit_invalid"),
        ("?state=unknown&cursor=00", "cursor_invalid"),
    ] {
        let answer = face.get(&format!("/v1/payments{query}")).await;
        assert_eq!(answer.problem(), (400, code), "{query}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_dispatch_a_payment_says_so() {
    let (face, engine) = five().await;
    pay(&face, body("19.90")).await;
    let path = format!("/v1/payments/{ID}");
    let view = face.get(&path).await.body;
    assert!(view.get("dispatch").is_none(), "{view}");
    send(&engine, NUMBER).await;
    let view = face.get(&path).await.body;
    assert_eq!(view.get("dispatch"), Some(&Value::Null), "{view}");
    let list = face.get("/v1/payments?state=unknown").await;
    assert_eq!(list.problem(), (501, "not_supported"));
    // Nor does it matter that its dispatcher does not answer.
    let face = Setup {
        dispatching: Some(Arc::new(Dispatcher(Vec::new()))),
        ..Setup::over(engine.clone())
    };
    let face = face.start().await;
    let id = uuid::Uuid::from_u128(99);
    let text = format!(r#"{{"correlationId":"{id}","amount":19.90}}"#);
    pay(&face, text).await;
    send(&engine, 99).await;
    let view = face.get(&format!("/v1/payments/{id}")).await;
    assert_eq!(
        (view.status, view.body.get("dispatch")),
        (200, Some(&Value::Null))
    );
}

/// A dispatcher that never answers, and keeps how long it was given.
#[derive(Default)]
struct Silent(parking_lot::Mutex<Vec<Duration>>);

impl Dispatching for Silent {
    fn unsettled(&self, _: UnsettledQuery, until: Instant) -> ledger::Answer<'_, Vec<Unsettled>> {
        let left = until.saturating_duration_since(Instant::now());
        self.0.lock().push(left);
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_payment_does_not_wait_long_for_its_dispatcher() {
    let (_, engine) = five().await;
    let silent = Arc::new(Silent::default());
    let face = Setup {
        dispatching: Some(Arc::clone(&silent) as Arc<dyn Dispatching>),
        ..Setup::over(engine.clone())
    };
    let face = face.start().await;
    pay(&face, body("19.90")).await;
    send(&engine, NUMBER).await;
    let view = face.get(&format!("/v1/payments/{ID}")).await;
    assert_eq!(
        (view.status, view.body.get("dispatch")),
        (200, Some(&Value::Null))
    );
    let given = silent.0.lock().clone();
    assert!(
        matches!(given[..], [left] if left <= Duration::from_millis(100)),
        "{given:?}"
    );
}

/// A purge takes what was there when its node looked: what is accepted in between is among what the next
/// try takes, and where that happens each of 16 times, nothing is purged and the answer says so.
#[tokio::test]
async fn a_purge_that_loses_races_says_so() {
    let double = Double::new(five_accounts().await, Manner::Well);
    let face = Setup::over(Arc::clone(&double) as Arc<dyn Engine>)
        .start()
        .await;
    pay(&face, body("1")).await;
    double.race(1_000);
    let lost = face.post("/purge-payments", json!({})).await;
    assert_eq!(lost.problem(), (409, "payments_in_other_state"), "{lost:?}");
    assert!(lost.body["accepted_at"].is_string(), "{lost:?}");
    assert_eq!(double.races_left(), 1_000 - 16);
    let path = &format!("/v1/payments/{ID}");
    assert_eq!(face.get(path).await.body["state"], "accepted");
    double.race(2);
    let purged = face.post("/purge-payments", json!({})).await;
    assert_eq!(purged.status, 200, "{purged:?}");
    assert_eq!(face.get(path).await.body["code"], "purged");
}
