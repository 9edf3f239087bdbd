//! A request's answer, in whichever version of HTTP.

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Request, Response};
use axum::response::IntoResponse;
use tower::Service;

use crate::problem::Problem;
use crate::request_id::RequestId;

/// The router's answer, or `refused`, with the headers that every answer has.
pub(crate) async fn answer(
    mut router: Router,
    request: Request<Body>,
    refused: Option<Problem>,
) -> Response<Body> {
    let mut response = match refused {
        Some(problem) => {
            let request_id = RequestId::of(request.headers());
            let mut response = problem.answering(&request_id).into_response();
            request_id.echo(response.headers_mut());
            response
        }
        None => {
            let Ok(response) = router.call(request).await;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}
