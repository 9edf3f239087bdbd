//! Reads: lists that go on after an error, and answers that break off.

use lastro_client::{
    AccountId, AccountsQuery, DeliveriesQuery, DeliveryState, Error, EventsQuery, ListOrder,
    PaymentState, PaymentsQuery, PendingState, StatementQuery, TransferKind, TransfersQuery,
};
use serde_json::{Value, json};

use super::script::{Script, Step, account, success, transfer};

fn id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn refused() -> Step {
    let body = json!({"status": 401, "code": "unauthenticated", "detail": "the key was revoked"});
    success(401, "", &body)
}

fn accounts(ids: &[&str], next_cursor: Option<&str>) -> Step {
    let accounts: Vec<Value> = ids
        .iter()
        .map(|id| {
            let mut account = account();
            account["id"] = json!(id);
            account
        })
        .collect();
    success(
        200,
        "",
        &json!({"accounts": accounts, "next_cursor": next_cursor}),
    )
}

#[tokio::test]
async fn a_walk_goes_on_after_an_error_and_over_empty_pages() {
    let script = Script::new([
        accounts(&["a", "b"], Some("one")),
        refused(),
        accounts(&[], Some("two")),
        accounts(&["c"], None),
    ]);
    let client = script.client();
    let query = AccountsQuery {
        prefix: Some("x&y".to_owned()),
        closed: Some(false),
        ..AccountsQuery::default()
    };
    let mut walk = client.accounts(query);
    let mut walked = Vec::new();
    let mut errors_count = 0;
    loop {
        match walk.next().await {
            Ok(Some(account)) => walked.push(account.id.to_string()),
            Ok(None) => break,
            Err(_) => errors_count += 1,
        }
    }
    assert_eq!((walked.join(" "), errors_count), ("a b c".to_owned(), 1));
    assert_eq!(walk.next().await, Ok(None), "the end is the end");
    let path = "GET /v1/accounts?prefix=x%26y&closed=false";
    assert_eq!(
        lines(&script),
        [
            format!("{path} HTTP/1.1"),
            format!("{path}&cursor=one HTTP/1.1"),
            format!("{path}&cursor=one HTTP/1.1"),
            format!("{path}&cursor=two HTTP/1.1"),
        ]
    );
}

/// What was asked for, in its order.
fn lines(script: &Script) -> Vec<String> {
    let lines = script.arrived().into_iter().map(|request| request.line);
    lines.collect()
}

#[tokio::test]
async fn transfers_are_walked_over_empty_pages_and_lost_answers() {
    let page = |transfers: &[Value], next_cursor: Option<&str>| {
        let page = json!({"transfers": transfers, "next_cursor": next_cursor});
        success(200, "", &page)
    };
    let script = Script::new([
        page(&[transfer()], Some("one")),
        Step::Cut,
        page(&[], Some("two")),
        page(&[transfer()], None),
        page(&[], None),
    ]);
    let client = script.client();
    let query = TransfersQuery {
        reference: Some("x&y".to_owned()),
        kind: Some(TransferKind::Pend),
        state: Some(PendingState::Pending),
        from: Some("t1".to_owned()),
        to: Some("t2".to_owned()),
        order: Some(ListOrder::OldestFirst),
        limit: Some(2),
        ..TransfersQuery::of_account(&id("a"))
    };
    let mut walk = client.transfers(query);
    let mut count = 0;
    while let Some(found) = walk.next().await.unwrap() {
        assert_eq!(found.kind, TransferKind::Transfer);
        count += 1;
    }
    assert_eq!(count, 2);
    let query = TransfersQuery::of_reference("order 7");
    let page = client.transfers_page(&query, Some("one")).await.unwrap();
    assert_eq!((page.transfers, page.next_cursor), (Vec::new(), None));
    let path = "GET /v1/transfers?account=a&reference=x%26y&kind=pend&state=pending&from=t1&to=t2&order=asc&limit=2";
    assert_eq!(
        lines(&script),
        [
            format!("{path} HTTP/1.1"),
            format!("{path}&cursor=one HTTP/1.1"),
            format!("{path}&cursor=one HTTP/1.1"),
            format!("{path}&cursor=two HTTP/1.1"),
            "GET /v1/transfers?reference=order+7&cursor=one HTTP/1.1".to_owned(),
        ]
    );
}

