//! Pages for people: what this server is, its API, its error codes.
//!
//! Each is made once, from what the server itself has. They show nothing of the ledger, need no key, and
//! run no script; the policy that they are sent with lets a browser load their style sheet and nothing
//! else.

mod accept;
mod error_codes;
mod index;
mod layout;
mod reference;
mod schemas;
mod text;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::Bytes;
use maud::Markup;
use serde_json::Value;

use crate::call::Answered;
use crate::http_face::HttpFace;
use crate::json;

pub(crate) use self::index::IndexView;
pub(crate) use self::layout::STYLE_PATH;

/// Only the style sheet of the server itself: no script, no picture, no form, in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Shows what this server is: a page for browsers, JSON where `Accept` prefers it.
#[utoipa::path(
    get, path = "/", tag = "pages",
    responses(
        (status = 200, description = "What the server is, its version and where its documentation is", content(
            (IndexView = "application/json"),
            (String = "text/html"),
        )),
    )
)]
pub(crate) async fn index(_: Arc<HttpFace>, request: Request) -> Answered {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let mut response = if accept::prefers_json(request.headers()) {
        json::respond(StatusCode::OK, &IndexView::new())
    } else {
        html(PAGE.get_or_init(|| bytes(index::page())))
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Shows each error code: what it means, whether anything was done, and what to do.
///
/// The `type` of each problem leads to its code's place on this page.
#[utoipa::path(
    get, path = "/docs/errors", tag = "pages",
    responses((status = 200, description = "A page", content_type = "text/html", body = String))
)]
pub(crate) async fn error_codes(_: Arc<HttpFace>, _: Request) -> Answered {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    Ok(html(PAGE.get_or_init(|| bytes(error_codes::page()))))
}

/// `GET /docs/style.css`
pub(crate) async fn style(_: Arc<HttpFace>, _: Request) -> Answered {
    const STYLE: &[u8] = include_bytes!("pages/style.css");
    Ok(guarded(
        "text/css; charset=utf-8",
        Bytes::from_static(STYLE),
    ))
}

/// The reference of the API in this OpenAPI document, as a page.
pub(crate) fn reference_of(document: &Value) -> Bytes {
    bytes(reference::page(document))
}

fn bytes(page: Markup) -> Bytes {
    Bytes::from(page.into_string())
}

/// The answer with this page.
pub(crate) fn html(page: &Bytes) -> Response {
    guarded("text/html; charset=utf-8", page.clone())
}

fn guarded(content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
