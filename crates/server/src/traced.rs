//! The spans of requests and calls at the faces.
//!
//! A caller that is not admitted leaves none: the access log and the metrics have it. Neither do probes,
//! which would be most of the traces of a quiet node.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::Request;
use axum::http::HeaderMap;
use proto::{GrpcCode, Method, SERVICE, TRACES_HEADER};
use trace::{Incoming, Spans};

use crate::access_log::AccessLine;
use crate::measure::Route;

/// The spans of a request over HTTP: one, or none.
pub(crate) fn begin_http(
    request: &Request,
    route: Route,
    method: &'static str,
    started: Instant,
) -> Spans {
    if !trace::is_on() || [Route::HEALTH, Route::READINESS].contains(&route) {
        return Spans::default();
    }
    let incoming = Incoming {
        traceparent: only(request.headers(), "traceparent"),
        others: None,
    };
    let name = || Cow::Owned(format!("{method} {}", route.label()));
    Spans::begin(incoming, name, started)
}

/// The end of a request over HTTP, with what the access log says of it.
pub(crate) fn end_http(mut spans: Spans, line: &AccessLine<'_>) {
    if spans.is_empty() {
        return;
    }
    spans.set("http.request.method", line.method);
    spans.set("http.route", line.route.label());
    spans.set("http.response.status_code", u64::from(line.status));
    spans.set("lastro.request_id", line.request_id.as_str().to_owned());
    if let Some(code) = line.code {
        spans.set("lastro.code", code);
    }
    if line.status >= 500 {
        spans.fail();
    }
    spans.end(Instant::now());
}

/// The spans of a gRPC call: one for each traced request that it is for.
pub(crate) fn begin_grpc(headers: &HeaderMap, method: Method, started: Instant) -> Spans {
    if !trace::is_on() || method == Method::GetClock {
        return Spans::default();
    }
    let incoming = Incoming {
        traceparent: only(headers, "traceparent"),
        others: only(headers, TRACES_HEADER),
    };
    Spans::begin(incoming, || Cow::Borrowed(method.full_name()), started)
}

/// The end of a gRPC call.
pub(crate) fn end_grpc(mut spans: Spans, method: Method, code: GrpcCode) {
    if spans.is_empty() {
        return;
    }
    spans.set("rpc.system", "grpc");
    spans.set("rpc.service", SERVICE);
    spans.set("rpc.method", method.name());
    spans.set("rpc.grpc.status_code", u64::from(code as u16));
    let is_failure = matches!(
        code,
        GrpcCode::DeadlineExceeded
            | GrpcCode::Internal
            | GrpcCode::Unavailable
            | GrpcCode::DataLoss
    );
    if is_failure {
        spans.fail();
    }
    spans.end(Instant::now());
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
