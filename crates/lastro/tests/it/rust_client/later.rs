//! What happens later: queued transfers, events, payments, webhooks; every call, with what it answers.

use std::time::{Duration, Instant};

use lastro_client::{
    Client, Code, DeliveriesQuery, DeliveryState, EndpointState, EventsQuery, NewPayment,
    PaymentState, PaymentsQuery, QueuedState, ResolutionKind, Resolve, UnsettledPaymentsQuery,
    new_id,
};
use processor::{ProcessorSettings, Running};
use testkit::LastroProcess;

use super::{PATIENCE, code, deposit, id, open};
use crate::support::{binary, folder, serve, write_private};

#[tokio::test]
async fn operations_are_applied_later_and_events_tell_of_it() {
    let folder = folder();
    let server = serve(folder.path());
    let client = Client::new(server.url()).unwrap();
    let user = open(&client, 0).await;
    let latest = EventsQuery {
        after: Some("latest".to_owned()),
        ..EventsQuery::default()
    };
    let start = client.events_page(&latest, 0).await.unwrap();
    assert_eq!(start.events, []);
    let later = deposit(&user, 9);
    let queued = client.operate(&later).await.unwrap();
    assert!(matches!(
        queued.record.state,
        QueuedState::Queued | QueuedState::Applied
    ));
    let query = EventsQuery {
        after: Some(start.next),
        types: vec!["transfer.posted".to_owned()],
        account: Some(user.clone()),
        limit: Some(1),
    };
    let mut events = client.follow(query);
    let event = tokio::time::timeout(PATIENCE, events.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(event.transfer.unwrap().id, later.id);
    assert_eq!(events.position(), Some(event.position.as_str()));
    // The ledger has it: the node that accepted it learns of that a moment later.
    let give_up = Instant::now() + PATIENCE;
    loop {
        let found = client.operation(later.id).await.unwrap();
        if found.state == QueuedState::Applied {
            break;
        }
        assert!(Instant::now() < give_up, "{found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        code(client.operation(new_id()).await),
        Code::OperationNotFound
    );
}

#[tokio::test]
async fn payments_are_made_settled_listed_and_resolved() {
    let folder = folder();
    let settings = ProcessorSettings::official("default");
    let processor = Running::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let named = format!("default={}", processor.url());
    let arguments = ["--demo", "--processor", &named];
    let server = LastroProcess::serve(&binary(), folder.path(), &arguments).unwrap();
    let client = Client::new(server.url()).unwrap();
    let user = open(&client, 100).await;
    let new = NewPayment {
        account_id: Some(user.clone()),
        reference: Some("order 7".to_owned()),
        ..NewPayment::new(60, "BRL", "invoice 88")
    };
    assert_eq!(
        client.preview(&new).await.unwrap().record.state,
        PaymentState::Accepted
    );
    let paid = client.pay(&new).await.unwrap();
    let again = client.pay(&new).await.unwrap();
    assert_eq!((paid.replayed, again.replayed), (false, true));
    assert_eq!(again.record.reference, new.reference);
    let poor = NewPayment {
        id: new_id(),
        amount: 41,
        ..new.clone()
    };
    assert_eq!(code(client.pay(&poor).await), Code::InsufficientFunds);
    let give_up = Instant::now() + PATIENCE;
    let settled = loop {
        let found = client.payment(new.id).await.unwrap();
        if found.state == PaymentState::Settled {
            break found;
        }
        assert!(Instant::now() < give_up, "{found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(settled.processor.as_deref(), Some("default"));
    for state in PaymentState::KNOWN {
        let query = PaymentsQuery {
            state: Some(state.clone()),
            account: Some(user.clone()),
            reference: new.reference.clone(),
            ..PaymentsQuery::default()
        };
        let mut payments = client.payments(query);
        let mut listed = Vec::new();
        while let Some(payment) = payments.next().await.unwrap() {
            listed.push(payment.id);
        }
        let expected: &[_] = match *state == settled.state {
            true => &[new.id],
            false => &[],
        };
        assert_eq!(listed, expected, "{state}");
    }
    let mut payments = client.payments(PaymentsQuery {
        account: Some(user.clone()),
        ..PaymentsQuery::default()
    });
    let listed = payments.next().await.unwrap().unwrap();
    assert_eq!((listed.id, &listed.state), (new.id, &settled.state));
    assert_eq!(payments.next().await, Ok(None));
    let mut unknown = client.unsettled_payments(UnsettledPaymentsQuery::default());
    assert_eq!(unknown.next().await, Ok(None));
    let resolve = Resolve {
        resolution: ResolutionKind::Refuse,
        attempt: settled.attempt,
        who: "ana".to_owned(),
        why: "too late".to_owned(),
        requested_at: None,
    };
    assert_eq!(
        code(client.resolve(new.id, &resolve).await),
        Code::PaymentInOtherState
    );
    assert_eq!(code(client.payment(new_id()).await), Code::PaymentNotFound);
}

#[tokio::test]
async fn webhooks_are_looked_at_and_steered() {
    let folder = folder();
    let (config, secret) = (
        folder.path().join("lastro.toml"),
        folder.path().join("secret"),
    );
    write_private(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let text = format!(
        "[webhooks.orders]\nurl = 'http://127.0.0.1:9'\nallow_private = true\ntypes = ['transfer.posted']\nsecret_files = ['{}']\n",
        secret.display()
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["--demo", "--config", config.to_str().unwrap()];
    let data_dir = folder.path().join("data");
    let server = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    let client = Client::new(server.url()).unwrap();
    client.transfer(&deposit(&id("1"), 5)).await.unwrap();
    let waiting = DeliveriesQuery {
        state: Some(DeliveryState::Waiting),
        limit: Some(10),
    };
    let give_up = Instant::now() + PATIENCE;
    let delivery = loop {
        let mut found = client.deliveries("orders", &waiting).await.unwrap();
        if let Some(delivery) = found.pop().filter(|delivery| delivery.last_try.is_some()) {
            break delivery;
        }
        assert!(Instant::now() < give_up, "nothing was sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(delivery.event_type, "transfer.posted");
    assert!(delivery.last_try.unwrap().failure.is_some());
    let endpoints = client.webhooks().await.unwrap();
    assert_eq!((endpoints.len(), endpoints[0].name.as_str()), (1, "orders"));
    let off = client.disable_webhook("orders").await.unwrap();
    assert_eq!(off.state, EndpointState::Disabled);
    let on = client.enable_webhook("orders").await.unwrap();
    assert_ne!(on.state, EndpointState::Disabled);
    client.retry_webhook("orders").await.unwrap();
    client.replay_webhook("orders", "beginning").await.unwrap();
    assert_eq!(
        code(client.replay_webhook("orders", "nowhere").await),
        Code::PositionInvalid
    );
    assert_eq!(
        code(client.retry_webhook("none").await),
        Code::WebhookNotFound
    );
}
