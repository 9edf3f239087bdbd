//! What every handler runs under: the request's clock, the guard against panics, the metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};

use crate::app::Shared;
use crate::call::{Answered, Call};
use crate::measure::{self, Route};
use crate::problem::Problem;
use crate::{errors, panics};

/// A route that answers GET and HEAD.
pub(crate) fn get_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<Shared>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    get(move |State(shared), request| measured(shared, route, request, handler))
}

/// A route that answers POST.
pub(crate) fn post_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<Shared>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    post(move |State(shared), request| measured(shared, route, request, handler))
}

/// A route that answers PATCH.
pub(crate) fn patch_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<Shared>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    patch(move |State(shared), request| measured(shared, route, request, handler))
}

/// Runs a handler.
pub(crate) async fn measured<H, F>(
    shared: Arc<Shared>,
    route: Route,
    request: Request,
    handler: H,
) -> Response
where
    H: Fn(Call, Request) -> F,
    F: Future<Output = Answered>,
{
    let started = Instant::now();
    let method = measure::method_index(request.method());
    let answered = match check_head(&shared, &request) {
        Err(problem) => Err(problem),
        Ok(()) => {
            let call = Call::new(Arc::clone(&shared), started);
            unless_panicking(route, async { handler(call, request).await }).await
        }
    };
    let response = answered.unwrap_or_else(IntoResponse::into_response);
    shared
        .metrics
        .count_request(route, method, response.status(), started);
    response
}

fn check_head(shared: &Shared, request: &Request) -> Result<(), Problem> {
    if !shared.app.hosts.admit(request) {
        return Err(errors::host_not_served());
    }
    if !shared.app.hosts.admit_change(request) {
        return Err(errors::cross_site());
    }
    let bytes_max = shared.app.limits.uri_bytes_max;
    let uri = request.uri();
    let query_bytes = uri.query().map_or(0, str::len);
    if uri.path().len() + query_bytes > bytes_max {
        return Err(errors::uri_too_long(bytes_max));
    }
    Ok(())
}

/// A panic is logged once, here, and answered 500; this connection and all others go on.
async fn unless_panicking(route: Route, future: impl Future<Output = Answered>) -> Answered {
    panics::caught(future).await.unwrap_or_else(|text| {
        tracing::error!(
            route = route.label(),
            "a handler panicked and its request was answered with 500: {text}"
        );
        Err(errors::internal())
    })
}
