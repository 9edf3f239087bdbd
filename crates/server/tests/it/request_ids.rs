//! Each request has an id: the caller's, or one made here.

use reqwest::Method;

use crate::support::five;

#[tokio::test]
async fn a_callers_id_is_answered_and_is_in_the_problem() {
    let (face, _) = five().await;
    for (path, status) in [
        ("/v1/accounts/1", 200),
        ("/v1/accounts/nobody", 404),
        ("/nowhere", 404),
    ] {
        let request = face.request(Method::GET, path);
        let response = request
            .header("X-Request-Id", "shop:42/7")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["x-request-id"], "shop:42/7", "{path}");
        let body: serde_json::Value = response.json().await.unwrap();
        if status == 404 {
            assert_eq!(body["request_id"], "shop:42/7", "{path}");
        } else {
            assert!(body.get("request_id").is_none(), "{body}");
        }
    }
}

#[tokio::test]
async fn without_a_fit_one_an_id_is_made() {
    let (face, _) = five().await;
    let mut made = Vec::new();
    for given in [None, Some("two words"), Some("\"quoted\"")] {
        let mut request = face.request(Method::GET, "/healthz");
        if let Some(given) = given {
            request = request.header("X-Request-Id", given);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        made.push(
            response.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
    }
    let is_made = |id: &String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(made.iter().all(is_made), "{made:?}");
    assert!(made[0] != made[1] && made[1] != made[2], "{made:?}");
}

#[tokio::test]
async fn a_head_that_is_not_whole_is_answered_with_an_id_too() {
    let (face, _) = five().await;
    let mut raw = face.raw().await;
    raw.send(b"GET /healthz HTTP/1.1\r\nx-request-id: mine\r\n\r\n")
        .await;
    let answer = raw.answer().await.unwrap();
    assert_eq!(answer.problem(), (400, "host_invalid".to_owned()));
    assert_eq!(answer.json()["request_id"], "mine");
    assert!(
        answer.head.contains("x-request-id: mine"),
        "{}",
        answer.head
    );
}
