//! What every handler runs under: the request's clock and id, the guard against panics, the metrics, the
//! access log.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};
use hyper::body::Body as _;
use ledger::Unavailable;

use crate::access_log::AccessLine;
use crate::call::{Answered, Call};
use crate::http_face::HttpFace;
use crate::keys::{Access, Caller, Key};
use crate::measure::{self, Route};
use crate::peer::Peer;
use crate::problem::{Problem, ProblemCode};
use crate::request_id::RequestId;
use crate::{access, errors, panics, traced};

/// A route, and what it asks of its callers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    route: Route,
    access: Access,
    is_of_challenge: bool,
}

impl Door {
    pub(crate) fn of(method: &Method, route: Route) -> Self {
        Self {
            route,
            access: access::of(method, route),
            is_of_challenge: access::is_of_challenge(route),
        }
    }
}

/// A route that answers GET and HEAD.
pub(crate) fn get_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<HttpFace>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    let door = Door::of(&Method::GET, route);
    get(move |State(face), request| answered(face, door, request, handler))
}

/// A route that answers POST.
pub(crate) fn post_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<HttpFace>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    let door = Door::of(&Method::POST, route);
    post(move |State(face), request| answered(face, door, request, handler))
}

/// A route that answers PATCH.
pub(crate) fn patch_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<HttpFace>>
where
    H: Fn(Call, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    let door = Door::of(&Method::PATCH, route);
    patch(move |State(face), request| answered(face, door, request, handler))
}

/// A route that answers GET and HEAD, also while there is no ledger yet.
pub(crate) fn probe_route<H, F>(route: Route, handler: H) -> MethodRouter<Arc<HttpFace>>
where
    H: Fn(Arc<HttpFace>, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    let door = Door::of(&Method::GET, route);
    get(move |State(face), request| {
        let handler = handler.clone();
        measured(face, door, request, move |face, _, request| {
            handler(face, request)
        })
    })
}

/// Runs a handler that needs the ledger.
async fn answered<H, F>(face: Arc<HttpFace>, door: Door, request: Request, handler: H) -> Response
where
    H: Fn(Call, Request) -> F,
    F: Future<Output = Answered>,
{
    let started = Instant::now();
    let handler = &handler;
    let with_ledger = move |face: Arc<HttpFace>, caller: Caller, request: Request| async move {
        match face.shared() {
            Some(shared) => handler(Call::new(Arc::clone(shared), caller, started), request).await,
            None => Err(opening(&face, &request)),
        }
    };
    measured(face, door, request, with_ledger).await
}

/// Runs a handler for a caller that is admitted.
pub(crate) async fn measured<H, F>(
    face: Arc<HttpFace>,
    door: Door,
    mut request: Request,
    handler: H,
) -> Response
where
    H: Fn(Arc<HttpFace>, Caller, Request) -> F,
    F: Future<Output = Answered>,
{
    let route = door.route;
    let started = Instant::now();
    let method = measure::method_index(request.method());
    let request_id = RequestId::settle(request.headers_mut());
    let mut spans = trace::Spans::default();
    let admitted = match check_head(&face, &request) {
        Ok(()) => admit(&face, door, &request),
        Err(problem) => Err(NotAdmitted {
            problem,
            shown: None,
        }),
    };
    let (shown, answered) = match admitted {
        Err(NotAdmitted { problem, shown }) => (shown, Err(problem)),
        Ok(caller) => {
            spans = traced::begin_http(&request, route, measure::METHODS[method], started);
            // Boxed: each layer around it would have it twice, as an argument and as what it waits for, and
            // all of that is moved for each request.
            let handling =
                Box::pin(async { handler(Arc::clone(&face), caller.clone(), request).await });
            let handling = trace::within(spans.places(), handling);
            let answered = unless_panicking(route, &request_id, handling).await;
            (caller.key(), answered)
        }
    };
    let mut response =
        answered.unwrap_or_else(|problem| problem.answering(&request_id).into_response());
    let code = response.extensions().get().map(|ProblemCode(code)| *code);
    let status = response.status();
    let elapsed = started.elapsed();
    face.metrics.count_request(route, method, status, elapsed);
    let line = AccessLine {
        request_id: &request_id,
        key: shown.as_deref().map(Key::name),
        method: measure::METHODS[method],
        route,
        status: status.as_u16(),
        code,
        elapsed,
        answer_bytes: response.body().size_hint().exact(),
    };
    line.log();
    traced::end_http(spans, &line);
    request_id.echo(response.headers_mut());
    response
}

/// The answer while there is no ledger yet.
fn opening(face: &HttpFace, request: &Request) -> Problem {
    let mut problem = if matches!(*request.method(), Method::GET | Method::HEAD) {
        Problem::of_read(Unavailable::Opening)
    } else {
        Problem::from(Unavailable::Opening)
    };
    if let Some(seconds) = face.readiness().retry_after_s {
        problem.retry_after_s = Some(seconds);
    }
    problem
}

/// A request that is answered at the door.
struct NotAdmitted {
    problem: Problem,
    /// The key that was shown, if it is known here.
    shown: Option<Arc<Key>>,
}

/// Whose request it is.
fn admit(face: &HttpFace, door: Door, request: &Request) -> Result<Caller, NotAdmitted> {
    let peer = Peer::of(request.extensions());
    let keys = face.keys();
    let admitted = keys.admit(request.headers(), peer, door.access, door.is_of_challenge);
    admitted.map_err(|turned_away| NotAdmitted {
        problem: turned_away.denied.into(),
        shown: turned_away.key,
    })
}

/// Whether the request's head is one that is answered.
fn check_head(face: &HttpFace, request: &Request) -> Result<(), Problem> {
    if !face.hosts().admit(request) {
        return Err(errors::host_not_served());
    }
    if !face.hosts().admit_change(request) {
        return Err(errors::cross_site());
    }
    let bytes_max = face.limits().uri_bytes_max;
    let uri = request.uri();
    let query_bytes = uri.query().map_or(0, str::len);
    if uri.path().len() + query_bytes > bytes_max {
        return Err(errors::uri_too_long(bytes_max));
    }
    Ok(())
}

/// A panic is logged once, here, and answered 500; this connection and all others go on.
async fn unless_panicking(
    route: Route,
    request_id: &RequestId,
    future: impl Future<Output = Answered>,
) -> Answered {
    panics::caught(future).await.unwrap_or_else(|text| {
        tracing::error!(
            route = route.label(),
            request_id = request_id.as_str(),
            "a handler panicked and its request was answered with 500: {text}"
        );
        Err(errors::internal())
    })
}
