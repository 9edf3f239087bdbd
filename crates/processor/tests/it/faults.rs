//! The faults to order, in process with time that is paused, and the ones of connections over HTTP.

use std::time::Duration;

use processor::{Faults, FaultyAnswer, Reply};
use reqwest::Method;
use serde_json::json;

use crate::support::{Served, ms, payment, processor, read};

#[tokio::test(start_paused = true)]
async fn late_recording_while_repeats_are_refused() {
    let processor = processor();
    processor.set_faults(Faults::record_late(Duration::from_secs(3)));
    let late = payment();
    assert_eq!(
        processor.pay(late).await,
        Reply::Faulty(FaultyAnswer::Never)
    );
    assert_eq!(processor.payment(late.correlation_id), None);
    assert_eq!(processor.pay(late).await, Reply::Busy);
    tokio::time::sleep(ms(3_001)).await;
    assert_eq!(processor.payment(late.correlation_id), Some(late));
    assert_eq!(processor.pay(late).await, Reply::Busy);
    processor.set_faults(Faults::default());
    assert_eq!(processor.pay(late).await, Reply::AlreadyRecorded);
    assert_eq!(processor.pay(payment()).await, Reply::Recorded);
}

#[tokio::test(start_paused = true)]
async fn one_in_so_many_and_only_what_would_be_recorded() {
    let processor = processor();
    processor.set_faults(Faults {
        every_nth: 3,
        ..Faults::drop_after_recording()
    });
    let mut replies = Vec::new();
    for _ in 0..6 {
        replies.push(processor.pay(payment()).await);
    }
    let dropped = Reply::Faulty(FaultyAnswer::Drop);
    let good = Reply::Recorded;
    let expected = [&good, &good, &dropped, &good, &good, &dropped];
    assert_eq!(replies.iter().collect::<Vec<_>>(), expected);
    assert_eq!(processor.payments().len(), 6, "dropped, but recorded");
    processor.set_faults(Faults::drop_after_recording());
    processor.set_failing(true);
    assert_eq!(processor.pay(payment()).await, Reply::Failing);
    assert_eq!(processor.payments().len(), 6);
}

#[tokio::test]
async fn a_dropped_connection_ends_without_an_answer_and_the_repeat_is_known() {
    let served = Served::start("default");
    let processor = served.running.processor();
    processor.set_faults(Faults::drop_after_recording());
    let dropped = payment();
    let error = served.pay(&dropped).await.unwrap_err();
    assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
    assert_eq!(processor.payment(dropped.correlation_id), Some(dropped));
    assert_eq!(served.pay(&dropped).await.unwrap().status(), 422);
}

#[tokio::test]
async fn faults_are_ordered_over_http_too() {
    let served = Served::start("default");
    let order = json!({"answer": {"status": {"status": 500, "body": "recorded"}}, "everyNth": 1});
    let (status, is) = served
        .admin(Method::PUT, "/admin/faults", &order.to_string())
        .await;
    assert_eq!(status, 200);
    assert_eq!(is["answer"], order["answer"]);
    let failed = payment();
    let response = served.pay(&failed).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), "recorded");
    let path = format!("/payments/{}", failed.correlation_id);
    assert_eq!(served.get(&path).await.0, 200);
    assert_eq!(
        served.running.processor().faults().answer,
        Faults {
            answer: FaultyAnswer::Status {
                status: 500,
                body: "recorded".to_owned()
            },
            ..Faults::fail_after_recording()
        }
        .answer
    );
    // Nothing named is nothing on.
    let (status, is) = served.admin(Method::PUT, "/admin/faults", "{}").await;
    let none = json!({
        "answer": "right", "recordAfterMs": 0, "refuseRepeats": false, "everyNth": 1
    });
    assert_eq!((status, &is), (200, &none));
    assert_eq!(served.admin(Method::GET, "/admin/faults", "").await.1, none);
    assert_eq!(served.pay(&payment()).await.unwrap().status(), 200);
    for wrong in [
        r#"{"everyNth": 0}"#,
        r#"{"recordAfterMs": 3600001}"#,
        r#"{"answer": {"status": {"status": 99}}}"#,
        r#"{"dropConnections": true}"#,
    ] {
        let (status, _) = served.admin(Method::PUT, "/admin/faults", wrong).await;
        assert_eq!(status, 400, "{wrong}");
    }
    assert_eq!(served.running.processor().faults(), Faults::default());
}

#[tokio::test]
async fn a_caller_without_an_answer_waits_until_it_gives_up() {
    let served = Served::start("default");
    let processor = served.running.processor();
    processor.set_faults(Faults {
        answer: FaultyAnswer::Never,
        ..Faults::default()
    });
    let silent = payment();
    let request = served.client.post(served.url("/payments")).json(&silent);
    let error = request.timeout(ms(200)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(processor.payment(silent.correlation_id), Some(silent));
}

#[tokio::test]
async fn connections_are_refused_for_a_while_at_the_same_address() {
    let served = Served::start("default");
    let processor = served.running.processor();
    // A request in progress is answered before its connection is closed.
    processor.set_delay(ms(300));
    let in_progress = payment();
    let on_its_way = served.pay(&in_progress);
    let order = async {
        tokio::time::sleep(ms(100)).await;
        let body = r#"{"ms": 60000}"#;
        let path = "/admin/faults/refuse-connections";
        served.admin(Method::POST, path, body).await.0
    };
    let (answer, status) = tokio::join!(on_its_way, order);
    assert_eq!(status, 204);
    assert_eq!(read(answer.unwrap()).await.0, 200);
    let error = served.pay(&payment()).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    processor.refuse_connections(Duration::ZERO);
    processor.set_delay(ms(0));
    let mut tries = 0;
    while let Err(error) = served.pay(&payment()).await {
        assert!(error.is_connect() && tries < 1_000, "{error:?}");
        tries += 1;
        tokio::time::sleep(ms(5)).await;
    }
    assert_eq!(processor.payments().len(), 2);
}
