//! `GET /v1/payments`: those that wait or were sent, by processor, account and age, page by page.

use std::sync::Arc;
use std::time::Instant;

use ledger::reference::ReferenceEngine;
use ledger::{
    AcceptPayment, AccountId, Batch, Command, Currency, Engine, Millis, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, Reference, Unavailable,
};
use reqwest::Method;
use serde_json::Value;
use server::{Keys, KeysOptions};
use testkit::ManualClock;

use crate::support::{
    Answer, Double, Face, Held, Keyring, Manner, Setup, answer, five_accounts_at,
};

async fn apply(engine: &ReferenceEngine, command: Command) {
    let batch = vec![Batch::one(command)];
    let outcomes = engine.submit(batch, Instant::now()).await.unwrap();
    assert!(outcomes[0][0].result.is_ok(), "{outcomes:?}");
}

fn id(number: u128) -> PaymentId {
    PaymentId::from_u128(number)
}

async fn accept(engine: &ReferenceEngine, number: u128, account: Option<&str>) {
    let accept = AcceptPayment {
        id: id(number),
        account_id: account.map(|id| AccountId::new(id).unwrap()),
        currency: Currency::new("BRL").unwrap(),
        amount: 10,
        description: "payment".into(),
        notes: match number {
            4 => ledger::Notes::new(Reference::new("of 4").ok(), ledger::Metadata::default()),
            _ => ledger::Notes::NONE,
        },
    };
    apply(engine, Command::AcceptPayment(accept)).await;
}

async fn send(engine: &ReferenceEngine, number: u128, processor: &str) {
    let send = Command::SendPayment {
        id: id(number),
        expected: PaymentExpected {
            state: PaymentStateName::Accepted,
            attempt: 0,
        },
        processor: ProcessorName::new(processor).unwrap(),
        requested_at: Millis(1_752_582_896_007),
    };
    apply(engine, send).await;
}

/// Payments 1 to 6, a minute apart: 2 and 5 were sent to `a`, 3 to `b`, and 6 is settled. 1, 2 and 5 are of
/// account 1, 4 of account 2, the others of nobody.
async fn six() -> (Arc<ReferenceEngine>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let engine = five_accounts_at(clock.clone()).await;
    for number in 1..=6 {
        clock.advance_ns(60_000_000_000);
        let account = match number {
            1 | 2 | 5 => Some("1"),
            4 => Some("2"),
            _ => None,
        };
        accept(&engine, number, account).await;
    }
    for (number, processor) in [(5, "a"), (2, "a"), (3, "b"), (6, "a")] {
        send(&engine, number, processor).await;
    }
    let settle = Command::SettlePayment {
        id: id(6),
        expected: PaymentExpected {
            state: PaymentStateName::Sent,
            attempt: 1,
        },
        requested_at: Millis(1_752_582_896_007),
    };
    apply(&engine, settle).await;
    (engine, clock)
}

async fn face_of(engine: &Arc<ReferenceEngine>, clock: &Arc<ManualClock>, keys: Keys) -> Face {
    let setup = Setup {
        clock: clock.clone(),
        keys,
        ..Setup::over(Arc::clone(engine) as Arc<dyn Engine>)
    };
    setup.start().await
}

async fn get(face: &Face, path: &str) -> Answer {
    let request = face.request(Method::GET, path);
    answer(request.bearer_auth(Held::All.secret().unwrap())).await
}

/// The numbers of the payments of all pages.
async fn walk(face: &Face, query: &str) -> Vec<u128> {
    let mut numbers = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(face, &format!("/v1/payments?{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        let payments = page.body["payments"].as_array().unwrap();
        let number = |payment: &Value| {
            let id: uuid::Uuid = payment["id"].as_str().unwrap().parse().unwrap();
            id.as_u128()
        };
        numbers.extend(payments.iter().map(number));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return numbers,
        }
    }
}

