//! `GET /v1/events`: pages, waits, streams, filters, and who may see what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    AcceptPayment, AccountId, Batch, Command, Currency, Engine, Millis, Note, Notes,
    PaymentExpected, PaymentId, PaymentStateName, ProcessorName, ResolutionKind, ResolvePayment,
};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{
    Answer, Double, Face, Held, Keyring, Manner, Setup, answer, as_read, five, five_accounts,
    new_id,
};

const EVENTS: &str = "/v1/events";

/// Posts what has to be answered so.
async fn post(face: &Face, path: &str, body: Value, status: u16) {
    let answer = face.post(path, body).await;
    assert_eq!(answer.status, status, "{path}: {answer:?}");
}

async fn transfer(face: &Face, debit: &str, credit: &str, amount: u64, status: u16) -> String {
    let id = new_id();
    let body = json!({
        "id": id, "debit_account_id": debit, "credit_account_id": credit,
        "amount": amount, "description": "d",
    });
    post(face, "/v1/transfers", body, status).await;
    id
}

fn page(answer: &Answer) -> (Vec<Value>, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = answer.body["events"].as_array().unwrap().clone();
    (events, answer.body["next"].as_str().unwrap().to_owned())
}

fn types(events: &[Value]) -> Vec<&str> {
    let names = events.iter().map(|event| event["type"].as_str());
    names.map(Option::unwrap).collect()
}

/// All events of all pages.
async fn all(face: &Face, query: &str) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let answer = face.get(&format!("{EVENTS}?{query}{after}")).await;
        let (page, next) = page(&answer);
        if page.is_empty() {
            return events;
        }
        // What is not shown comes behind the last event of a page, too.
        let is_filtered = query.contains("types") || query.contains("account");
        assert!(is_filtered || page.last().unwrap()["position"] == next);
        events.extend(page);
        after = format!("&after={next}");
    }
}

