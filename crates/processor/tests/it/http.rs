//! The challenge's API over HTTP: paths, statuses, bodies, the token.

use reqwest::Method;
use serde_json::json;

use crate::support::{Served, ms, payment, read};

#[tokio::test]
async fn a_payment_is_recorded_found_and_refused_again() {
    let served = Served::start("default");
    let payment = payment();
    let path = format!("/payments/{}", payment.correlation_id);
    assert_eq!(served.get(&path).await.0, 404);
    let (status, body) = read(served.pay(&payment).await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(body["message"], "payment processed successfully");
    let expected = json!({
        "correlationId": payment.correlation_id,
        "amount": 19.9,
        "requestedAt": "2025-07-15T12:34:56.000Z",
    });
    assert_eq!(served.get(&path).await, (200, expected));
    assert_eq!(served.pay(&payment).await.unwrap().status(), 422);
    assert_eq!(served.get("/payments/no-id").await.0, 400);
    let request = served.client.post(served.url("/payments"));
    let answer = request.body(r#"{"amount": 1}"#).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_failure_has_no_body_and_too_many_are_told_when_to_come_again() {
    let served = Served::start("default");
    served.running.processor().set_failing(true);
    let response = served.pay(&payment()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), "");

    let (status, body) = served.get("/payments/service-health").await;
    assert_eq!(
        (status, body),
        (200, json!({"failing": true, "minResponseTime": 0}))
    );
    // Of three more, two are held and one is refused.
    let ask = || served.client.get(served.url("/payments/service-health"));
    let (mut held, mut refused) = (0, 0);
    for answer in [ask(), ask(), ask()].map(|ask| tokio::spawn(ask.timeout(ms(700)).send())) {
        match answer.await.unwrap() {
            Ok(answer) => {
                assert_eq!(answer.status(), 429);
                assert_eq!(answer.headers()["retry-after"], "5");
                refused += 1;
            }
            Err(error) => {
                assert!(error.is_timeout(), "{error:?}");
                held += 1;
            }
        }
    }
    assert_eq!((held, refused), (2, 1));
}

/// The connection's end ends the handler, but not the payment.
#[tokio::test]
async fn a_connection_that_breaks_does_not_stop_its_payment() {
    let served = Served::start("default");
    let processor = served.running.processor();
    processor.set_delay(ms(300));
    let left = payment();
    let request = served.client.post(served.url("/payments")).json(&left);
    let error = request.timeout(ms(100)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let mut tries = 0;
    while processor.payment(left.correlation_id).is_none() {
        assert!(tries < 2_000, "it is not recorded");
        tries += 1;
        tokio::time::sleep(ms(5)).await;
    }
}

#[tokio::test]
async fn the_admin_needs_the_token() {
    let served = Served::start("default");
    let routes = [
        (Method::GET, "/admin/payments-summary", ""),
        (
            Method::PUT,
            "/admin/configurations/token",
            r#"{"token":"1"}"#,
        ),
        (Method::PUT, "/admin/configurations/delay", r#"{"delay":9}"#),
        (
            Method::PUT,
            "/admin/configurations/failure",
            r#"{"failure":true}"#,
        ),
        (Method::POST, "/admin/purge-payments", ""),
        (Method::PUT, "/admin/faults", "{}"),
        (
            Method::POST,
            "/admin/faults/refuse-connections",
            r#"{"ms":0}"#,
        ),
    ];
    for (method, path, body) in routes.clone() {
        for token in [None, Some("124"), Some("")] {
            let mut request = served.client.request(method.clone(), served.url(path));
            if let Some(token) = token {
                request = request.header("X-Rinha-Token", token);
            }
            let response = request.body(body).send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path} {token:?}");
        }
    }
    for ((method, path, body), expected) in
        routes.into_iter().skip(2).zip([200, 200, 200, 200, 204])
    {
        let (status, _) = served.admin(method, path, body).await;
        assert_eq!(status, expected, "{path}");
    }
    let path = "/admin/configurations/token";
    assert_eq!(
        served
            .admin(Method::PUT, path, r#"{"token":"new"}"#)
            .await
            .0,
        204
    );
    assert_eq!(
        served.admin(Method::PUT, path, r#"{"token":"x"}"#).await.0,
        401
    );
}

#[tokio::test]
async fn configurations_tell_what_they_were() {
    let served = Served::start("default");
    let path = "/admin/configurations/delay";
    let (status, body) = served.admin(Method::PUT, path, r#"{"delay":20}"#).await;
    assert_eq!(
        (status, body),
        (200, json!({"config": "delay", "was": 0, "is": 20}))
    );
    let path = "/admin/configurations/failure";
    let (status, body) = served.admin(Method::PUT, path, r#"{"failure":true}"#).await;
    let expected = json!({"config": "failure", "was": false, "is": true});
    assert_eq!((status, body), (200, expected));
    let (_, health) = served.get("/payments/service-health").await;
    assert_eq!(health, json!({"failing": true, "minResponseTime": 20}));
    for (path, body) in [
        ("delay", r#"{"delay":-1}"#),
        ("delay", r#"{"delay":3600001}"#),
        ("delay", ""),
        ("failure", r#"{"failure":1}"#),
        ("token", r#"{"token":null}"#),
    ] {
        let path = format!("/admin/configurations/{path}");
        let (status, _) = served.admin(Method::PUT, &path, body).await;
        assert_eq!(status, 400, "{path} {body}");
    }
}

#[tokio::test]
async fn summaries_are_exact_and_include_both_ends() {
    let served = Served::start("fallback");
    for millisecond in ["000", "500", "999"] {
        let mut payment = payment();
        payment.requested_at = format!("2025-07-15T12:34:56.{millisecond}Z")
            .parse()
            .unwrap();
        assert_eq!(served.pay(&payment).await.unwrap().status(), 200);
    }
    let summary = async |query: &str| {
        let path = format!("/admin/payments-summary{query}");
        let request = served.client.get(served.url(&path));
        let response = request.header("X-Rinha-Token", "123").send().await.unwrap();
        response.text().await.unwrap()
    };
    // 3 × 19.90, of which 15 % is 8.955: digit for digit.
    let all = r#"{"totalRequests":3,"totalAmount":59.7,"totalFee":8.955,"feePerTransaction":0.15}"#;
    assert_eq!(summary("").await, all);
    let from = "2025-07-15T12:34:56.000Z";
    let to = "2025-07-15T12:34:56.999Z";
    assert_eq!(summary(&format!("?from={from}&to={to}")).await, all);
    assert_eq!(
        summary(&format!("?from={to}")).await,
        all,
        "no bound at all"
    );
    let last = summary(&format!("?from={to}&to={to}")).await;
    assert!(
        last.starts_with(r#"{"totalRequests":1,"totalAmount":19.9,"#),
        "{last}"
    );
    let escaped = summary("?from=2025-07-15T12%3A34%3A56.001Z&to=2025-07-15T12%3A34%3A56.998Z");
    assert!(escaped.await.starts_with(r#"{"totalRequests":1,"#));
    let (status, _) = served
        .admin(Method::GET, "/admin/payments-summary?from=noon", "")
        .await;
    assert_eq!(status, 400);

    let (status, _) = served
        .admin(Method::POST, "/admin/purge-payments", "")
        .await;
    assert_eq!(status, 200);
    let none = r#"{"totalRequests":0,"totalAmount":0,"totalFee":0,"feePerTransaction":0.15}"#;
    assert_eq!(summary("").await, none);
}

#[test]
fn it_ends_when_dropped_and_its_address_is_free_again() {
    let served = Served::start("default");
    let address = served.running.address();
    drop(served);
    let settings = processor::ProcessorSettings::official("default");
    let running = processor::Running::start(address, settings.clone()).unwrap();
    let error = processor::Running::start(address, settings).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(running);
}
