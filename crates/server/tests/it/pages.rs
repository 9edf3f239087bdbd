//! `GET /`, `/docs`, `/docs/errors`: what the server says of itself.

use std::collections::BTreeSet;

use reqwest::{Method, Response};
use serde_json::Value;
use server::Hosts;

use crate::support::{Face, Keyring, Setup, five, five_accounts};

const PAGES: [&str; 3] = ["/", "/docs", "/docs/errors"];

async fn get(face: &Face, path: &str, accept: &str) -> Response {
    let request = face.request(Method::GET, path).header("Accept", accept);
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn pages_are_html_that_runs_nothing() {
    let (face, _) = five().await;
    for path in PAGES {
        let response = get(&face, path, "text/html,*/*;q=0.8").await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(
            header(&response, "content-type"),
            "text/html; charset=utf-8"
        );
        let policy = header(&response, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{policy}"
        );
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        let text = response.text().await.unwrap();
        assert!(text.starts_with("<!DOCTYPE html>"), "{path}");
        // An example may have an address; nothing may lead there.
        for foreign in ["<script", "style=", "=\"http", "='http", "url(", "src="] {
            assert!(!text.contains(foreign), "{path}: {foreign}");
        }
        let without_key = face.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(without_key.status(), 200, "HEAD {path}");
        let posted = face.request(Method::POST, path).send().await.unwrap();
        assert_eq!(posted.status(), 405, "POST {path}");
    }
    let style = get(&face, "/docs/style.css", "*/*").await;
    assert_eq!(
        (style.status().as_u16(), header(&style, "content-type")),
        (200, "text/css; charset=utf-8")
    );
    let style = style.text().await.unwrap();
    assert!(style.contains("prefers-color-scheme: dark") && !style.contains("url("));
}

#[tokio::test]
async fn the_index_is_json_where_that_is_asked_for() {
    let (face, _) = five().await;
    let response = get(&face, "/", "application/json").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "vary"), "accept");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    for (name, path) in body["links"].as_object().unwrap() {
        let answer = get(&face, path.as_str().unwrap(), "*/*").await;
        assert_eq!(answer.status(), 200, "{name}");
    }
    let page = get(&face, "/", "*/*").await;
    assert!(page.text().await.unwrap().contains("/docs/errors"));
}

/// What is behind a `#` in links of a page, and what is there.
fn anchors(page: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let behind = |mark: &str| -> BTreeSet<_> {
        let parts = page.split(mark).skip(1);
        parts.map(|part| part.split('"').next().unwrap()).collect()
    };
    (behind("href=\"#"), behind(" id=\""))
}

#[tokio::test]
async fn every_link_of_a_page_leads_somewhere() {
    let (face, _) = five().await;
    for path in PAGES {
        let page = get(&face, path, "text/html").await.text().await.unwrap();
        let (asked, there) = anchors(&page);
        let missing: Vec<_> = asked.difference(&there).collect();
        assert!(missing.is_empty(), "{path}: {missing:?}");
    }
}

#[tokio::test]
async fn the_reference_has_every_operation_and_the_codes_have_their_places() {
    let (face, _) = five().await;
    let page = get(&face, "/docs", "*/*").await.text().await.unwrap();
    let (_, there) = anchors(&page);
    let document: Value = serde_json::from_str(&server::openapi_json()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(there.contains(id), "{path}: {id}");
        }
    }
    let page = get(&face, "/docs/errors", "*/*")
        .await
        .text()
        .await
        .unwrap();
    let (_, there) = anchors(&page);
    let codes = &document["components"]["schemas"]["ProblemCode"]["enum"];
    for code in codes.as_array().unwrap() {
        assert!(there.contains(code.as_str().unwrap()), "{code}");
    }
    let problem = face.get("/nowhere").await;
    let place = problem.body["type"]
        .as_str()
        .unwrap()
        .strip_prefix("/docs/errors#");
    assert!(
        place.is_some_and(|place| there.contains(place)),
        "{problem:?}"
    );
}

#[tokio::test]
async fn pages_need_no_key_and_obey_the_hosts() {
    let keyring = Keyring::new();
    let setup = Setup {
        keys: keyring.keys,
        hosts: Hosts::local_and(Vec::new()),
        ..Setup::over(five_accounts().await)
    };
    let face = setup.start().await;
    assert_eq!(face.get("/v1/accounts/1").await.status, 401);
    for path in PAGES.into_iter().chain(["/docs/style.css"]) {
        assert_eq!(get(&face, path, "*/*").await.status(), 200, "{path}");
        let foreign = face
            .request(Method::GET, path)
            .header("Host", "evil.example");
        assert_eq!(foreign.send().await.unwrap().status(), 421, "{path}");
    }
}
