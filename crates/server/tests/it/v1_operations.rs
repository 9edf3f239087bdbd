//! `/v1/operations`: accepted now, applied later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::reference::ReferenceEngine;
use ledger::{BoxFuture, Engine, Event, Transfer, TransferId, Unavailable};
use outbox::{
    Accepted, NotAccepted, Operation, OperationState, Operations, Outbox, OutboxOptions,
    OutboxStatus,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Double, Face, Manner, Setup, SystemClock, everything, five, five_accounts, new_id,
};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A face with an outbox before a ledger that can be made unavailable.
struct Later {
    face: Face,
    ledger: Arc<Double>,
    engine: Arc<ReferenceEngine>,
    outbox: Arc<Outbox>,
    _folder: TempDir,
}

const AWAY: Manner = Manner::Unavailable(Unavailable::LedgerUnavailable);

async fn later(manner: Manner, options: OutboxOptions) -> Later {
    let engine = five_accounts().await;
    let ledger = Double::new(Arc::clone(&engine), manner);
    let folder = tempfile::tempdir().unwrap();
    let behind = Arc::clone(&ledger) as Arc<dyn Engine>;
    let clock = Arc::new(SystemClock);
    let (outbox, _) = Outbox::open_in(folder.path(), &options, behind, clock).unwrap();
    let outbox = Arc::new(outbox);
    let face = Setup {
        operations: Some(Arc::clone(&outbox) as Arc<dyn Operations>),
        ..Setup::over(Arc::clone(&ledger) as Arc<dyn Engine>)
    };
    Later {
        face: face.start().await,
        ledger,
        engine,
        outbox,
        _folder: folder,
    }
}

fn small() -> OutboxOptions {
    OutboxOptions {
        pause_max: Duration::from_millis(20),
        ..OutboxOptions::within(2 << 20).unwrap()
    }
}

fn top_up(id: &str, amount: u64) -> Value {
    json!({
        "id": id, "debit_account_id": "world:BRL", "credit_account_id": "1",
        "amount": amount, "description": "top-up",
    })
}