/// Every kind of event but those of payments' dispatch.
async fn every_kind(face: &Face, engine: &dyn Engine) {
    let account = json!({"id": "users:1", "currency": "BRL", "credit_limit": 0});
    post(face, "/v1/accounts", account, 201).await;
    transfer(face, "world:BRL", "users:1", 500, 201).await;
    transfer(face, "users:1", "world:BRL", 501, 422).await;
    for (end, status) in [("post", 201), ("void", 201)] {
        let body = json!({
            "id": new_id(), "debit_account_id": "users:1", "credit_account_id": "1",
            "amount": 10, "description": "p", "timeout_s": 3_600,
        });
        let pending_id = body["id"].as_str().unwrap().to_owned();
        post(face, "/v1/transfers", body, 201).await;
        let path = format!("/v1/transfers/{pending_id}/{end}");
        post(face, &path, json!({"id": new_id()}), status).await;
    }
    let patch = face
        .patch("/v1/accounts/users:1", json!({"credit_limit": 7}))
        .await;
    assert_eq!(patch.status, 200);
    for amount in [490, 1_000] {
        let command = json!({
            "kind": "transfer", "id": new_id(), "debit_account_id": "users:1",
            "credit_account_id": "world:BRL", "amount": amount, "description": "b",
        });
        let batch = json!({"atomic": true, "id": new_id(), "commands": [command]});
        let status = if amount == 490 { 200 } else { 422 };
        post(face, "/v1/batches", batch, status).await;
    }
    for frozen in ["both", "none"] {
        let change = json!({"frozen": frozen});
        let changed = face.patch("/v1/accounts/users:1", change).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    let closed = face
        .patch("/v1/accounts/users:1", json!({"closed": true}))
        .await;
    assert_eq!(closed.status, 200, "{closed:?}");
    let id = PaymentId::from_u128(7);
    let accept = Command::AcceptPayment(AcceptPayment {
        id,
        account_id: Some(AccountId::new("1").unwrap()),
        currency: Currency::new("BRL").unwrap(),
        amount: 5,
        description: "pay".into(),
        notes: Notes::NONE,
    });
    let send = Command::SendPayment {
        id,
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        processor: ProcessorName::new("default").unwrap(),
        requested_at: Millis(1),
    };
    let resolve = Command::ResolvePayment(ResolvePayment {
        id,
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        kind: ResolutionKind::Settled {
            requested_at: Millis(1),
        },
        who: Note::new("ana").unwrap(),
        why: Note::new("seen").unwrap(),
        send_lease: Duration::ZERO,
    });
    let purge = Command::PurgePayments {
        expected_accepted_at: None,
    };
    for command in [accept, send, resolve, purge] {
        let batch = vec![Batch::one(command)];
        let outcomes = engine.submit(batch, Instant::now()).await.unwrap();
        assert_eq!(outcomes[0][0].code(), "created");
    }
}

const EXPECTED: [&str; 23] = [
    "account.opened",
    "account.opened",
    "account.opened",
    "account.opened",
    "account.opened",
    "account.opened",
    "transfer.posted",
    "command.refused",
    "transfer.pending",
    "transfer.posted",
    "transfer.pending",
    "transfer.voided",
    "account.limit_changed",
    "transfer.posted",
    "batch.applied",
    "batch.failed",
    "account.frozen",
    "account.unfrozen",
    "account.closed",
    "payment.accepted",
    "payment.sent",
    "payment.resolved",
    "payments.purged",
];

#[tokio::test]
async fn pages_have_all_that_was_decided_in_order() {
    let (face, engine) = five().await;
    every_kind(&face, &*engine).await;
    let events = all(&face, "").await;
    assert_eq!(types(&events), EXPECTED);
    for limit in [1, 2, 20, 1_000] {
        assert_eq!(all(&face, &format!("limit={limit}")).await, events);
    }
    // Records are shown as they are elsewhere.
    let refused = &events[7]["refused"];
    assert_eq!(refused["command"], "transfer");
    assert_eq!(refused["problem"]["code"], "insufficient_funds");
    assert_eq!(refused["problem"]["available"], 500);
    let posted = &events[6]["transfer"];
    let path = format!("/v1/transfers/{}", posted["id"].as_str().unwrap());
    assert_eq!(face.get(&path).await.body, as_read(posted));
    assert_eq!(events[5]["account"]["id"], "users:1");
    assert_eq!(events[12]["account"]["credit_limit"], 7);
    assert_eq!(events[14]["batch"]["commands_count"], 1);
    assert_eq!(events[15]["batch"]["code"], "insufficient_funds");
    assert_eq!(events[21]["resolution"]["who"], "ana");
    assert_eq!(events[21]["payment"]["state"], "settled");
    assert_eq!(events[21]["transfer"]["kind"], "settle");
    for pair in events.windows(2) {
        assert!(pair[0]["timestamp"].as_str() < pair[1]["timestamp"].as_str());
        assert_ne!(pair[0]["position"], pair[1]["position"]);
    }
}

#[tokio::test]
async fn filters_leave_out_events_and_move_on_over_them() {
    let (face, engine) = five().await;
    every_kind(&face, &*engine).await;
    let events = all(&face, "").await;
    let of = |is_shown: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        events
            .iter()
            .filter(|event| is_shown(event))
            .cloned()
            .collect()
    };
    let types = "types=transfer.pending,payment.sent";
    let expected = of(&|event| {
        ["transfer.pending", "payment.sent"].contains(&event["type"].as_str().unwrap())
    });
    assert_eq!(expected.len(), 3);
    assert_eq!(all(&face, types).await, expected);
    assert_eq!(all(&face, &format!("{types}&limit=1")).await, expected);
    let expected = of(&|event| {
        let is_it = |id: &Value| *id == "users:1";
        is_it(&event["account"]["id"])
            || is_it(&event["transfer"]["debit_account_id"])
            || is_it(&event["transfer"]["credit_account_id"])
            || is_it(&event["refused"]["debit_account_id"])
            || is_it(&event["refused"]["credit_account_id"])
            || is_it(&event["payment"]["account_id"])
    });
    assert_eq!(all(&face, "account=users:1").await, expected);
    assert!(
        expected
            .iter()
            .any(|event| event["type"] == "command.refused")
    );
    // A page without an event that is shown goes on behind all that it looked at.
    let (none, next) = page(&face.get("/v1/events?account=nobody").await);
    assert!(none.is_empty());
    assert_eq!(next, events.last().unwrap()["position"]);
}

#[tokio::test]
async fn what_is_no_position_or_no_type_is_refused() {
    let (face, _) = five().await;
    let behind = "00000000000000ff00000000000000000000000000000000";
    for (query, code) in [
        ("after=1", "position_invalid"),
        (
            "after=000000000000000100000000000000000000000000000001",
            "position_invalid",
        ),
        (&format!("after={behind}"), "position_invalid"),
        ("types=transfer", "query_invalid"),
        ("account=a/b", "account_id_invalid"),
        ("limit=1001", "limit_invalid"),
        ("wait_s=31", "query_invalid"),
        ("cursor=1", "query_invalid"),
    ] {
        let answer = face.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(answer.problem(), (400, code), "{query}");
    }
    let unknown = face.get("/v1/events?types=transfer.sent").await;
    let detail = unknown.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("\"transfer.sent\"") && detail.contains("transfer.posted"),
        "{detail}"
    );
    let stream = face
        .request(Method::GET, EVENTS)
        .header(ACCEPT, "text/event-stream");
    let bad = stream.header("last-event-id", behind);
    assert_eq!(answer(bad).await.problem(), (400, "position_invalid"));
}