#[tokio::test]
async fn payments_of_every_state_are_walked() {
    let payment = |state: &str| {
        json!({
            "id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b", "state": state, "attempt": 1, "currency": "BRL", "amount": 1,
            "accepted_at": "2026-01-01T00:00:00.000000001Z", "timestamp": "2026-01-01T00:00:00.000000002Z",
            "a_member_of_a_newer_server": true,
        })
    };
    let all = json!({"payments": [payment("settled"), payment("lost")], "next_cursor": "one"});
    let none = json!({"payments": [], "next_cursor": null});
    let script = Script::new([
        success(200, "", &all),
        success(200, "", &none),
        success(200, "", &none),
    ]);
    let client = script.client();
    let mut walk = client.payments(PaymentsQuery::default());
    let mut states = Vec::new();
    while let Some(found) = walk.next().await.unwrap() {
        states.push(found.state);
    }
    let lost = PaymentState::Other("lost".to_owned());
    assert_eq!(states, [PaymentState::Settled, lost]);
    let query = PaymentsQuery {
        state: Some(PaymentState::Refused),
        processor: Some("default".to_owned()),
        account: Some(id("a")),
        reference: Some("r".to_owned()),
        older_than_s: Some(0),
        from: Some("t1".to_owned()),
        to: Some("t2".to_owned()),
        order: Some(ListOrder::NewestFirst),
        limit: Some(100),
    };
    assert_eq!(client.payments(query).next().await, Ok(None));
    let narrow = "state=refused&processor=default&account=a&reference=r&older_than_s=0";
    assert_eq!(
        lines(&script),
        [
            "GET /v1/payments HTTP/1.1".to_owned(),
            "GET /v1/payments?cursor=one HTTP/1.1".to_owned(),
            format!("GET /v1/payments?{narrow}&from=t1&to=t2&order=desc&limit=100 HTTP/1.1"),
        ]
    );
}

fn events(positions: &[&str], next: &str) -> Step {
    let event = |position: &&str| {
        json!({
            "position": position, "type": "transfer.posted", "timestamp": "2026-01-01T00:00:00.000000001Z",
            "transfer": transfer(),
        })
    };
    let events: Vec<Value> = positions.iter().map(event).collect();
    success(200, "", &json!({"events": events, "next": next}))
}

#[tokio::test]
async fn events_are_followed_from_where_they_stand() {
    let script = Script::new([
        events(&["p1", "p2"], "p2"),
        refused(),
        events(&[], "p9"),
        events(&["p10"], "p10"),
    ]);
    let client = script.client();
    let query = EventsQuery {
        types: vec!["transfer.posted".to_owned(), "command.refused".to_owned()],
        ..EventsQuery::default()
    };
    let mut events = client.follow(query);
    assert_eq!(events.position(), None);
    assert_eq!(events.next().await.unwrap().position, "p1");
    assert_eq!(events.position(), Some("p1"), "p2 was not handed over yet");
    assert_eq!(events.next().await.unwrap().position, "p2");
    assert!(matches!(events.next().await, Err(Error::Refused(_))));
    assert_eq!(events.next().await.unwrap().position, "p10");
    let rest = "types=transfer.posted%2Ccommand.refused&wait_s=20 HTTP/1.1";
    assert_eq!(
        lines(&script),
        [
            format!("GET /v1/events?{rest}"),
            format!("GET /v1/events?after=p2&{rest}"),
            format!("GET /v1/events?after=p2&{rest}"),
            format!("GET /v1/events?after=p9&{rest}"),
        ]
    );
}

fn entry(number: u64) -> String {
    let entry = json!({
        "number": number, "transfer_id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b", "kind": "transfer",
        "debit_account_id": "a", "credit_account_id": "b", "amount": 1, "description": "é", "balance_after": -1,
        "timestamp": "2026-01-01T00:00:00.000000001Z",
    });
    format!("{entry}\n")
}

const BALANCES: &str =
    "lastro-opening-balance: -7\r\nlastro-closing-balance: 5\r\nlastro-entries: 2\r\n";