impl Later {
    async fn state(&self, id: &str) -> Value {
        let answer = self.face.get(&format!("/v1/operations/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn drained(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.outbox.depth() > 0 {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn an_operation_is_accepted_while_the_ledger_is_down_and_applied_once() {
    let later = later(AWAY, small()).await;
    let first = later.face.post("/v1/operations", top_up(ID, 1000)).await;
    assert_eq!((first.status, first.replayed), (202, false), "{first:?}");
    assert_eq!(first.location, Some(format!("/v1/operations/{ID}")));
    assert_eq!(first.body, json!({"id": ID, "state": "queued"}));
    let again = later.face.post("/v1/operations", top_up(ID, 1000)).await;
    assert_eq!((again.status, again.replayed), (202, true));
    assert_eq!(again.body, first.body);
    assert_eq!(later.state(ID).await, json!({"id": ID, "state": "queued"}));
    later.ledger.behave(Manner::Well);
    later.drained().await;
    let state = later.state(ID).await;
    assert_eq!(state["state"], "applied");
    assert_eq!(state["transfer"]["amount"], 1000);
    let account = later.face.get("/v1/accounts/1").await.body;
    assert_eq!(account["balance"], 1000, "what is applied is read");
    let again = later.face.post("/v1/operations", top_up(ID, 1000)).await;
    assert_eq!((again.status, again.replayed), (202, true));
    assert_eq!(again.body, json!({"id": ID, "state": "applied"}));
    // At once and later, it is the same transfer.
    let now = later.face.post("/v1/transfers", top_up(ID, 1000)).await;
    assert_eq!((now.status, now.replayed), (200, true));
}

#[tokio::test]
async fn the_same_id_with_other_content_is_refused_and_changes_nothing() {
    let later = later(AWAY, small()).await;
    let first = later.face.post("/v1/operations", top_up(ID, 1000)).await;
    assert_eq!(first.status, 202);
    for _ in 0..2 {
        let other = later.face.post("/v1/operations", top_up(ID, 1001)).await;
        assert_eq!(other.problem(), (409, "exists_with_different_amount"));
        assert_eq!(other.body["field"], "amount");
        let mut pending = top_up(ID, 1000);
        pending["timeout_s"] = json!(60);
        let other = later.face.post("/v1/operations", pending).await;
        assert_eq!(other.problem(), (409, "exists_with_different_kind"));
        assert!(later.outbox.depth() <= 1);
        // And the same once the ledger has answered.
        later.ledger.behave(Manner::Well);
        later.drained().await;
    }
    assert_eq!(later.state(ID).await["transfer"]["amount"], 1000);
}

#[tokio::test]
async fn a_refused_operation_says_why() {
    let later = later(Manner::Well, small()).await;
    let mut too_much = top_up(ID, 100_001);
    too_much["debit_account_id"] = json!("1");
    too_much["credit_account_id"] = json!("world:BRL");
    let answer = later.face.post("/v1/operations", too_much).await;
    assert_eq!(answer.status, 202);
    later.drained().await;
    let refused = json!({"id": ID, "state": "refused", "code": "insufficient_funds"});
    assert_eq!(later.state(ID).await, refused);
    // The ledger knew this id, which is the outbox's first news of it.
    let known = new_id();
    let now = later.face.post("/v1/transfers", top_up(&known, 5)).await;
    assert_eq!(now.status, 201);
    let answer = later.face.post("/v1/operations", top_up(&known, 6)).await;
    assert_eq!(answer.status, 202);
    later.drained().await;
    let code = "exists_with_different_amount";
    let refused = json!({"id": known, "state": "refused", "code": code});
    assert_eq!(later.state(&known).await, refused);
}

#[tokio::test]
async fn pending_transfers_can_come_later_too() {
    let later = later(Manner::Well, small()).await;
    let mut pending = top_up(ID, 700);
    pending["timeout_s"] = json!(0);
    assert_eq!(later.face.post("/v1/operations", pending).await.status, 202);
    later.drained().await;
    let transfer = &later.state(ID).await["transfer"];
    assert_eq!(
        (&transfer["kind"], &transfer["pending_state"]),
        (&json!("pend"), &json!("pending"))
    );
}

#[tokio::test]
async fn bad_input_is_refused_at_once_and_queues_nothing() {
    let later = later(AWAY, small()).await;
    let with = |name: &str, value: Value| {
        let mut body = top_up(ID, 1000);
        body[name] = value;
        body
    };
    for (body, expected) in [
        (with("amount", json!(0)), (422, "amount_out_of_range")),
        (with("amount", json!(-1)), (422, "amount_out_of_range")),
        (with("amount", json!(1.5)), (400, "json_invalid")),
        (with("description", json!("")), (422, "description_invalid")),
        (
            with("credit_account_id", json!("world:BRL")),
            (422, "accounts_must_differ"),
        ),
        (
            with("credit_account_id", json!("processor:p:BRL")),
            (422, "account_reserved"),
        ),
        (
            with("credit_account_id", json!("a b")),
            (400, "account_id_invalid"),
        ),
        (with("id", json!("7")), (400, "id_invalid")),
        (with("id", Value::Null), (400, "id_missing")),
        (with("surprise", json!(1)), (400, "json_invalid")),
    ] {
        let answer = later.face.post("/v1/operations", body.clone()).await;
        assert_eq!(answer.problem(), expected, "{body}");
    }
    let request = later.face.request(Method::POST, "/v1/operations");
    let plain = crate::support::answer(request.body(top_up(ID, 1).to_string())).await;
    assert_eq!(plain.problem(), (415, "content_type_unsupported"));
    assert_eq!(later.outbox.depth(), 0);
    let unknown = later.face.get("/v1/operations/7").await;
    assert_eq!(unknown.problem(), (400, "id_invalid"));
    // Whether it is nobody's, only the ledger can tell.
    let path = format!("/v1/operations/{ID}");
    assert_eq!(
        later.face.get(&path).await.problem(),
        (503, "ledger_unavailable")
    );
    later.ledger.behave(Manner::Well);
    assert_eq!(
        later.face.get(&path).await.problem(),
        (404, "operation_not_found")
    );
}

#[tokio::test]
async fn a_key_may_stand_for_the_id() {
    let later = later(AWAY, small()).await;
    let mut body = top_up(ID, 1000);
    body.as_object_mut().unwrap().remove("id");
    let key = |key: &'static str| {
        let body = body.clone();
        let face = &later.face;
        async move { face.keyed(Method::POST, "/v1/operations", key, body).await }
    };
    let first = key("my key").await;
    assert_eq!((first.status, first.replayed), (202, false));
    let again = key("my key").await;
    assert_eq!((again.status, again.replayed), (202, true));
    assert_eq!(again.location, first.location);
}

#[tokio::test]
async fn past_the_quota_nothing_is_accepted() {
    let options = OutboxOptions {
        operations_max: 3,
        ..small()
    };
    let later = later(AWAY, options).await;
    for _ in 0..3 {
        let answer = later
            .face
            .post("/v1/operations", top_up(&new_id(), 1))
            .await;
        assert_eq!(answer.status, 202);
    }
    let answer = later.face.post("/v1/operations", top_up(ID, 1)).await;
    assert_eq!(answer.problem(), (503, "overloaded"));
    assert_eq!(answer.body["nothing_done"], true);
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    later.ledger.behave(Manner::Well);
    later.drained().await;
    assert_eq!(
        later
            .face
            .post("/v1/operations", top_up(ID, 1))
            .await
            .status,
        202
    );
    later.drained().await;
    assert_eq!(later.face.get("/v1/accounts/1").await.body["balance"], 4);
    assert_eq!(
        everything(&later.engine).1,
        5 + 4,
        "five accounts, four transfers"
    );
}

/// Takes nothing.
struct Unwilling(Unavailable);

impl Operations for Unwilling {
    fn accept(&self, _: Operation, _: Instant) -> BoxFuture<'_, Result<Accepted, NotAccepted>> {
        Box::pin(async { Err(NotAccepted::Unavailable(self.0)) })
    }

    fn state(&self, _: TransferId) -> Option<OperationState> {
        None
    }

    fn status(&self) -> OutboxStatus {
        OutboxStatus::StorageFailed
    }
}

#[tokio::test]
async fn why_nothing_is_taken_is_told() {
    for (unavailable, status, retry_after) in [
        (Unavailable::Overloaded, 503, Some("1")),
        (Unavailable::StorageFull, 503, Some("30")),
        (Unavailable::StorageFailed, 503, Some("30")),
        (Unavailable::Timeout, 504, None),
    ] {
        let setup = Setup {
            operations: Some(Arc::new(Unwilling(unavailable))),
            ..Setup::over(five_accounts().await)
        };
        let face = setup.start().await;
        let answer = face.post("/v1/operations", top_up(ID, 1)).await;
        assert_eq!(answer.problem(), (status, unavailable.code()));
        assert_eq!(answer.retry_after.as_deref(), retry_after);
    }
}

#[tokio::test]
async fn a_node_that_takes_none_says_so_and_tells_what_the_ledger_knows() {
    let (face, _) = five().await;
    for body in [top_up(ID, 1), json!({})] {
        let answer = face.post("/v1/operations", body).await;
        assert_eq!(answer.problem(), (404, "operations_not_served"));
    }
    let path = format!("/v1/operations/{ID}");
    assert_eq!(
        face.get(&path).await.problem(),
        (404, "operation_not_found")
    );
    assert_eq!(face.post("/v1/transfers", top_up(ID, 1)).await.status, 201);
    assert_eq!(face.get(&path).await.body["state"], "applied");
}

/// A text that earlier versions recorded and this one refuses.
const OLD: &str = "pay \u{202e}001";

#[tokio::test]
async fn what_an_earlier_version_took_with_a_text_refused_today_is_told_again() {
    let later = later(Manner::Well, small()).await;
    let with = |text: &str, id: &str| {
        let mut body = top_up(id, 5);
        body["description"] = json!(text);
        body
    };
    let taken = later.face.post("/v1/transfers", with("new", ID)).await;
    assert_eq!(taken.status, 201);
    later.engine.change_records(|event| match event {
        Event::Transfer(transfer) => Event::Transfer(Transfer {
            description: OLD.into(),
            ..transfer
        }),
        event => event,
    });
    let again = later.face.post("/v1/transfers", with(OLD, ID)).await;
    assert_eq!((again.status, again.replayed), (200, true), "{again:?}");
    let again = later.face.post("/v1/operations", with(OLD, ID)).await;
    assert_eq!((again.status, again.replayed), (202, true), "{again:?}");
    assert_eq!(again.body["state"], "applied");
    let before = everything(&later.engine);
    let fresh = &new_id();
    for path in ["/v1/transfers", "/v1/operations"] {
        let refused = later.face.post(path, with(OLD, fresh)).await;
        assert_eq!(refused.problem(), (422, "description_invalid"));
        let other = later.face.post(path, with("a\nb", ID)).await;
        assert_eq!(other.problem(), (422, "description_invalid"));
    }
    assert_eq!(everything(&later.engine), before);
}

#[tokio::test]
async fn what_is_applied_later_is_not_told_before() {
    let later = later(Manner::Well, small()).await;
    let before = everything(&later.engine);
    let mut body = top_up(ID, 1);
    body["dry_run"] = json!(true);
    let told = later.face.post("/v1/operations", body).await;
    assert_eq!(told.problem(), (400, "json_invalid"));
    let found = later.face.get(&format!("/v1/operations/{ID}")).await;
    assert_eq!(found.problem(), (404, "operation_not_found"));
    assert_eq!(everything(&later.engine), before);
}