#[tokio::test]
async fn a_ledger_without_a_feed_says_so() {
    let unsupported = Manner::Unavailable(ledger::Unavailable::NotSupported);
    let double = Double::new(five_accounts().await, unsupported);
    let face = Setup::over(double).start().await;
    assert_eq!(face.get(EVENTS).await.problem(), (501, "not_supported"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_waits_for_the_next_event() {
    let double = Double::new(five_accounts().await, Manner::Well);
    let face = Setup::over(double).start().await;
    let (none, next) = page(&face.get("/v1/events?after=latest").await);
    assert!(none.is_empty());
    let waited = Instant::now();
    let (none, same) = page(&face.get(&format!("{EVENTS}?after={next}&wait_s=1")).await);
    assert!(none.is_empty() && same == next);
    assert!(waited.elapsed() >= Duration::from_secs(1));
    let waiting = async {
        let asked = Instant::now();
        let path = "/v1/events?after=latest&wait_s=30&types=transfer.posted";
        let (events, _) = page(&face.get(path).await);
        (events, asked.elapsed())
    };
    let writing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // What is not shown does not end the wait.
        transfer(&face, "users:9", "1", 1, 404).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        transfer(&face, "world:BRL", "1", 1, 201).await
    };
    let ((events, elapsed), id) = tokio::join!(waiting, writing);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["transfer"]["id"], id);
    let range = Duration::from_millis(500)..Duration::from_secs(10);
    assert!(range.contains(&elapsed), "{elapsed:?}");
}

/// A stream, as a browser reads it.
struct Stream {
    response: Response,
    received: String,
}

impl Stream {
    async fn open(face: &Face, query: &str, last: Option<&str>) -> Self {
        let path = format!("{EVENTS}{query}");
        let mut request = face
            .request(Method::GET, &path)
            .header(ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            received: String::new(),
        }
    }

    /// The next block; `None` at a clean end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.received.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.received = rest;
                return Some(block);
            }
            let patience = Duration::from_secs(30);
            let chunk = tokio::time::timeout(patience, self.response.chunk()).await;
            let chunk = chunk.expect("a block or an end").unwrap()?;
            self.received.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, checked to be one with its position and type.
    async fn event(&mut self) -> Value {
        let block = self.block().await.expect("an event");
        let lines: Vec<_> = block.lines().collect();
        let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(lines.len(), 3, "{block}");
        assert_eq!(
            lines[0],
            format!("id: {}", data["position"].as_str().unwrap())
        );
        assert_eq!(
            lines[1],
            format!("event: {}", data["type"].as_str().unwrap())
        );
        data
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_events_and_goes_on_from_the_last() {
    let double = Double::new(five_accounts().await, Manner::Well);
    let face = Setup::over(double).start().await;
    let mut stream = Stream::open(&face, "", None).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(stream.event().await);
    }
    let id = transfer(&face, "world:BRL", "1", 1, 201).await;
    let live = stream.event().await;
    assert_eq!(live["transfer"]["id"], id);
    seen.push(live);
    drop(stream);
    transfer(&face, "world:BRL", "2", 1, 201).await;
    assert_eq!(all(&face, "").await[..6], seen);
    // What came while nobody listened is not missed; `after` is where the first connection began.
    let last = seen[5]["position"].as_str().unwrap();
    let mut stream = Stream::open(&face, "?after=latest&types=transfer.posted", Some(last)).await;
    assert_eq!(stream.event().await["transfer"]["credit_account_id"], "2");
    transfer(&face, "users:9", "1", 1, 404).await;
    transfer(&face, "world:BRL", "3", 1, 201).await;
    assert_eq!(stream.event().await["transfer"]["credit_account_id"], "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_sends_comments_and_ends_with_the_server() {
    let double = Double::new(five_accounts().await, Manner::Well);
    let mut face = Setup::over(double).start().await;
    let mut stream = Stream::open(&face, "?after=latest&account=5", None).await;
    transfer(&face, "world:BRL", "1", 1, 201).await;
    let newest = all(&face, "").await.pop().unwrap();
    let began = Instant::now();
    let block = stream.block().await.unwrap();
    let (comment, id) = block.split_once('\n').unwrap();
    assert!(comment.starts_with(':'), "{block}");
    assert_eq!(id, format!("id: {}", newest["position"].as_str().unwrap()));
    assert!((10..20).contains(&began.elapsed().as_secs()));
    let path = format!("{EVENTS}?after=latest&wait_s=30");
    let request = face.request(Method::GET, &path);
    let page = tokio::spawn(answer(request));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopped = Instant::now();
    face.stop();
    assert_eq!(stream.block().await, None, "the stream ends cleanly");
    assert_eq!(page.await.unwrap().status, 200);
    assert_eq!(face.stopped().await.requests_cut, 0);
    assert!(stopped.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_key_sees_the_events_of_its_accounts() {
    let engine = five_accounts().await;
    let mut setup = Setup::over(Arc::clone(&engine) as Arc<dyn Engine>);
    setup.keys = Keyring::new().keys;
    let face = setup.start().await;
    let give = |held: Held, method: Method, path: &str| {
        let secret = format!("Bearer {}", held.secret().unwrap());
        face.request(method, path).header(AUTHORIZATION, secret)
    };
    for (id, other) in [("mine:1", "1"), ("mine:2", "mine:1"), ("theirs:1", "2")] {
        let open = json!({"id": id, "currency": "BRL", "credit_limit": 0});
        let open = give(Held::All, Method::POST, "/v1/accounts").json(&open);
        assert_eq!(answer(open).await.status, 201);
        for (debit, amount) in [("world:BRL", 10), (other, 10), ("theirs:1", 1_000)] {
            let body = json!({
                "id": new_id(), "debit_account_id": debit, "credit_account_id": id,
                "amount": amount, "description": "d",
            });
            let moved = give(Held::All, Method::POST, "/v1/transfers").json(&body);
            assert!([201, 404, 422].contains(&answer(moved).await.status));
        }
    }
    let seen_by = async |held: Held, query: &str| {
        let answer = answer(give(held, Method::GET, &format!("{EVENTS}{query}"))).await;
        page(&answer).0
    };
    let everything = seen_by(Held::All, "").await;
    let mine = seen_by(Held::Narrow, "").await;
    let is_mine = |event: &&Value| event.to_string().contains("\"mine:");
    let expected: Vec<_> = everything.iter().filter(is_mine).cloned().collect();
    assert_eq!(mine, expected);
    assert!(mine.len() >= 6 && everything.len() > mine.len() + 5);
    assert!(types(&mine).contains(&"command.refused"));
    let names_it = |event: &&Value| event.to_string().contains("\"mine:2\"");
    let expected: Vec<_> = everything.iter().filter(names_it).cloned().collect();
    assert_eq!(seen_by(Held::Narrow, "?account=mine:2").await, expected);
    assert!(types(&expected).contains(&"command.refused"));
    // Who takes deposits sees those to its own accounts, and nobody else's.
    assert_eq!(seen_by(Held::Depositor, "").await, mine);
    let other = give(Held::Narrow, Method::GET, "/v1/events?account=theirs:1");
    assert_eq!(answer(other).await.problem(), (403, "account_not_allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_what_concurrent_writers_did_in_one_order() {
    let double = Double::new(five_accounts().await, Manner::Well);
    let face = Arc::new(Setup::over(double).start().await);
    let writers = (1..=5).map(|account| {
        let face = Arc::clone(&face);
        tokio::spawn(async move {
            for _ in 0..40 {
                transfer(&face, "world:BRL", &account.to_string(), 1, 201).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let reader = |limit: usize| {
        let face = Arc::clone(&face);
        tokio::spawn(async move {
            let (mut events, mut after) = (Vec::new(), String::new());
            while events.len() < 205 {
                let path = format!("{EVENTS}?wait_s=10&limit={limit}{after}");
                let (page, next) = page(&face.get(&path).await);
                events.extend(page);
                after = format!("&after={next}");
            }
            events
        })
    };
    let (one, other) = (reader(1), reader(50));
    for writer in writers {
        writer.await.unwrap();
    }
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert_eq!(one, other);
    for account in ["1", "2", "3", "4", "5"] {
        let of_account = |event: &&Value| event["transfer"]["credit_account_id"] == account;
        let entries: Vec<_> = one.iter().filter(of_account).collect();
        for (entry, number) in entries.iter().zip(1..) {
            assert_eq!(entry["transfer"]["credit"]["entry_number"], number);
        }
        assert_eq!(entries.len(), 40);
    }
}
