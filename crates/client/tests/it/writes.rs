//! Writes: what is sent again, under which id, and for how long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lastro_client::{
    AccountId, Change, Client, ClientKey, ClientOptions, Code, Command, Error, Frozen, NewBatch,
    NewTransfer, new_id,
};
use serde_json::json;

use super::script::{Script, Step, account, client, problem, success, transfer};

fn id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn new_transfer() -> NewTransfer {
    NewTransfer::new(&id("a"), &id("b"), 1, "d")
}

#[tokio::test]
async fn what_has_an_id_is_sent_until_it_is_answered() {
    let steps = [
        problem(503, "retry-after: 0\r\n", true),
        Step::Cut,
        problem(504, "", false),
        problem(429, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", true),
        Step::Answer(502, "", "<html>bad gateway</html>".to_owned()),
        Step::Half("", "{\"id\":".to_owned()),
        success(200, "idempotency-replayed: true\r\n", &transfer()),
    ];
    let script = Script::new(steps.clone());
    let answered = script.client().transfer(&new_transfer()).await.unwrap();
    assert!(answered.replayed);
    let arrived = script.arrived();
    assert_eq!(arrived.len(), steps.len());
    let ids: BTreeSet<_> = arrived
        .iter()
        .map(|request| request.json()["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "one id for all attempts");
}

#[tokio::test]
async fn a_change_of_an_account_has_an_id_too() {
    let steps = [Step::Cut, success(200, "", &account())];
    let script = Script::new(steps);
    let change = Change {
        expected_credit_limit: Some(1),
        ..Change::limit(5)
    };
    let answered = script
        .client()
        .change_account(&id("a"), &change)
        .await
        .unwrap();
    assert_eq!(answered.record.credits_posted, u64::MAX);
    assert_eq!(answered.record.frozen, Frozen::Other("sideways".to_owned()));
    for request in script.arrived() {
        assert_eq!(request.line, "PATCH /v1/accounts/a HTTP/1.1");
        let key = format!("idempotency-key: {}\r\n", change.id);
        assert!(request.head.contains(&key), "{}", request.head);
        assert_eq!(
            request.json(),
            json!({"credit_limit": 5, "expected_credit_limit": 1})
        );
    }
}

#[tokio::test]
async fn what_has_no_id_is_not_sent_again_after_an_unknown_outcome() {
    let change = Command::ChangeLimit {
        account_id: id("a"),
        credit_limit: 5,
        expected_credit_limit: None,
    };
    for step in [Step::Cut, problem(504, "", false)] {
        let script = Script::new([problem(503, "", true), step]);
        let batch = NewBatch::independent(vec![change.clone()]);
        let error = script.client().batch(&batch).await.unwrap_err();
        let Error::OutcomeUnknown(unknown) = error else {
            panic!("{error:?}")
        };
        assert_eq!(unknown.id, None);
        assert_eq!(script.arrived().len(), 2);
    }
    let answer = json!({"atomic": true, "id": new_id(), "outcomes": []});
    let script = Script::new([Step::Cut, success(200, "", &answer)]);
    let batch = NewBatch::atomic_new(vec![change]);
    script.client().batch(&batch).await.unwrap();
    let arrived = script.arrived();
    assert_eq!(arrived[0].body, arrived[1].body);
}

/// Whatever the server does, the deadline holds, and the id to ask with is named.
#[tokio::test]
async fn a_server_that_says_nothing_holds_nobody_beyond_the_deadline() {
    let script = Script::new([Step::Silence]);
    let within = Duration::from_millis(300);
    let (begun, new) = (Instant::now(), new_transfer());
    let error = client(&script.url, within)
        .transfer(&new)
        .await
        .unwrap_err();
    let Error::OutcomeUnknown(unknown) = error else {
        panic!("{error:?}")
    };
    assert_eq!(unknown.id, Some(new.id));
    assert_eq!(unknown.about, format!("transfer {}", new.id));
    assert!(
        unknown.cause.starts_with("no answer within "),
        "{}",
        unknown.cause
    );
    let taken = begun.elapsed();
    assert!(
        taken >= within && taken < Duration::from_secs(5),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_not_begun() {
    let script = Script::new([problem(503, "retry-after: 3600\r\n", true)]);
    let error = script.client().transfer(&new_transfer()).await.unwrap_err();
    let Error::Unavailable(unavailable) = error else {
        panic!("{error:?}")
    };
    assert_eq!(unavailable.problem.unwrap().code, Code::Overloaded);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url, Duration::from_millis(50))
        .transfer(&new_transfer())
        .await;
    let Err(Error::Unavailable(unavailable)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(unavailable.problem, None);
    let cause = unavailable.cause;
    assert!(cause.starts_with("there is no connection: "), "{cause}");
    assert!(cause.contains("Connection refused"), "{cause}");
}

#[tokio::test]
async fn a_decision_is_not_asked_for_again() {
    for (code, expected) in [
        ("insufficient_funds", Code::InsufficientFunds),
        (
            "of_a_newer_server",
            Code::Other("of_a_newer_server".to_owned()),
        ),
    ] {
        let body = json!({"status": 422, "code": code, "detail": "no", "available": 3});
        let script = Script::new([success(422, "", &body)]);
        let error = script.client().transfer(&new_transfer()).await.unwrap_err();
        assert_eq!(error.code(), Some(&expected));
        assert_eq!(error.problem().unwrap().figure("available"), Some(3));
        assert_eq!(error.to_string(), format!("no ({code})"));
        assert_eq!(script.arrived().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_atomic_batch_has_the_outcome_of_each_command() {
    let refused = json!({"status": 422, "code": "insufficient_funds", "detail": "no"});
    let body = json!({
        "status": 422, "code": "batch_member_failed", "detail": "nothing was applied", "index": 0, "id": new_id(),
        "atomic": true,
        "outcomes": [{"status": 422, "code": "insufficient_funds", "replayed": false, "problem": refused}],
    });
    let script = Script::new([success(422, "", &body)]);
    let batch = NewBatch::atomic_new(vec![Command::Transfer(new_transfer())]);
    let Err(Error::BatchRefused(refused)) = script.client().batch(&batch).await else {
        panic!("it was not refused")
    };
    assert_eq!(refused.problem.code, Code::BatchMemberFailed);
    assert_eq!(refused.batch.index, Some(0));
    let first = refused.batch.outcomes[0].problem.as_ref().unwrap();
    assert_eq!(first.code, Code::InsufficientFunds);
}

#[tokio::test]
async fn another_server_is_named_as_such() {
    let script = Script::new([Step::Answer(200, "", "<html>hello</html>".to_owned())]);
    let error = script.client().transfer(&new_transfer()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is this a server of Lastro, and of this version?"),
        "{error}"
    );
    // A redirect is not followed: the key would go elsewhere.
    let script = Script::new([Step::Answer(
        307,
        "location: http://127.0.0.1:1/\r\n",
        String::new(),
    )]);
    let error = script.client().transfer(&new_transfer()).await.unwrap_err();
    assert_eq!(error.code(), Some(&Code::Other("http_307".to_owned())));
}

#[tokio::test]
async fn a_dry_run_changes_nothing_so_nothing_is_unknown_of_it() {
    let script = Script::new([Step::Cut, Step::Silence]);
    let ledger = client(&script.url, Duration::from_millis(300));
    let error = ledger.preview(&new_transfer()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let arrived = script.arrived();
    assert!(
        arrived
            .iter()
            .all(|request| request.json()["dry_run"] == true)
    );
}

#[tokio::test]
async fn the_key_and_the_path_of_a_proxy_are_sent() {
    let script = Script::new([success(200, "", &account())]);
    let options = ClientOptions {
        key: Some(ClientKey::new("s3cret")),
        ..ClientOptions::new(format!("{}/bank/", script.url))
    };
    let ledger = Client::with(&options).unwrap();
    ledger.account(&id("users:42")).await.unwrap();
    let request = script.arrived().remove(0);
    assert_eq!(request.line, "GET /bank/v1/accounts/users:42 HTTP/1.1");
    assert!(
        request.head.contains("authorization: bearer s3cret\r\n"),
        "{}",
        request.head
    );
}