#[tokio::test]
async fn open_payments_are_listed_by_what_is_asked_of_them() {
    let (engine, clock) = six().await;
    let face = face_of(&engine, &clock, Keys::none()).await;
    for (query, expected) in [
        ("state=accepted", vec![1, 4]),
        ("state=sent", vec![2, 3, 5]),
        ("state=sent&processor=a", vec![2, 5]),
        ("state=sent&processor=c", vec![]),
        ("state=accepted&processor=a", vec![]),
        ("state=accepted&account=2", vec![4]),
        ("state=sent&account=1", vec![2, 5]),
        ("state=sent&account=world:BRL", vec![3]),
        ("state=sent&older_than_s=0", vec![2, 3, 5]),
        ("state=sent&older_than_s=61", vec![2, 3]),
        ("state=sent&older_than_s=181&processor=a", vec![2]),
        ("state=accepted&older_than_s=100000", vec![]),
        ("", vec![6, 5, 4, 3, 2, 1]),
        ("order=asc", vec![1, 2, 3, 4, 5, 6]),
        ("account=1", vec![5, 2, 1]),
        ("account=world:BRL", vec![6, 3]),
        ("account=3", vec![]),
        ("processor=a", vec![6, 5, 2]),
        ("state=settled", vec![6]),
        ("state=settled&processor=a", vec![6]),
        ("state=settled&processor=b", vec![]),
        ("state=settled&account=1", vec![]),
        ("state=refused", vec![]),
        ("reference=of%201", vec![]),
        ("reference=of%204", vec![4]),
        ("reference=of%204&account=1", vec![]),
        ("state=accepted&reference=of%204", vec![4]),
        ("state=sent&reference=of%204", vec![]),
        ("state=sent&order=desc", vec![5, 3, 2]),
        ("state=sent&from=1970-01-01T00:00:00Z", vec![2, 3, 5]),
        ("older_than_s=61", vec![4, 3, 2, 1]),
        ("older_than_s=60&order=asc", vec![1, 2, 3, 4, 5]),
        ("to=1970-01-01T00:00:00Z", vec![]),
    ] {
        for limit in [1, 2, 100] {
            let query = format!("{query}&limit={limit}");
            assert_eq!(walk(&face, &query).await, expected, "{query}");
        }
    }
    // Each is as it is shown by its id.
    let page = get(&face, "/v1/payments?state=sent&limit=1").await;
    let path = format!("/v1/payments/{}", id(2));
    let mut shown = get(&face, &path).await.body;
    shown.as_object_mut().unwrap().remove("dispatch");
    assert_eq!(page.body["payments"][0], shown);
    let cursor = page.body["next_cursor"].as_str().unwrap();
    for query in ["state=accepted", "state=sent&processor=a", "state=unknown"] {
        let path = format!("/v1/payments?{query}&cursor={cursor}");
        assert_eq!(get(&face, &path).await.problem(), (400, "cursor_invalid"));
    }
}

/// More than a page looks at is passed over, in pages that may be empty.
#[tokio::test]
async fn what_is_asked_for_is_found_behind_many_others() {
    let (engine, clock) = six().await;
    for number in 1_000..2_600 {
        accept(&engine, number, None).await;
    }
    for number in [1_300, 2_599] {
        send(&engine, number, "a").await;
    }
    let face = face_of(&engine, &clock, Keys::none()).await;
    assert_eq!(
        walk(&face, "state=sent&processor=a").await,
        [2, 5, 1_300, 2_599]
    );
    let page = get(&face, "/v1/payments?state=sent&processor=b").await;
    assert_eq!(page.body["payments"].as_array().unwrap().len(), 1);
    assert!(page.body["next_cursor"].is_string(), "{page:?}");
    let accepted = walk(&face, "state=accepted&limit=100").await;
    assert_eq!(accepted.len(), 2 + 1_600 - 2);
    assert!(accepted.is_sorted());
}

#[tokio::test]
async fn a_key_that_is_bound_to_accounts_lists_their_payments() {
    let (engine, clock) = six().await;
    for (pattern, state, expected) in [
        ("1", "sent", vec![2, 5]),
        ("1", "accepted", vec![1]),
        ("world:*", "sent", vec![3]),
        ("users:*", "sent", vec![]),
        ("*", "sent", vec![2, 3, 5]),
    ] {
        let mut record = Keyring::record_of_all();
        record.accounts = vec![pattern.parse().unwrap()];
        let keys = Keys::new(vec![record], KeysOptions::default()).unwrap();
        let face = face_of(&engine, &clock, keys).await;
        assert_eq!(
            walk(&face, &format!("state={state}&limit=1")).await,
            expected
        );
        let own = walk(&face, "reference=of%204").await;
        assert_eq!(own, if pattern == "*" { vec![4] } else { vec![] });
        let of_one = get(&face, "/v1/payments?account=1").await;
        match pattern {
            "1" | "*" => assert_eq!(of_one.body["payments"].as_array().unwrap().len(), 3),
            _ => assert_eq!(of_one.problem(), (403, "account_not_allowed")),
        }
        for query in [
            "",
            "state=unknown",
            "state=settled",
            "account=world:BRL&state=refused",
        ] {
            let answer = get(&face, &format!("/v1/payments?{query}")).await;
            assert_eq!(answer.problem(), (403, "account_not_allowed"), "{query}");
        }
    }
}

#[tokio::test]
async fn a_ledger_without_payments_says_so() {
    let (engine, _) = six().await;
    let manner = Manner::Unavailable(Unavailable::NotSupported);
    let face = Setup::over(Double::new(engine, manner)).start().await;
    let answer = face.get("/v1/payments?state=sent").await;
    assert_eq!(answer.problem(), (501, "not_supported"));
}