#[tokio::test]
async fn a_whole_statement_is_never_a_part() {
    let whole = Step::Answer(200, BALANCES, entry(1) + &entry(2));
    let short = Step::Answer(200, BALANCES, entry(1));
    let broken = Step::Half(BALANCES, entry(1) + "{\"number\":");
    let script = Script::new([whole, short, broken, Step::Answer(200, "", entry(1))]);
    let client = script.client();
    let query = StatementQuery::new(&id("a"));
    let mut statement = client.whole_statement(&query).await.unwrap();
    let figures = (
        statement.opening_balance(),
        statement.closing_balance(),
        statement.entries_count(),
    );
    assert_eq!(figures, (Some(-7), Some(5), Some(2)));
    assert_eq!(statement.next().await.unwrap().unwrap().number, Some(1));
    assert_eq!(statement.next().await.unwrap().unwrap().number, Some(2));
    assert_eq!(statement.next().await, Ok(None));
    for _ in 0..2 {
        let mut statement = client.whole_statement(&query).await.unwrap();
        statement.next().await.unwrap().unwrap();
        let error = statement.next().await.unwrap_err().to_string();
        assert!(
            error.contains("it broke off after 1 of 2 entries: "),
            "{error}"
        );
    }
    let error = client
        .whole_statement(&query)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("lastro-opening-balance"), "{error}");
    let line = &script.arrived()[0].line;
    assert_eq!(line, "GET /v1/accounts/a/statement?format=ndjson HTTP/1.1");
}

/// The system's accounts have no balances of the past: without the headers the end of the answer counts.
#[tokio::test]
async fn a_whole_statement_of_a_systems_account_has_no_balances() {
    let whole = Step::Answer(200, "", entry(1) + &entry(2));
    let broken = Step::Half("", entry(1) + "{\"number\":");
    let client = Script::new([whole, broken]).client();
    let query = StatementQuery::new(&id("world:BRL"));
    let mut statement = client.whole_statement(&query).await.unwrap();
    assert_eq!(
        (statement.opening_balance(), statement.entries_count()),
        (None, None)
    );
    for _ in 0..2 {
        statement.next().await.unwrap().unwrap();
    }
    assert_eq!(statement.next().await, Ok(None));
    let mut statement = client.whole_statement(&query).await.unwrap();
    statement.next().await.unwrap().unwrap();
    assert!(statement.next().await.is_err());
}

#[tokio::test]
async fn entries_of_the_systems_accounts_have_no_number_and_no_balance() {
    let mut account = account();
    account["id"] = json!("world:BRL");
    let mut entry: Value = serde_json::from_str(&entry(1)).unwrap();
    let members = entry.as_object_mut().unwrap();
    members.remove("number");
    members.remove("balance_after");
    let window = json!({"from": null, "to": null, "order": "asc"});
    let page =
        json!({"account": account, "window": window, "entries": [entry], "next_cursor": null});
    let script = Script::new([success(200, "", &page)]);
    let query = StatementQuery::new(&id("world:BRL"));
    let found = script.client().statement_page(&query, None).await.unwrap();
    let balances = found.window.clone().unwrap();
    assert_eq!(
        (balances.opening_balance, balances.closing_balance),
        (None, None)
    );
    assert_eq!(balances.entries_count, None);
    let first = &found.entries[0];
    assert_eq!((first.number, first.balance_after), (None, None));
    let printed = serde_json::to_value(&found).unwrap();
    assert_eq!(
        (&printed["window"], &printed["entries"][0]),
        (&window, &entry)
    );
}

#[tokio::test]
async fn names_are_escaped_in_paths() {
    let endpoint = json!({
        "name": "a/b c", "url": "https://a", "state": "active", "position": null, "waiting_count": 0,
        "requests_count": 0, "dead_letters_count": 0, "delivered_count": 0, "lag_ms": 0,
    });
    let script = Script::new([
        success(200, "", &json!({"deliveries": []})),
        success(200, "", &endpoint),
    ]);
    let client = script.client();
    let query = DeliveriesQuery {
        state: Some(DeliveryState::Dead),
        limit: Some(5),
    };
    assert_eq!(client.deliveries("a/b c", &query).await, Ok(Vec::new()));
    assert_eq!(client.retry_webhook("a/b c").await.unwrap().name, "a/b c");
    let arrived = script.arrived();
    let path = "/v1/webhooks/a%2Fb%20c";
    assert_eq!(
        arrived[0].line,
        format!("GET {path}/deliveries?state=dead&limit=5 HTTP/1.1")
    );
    assert_eq!(arrived[1].line, format!("POST {path}/retry HTTP/1.1"));
    assert_eq!(arrived[1].body, "");
}
