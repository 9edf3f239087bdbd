//! `ListEvents` as a generated client sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::v1;
use proto::v1::event::Event;
use proto::v1::ledger_client::LedgerClient;
use server::{AlwaysReady, GrpcLimits};
use tonic::{Code, Request};

use crate::grpc::{node_with, open, reference, submit};
use crate::support::{Double, Manner};

fn question(after: &[u8], wait_ms: u32) -> v1::ListEventsRequest {
    v1::ListEventsRequest {
        after: after.to_vec(),
        limit: 10,
        bytes_max: 1 << 20,
        wait_ms,
        ..v1::ListEventsRequest::default()
    }
}

fn opened(answer: &v1::ListEventsResponse) -> Vec<&str> {
    let events = answer.events.iter().map(|event| &event.event);
    let ids = events.map(|event| match event {
        Some(Event::AccountOpened(account)) => account.id.as_str(),
        other => panic!("{other:?}"),
    });
    ids.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_and_waited_for() {
    let double = Double::new(reference(), Manner::Well);
    let node = node_with(double, Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let empty = client.list_events(question(&[], 0)).await.unwrap();
    let empty = empty.into_inner();
    assert_eq!((empty.events.len(), empty.next.len()), (0, 24));
    client
        .submit(submit(vec![open("a"), open("b")]))
        .await
        .unwrap();
    let two = client.list_events(question(&[], 0)).await.unwrap();
    let two = two.into_inner();
    assert_eq!(opened(&two), ["a", "b"]);
    assert_eq!(two.events[1].position, two.next);
    let behind_first = question(&two.events[0].position, 0);
    let one = client.list_events(behind_first).await.unwrap();
    assert_eq!(opened(&one.into_inner()), ["b"]);

    let mut from_now = question(&[], 20_000);
    from_now.from_now = true;
    let mut waiting = LedgerClient::new(node.channel.clone());
    let mut request = Request::new(from_now);
    request.set_timeout(Duration::from_secs(25));
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { waiting.list_events(request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.submit(submit(vec![open("c")])).await.unwrap();
    let woken = waiting.await.unwrap().unwrap();
    assert_eq!(opened(&woken.into_inner()), ["c"]);
    assert!(begun.elapsed() < Duration::from_secs(10));

    // The answer comes before the deadline also where it waits for longer.
    let newest = question(&two.next, 0);
    let next = client.list_events(newest).await.unwrap().into_inner().next;
    let mut request = Request::new(question(&next, 60_000));
    request.set_timeout(Duration::from_millis(800));
    let begun = Instant::now();
    let none = client.list_events(request).await.unwrap().into_inner();
    assert_eq!((none.events.len(), &none.next), (0, &next));
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

/// A quarter of the calls may wait: those that only ask are answered however many would.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_where_too_many_do_is_answered_at_once() {
    let double = Double::new(reference(), Manner::Well);
    let limits = GrpcLimits {
        calls_max: 4,
        ..GrpcLimits::default()
    };
    let node = node_with(double, Arc::new(AlwaysReady), limits).await;
    let ask = || {
        let mut client = LedgerClient::new(node.channel.clone());
        let mut request = Request::new(question(&[], 50_000));
        request.set_timeout(Duration::from_secs(60));
        tokio::spawn(async move { client.list_events(request).await })
    };
    // Whichever of the two comes first waits, and the other is answered.
    let (one, other) = (ask(), ask());
    let (answered, waiting) = match futures_util::future::select(one, other).await {
        futures_util::future::Either::Left(both) => both,
        futures_util::future::Either::Right(both) => both,
    };
    let answered = answered.unwrap().unwrap().into_inner();
    assert!(answered.events.is_empty());
    assert!(!waiting.is_finished());
    let mut client = LedgerClient::new(node.channel.clone());
    client.submit(submit(vec![open("a")])).await.unwrap();
    let woken = waiting.await.unwrap().unwrap();
    assert_eq!(opened(&woken.into_inner()), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_position_is_told_apart() {
    let double = Double::new(reference(), Manner::Well);
    let node = node_with(double, Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let unknown = client.list_events(question(&[7; 24], 1_000)).await.unwrap();
    assert_eq!(unknown.into_inner(), v1::ListEventsResponse::default());
    let short = client.list_events(question(&[7; 23], 0)).await.unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_does_not_hold_up_a_stop() {
    let double = Double::new(reference(), Manner::Well);
    let node = node_with(double, Arc::new(AlwaysReady), GrpcLimits::default()).await;
    let mut client = LedgerClient::new(node.channel.clone());
    let mut request = Request::new(question(&[], 30_000));
    request.set_timeout(Duration::from_secs(40));
    let waiting = tokio::spawn(async move { client.list_events(request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    node.stop.send(()).unwrap();
    let answer = waiting.await.unwrap().unwrap();
    assert!(answer.into_inner().events.is_empty());
    drop(node.channel);
    assert_eq!(node.serving.await.unwrap().requests_cut, 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
