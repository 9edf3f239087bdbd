//! The spans of calls to the ledger node: one for each traced request of a call.

use std::time::Instant;

use proto::{Method, SERVICE};
use trace::{Places, SpanKind, Spans};

/// The spans of a call that writes for so many requests; these of them are traced.
pub(crate) fn submit<'a>(
    places: impl Iterator<Item = &'a Places>,
    requests_count: usize,
    started: Instant,
) -> Spans {
    let mut spans = of(places, Method::Submit, started);
    spans.set("lastro.requests", requests_count);
    spans
}

/// The spans of a read.
pub(crate) fn read(method: Method) -> Spans {
    of(trace::places().iter(), method, Instant::now())
}

fn of<'a>(places: impl Iterator<Item = &'a Places>, method: Method, started: Instant) -> Spans {
    if !trace::is_on() {
        return Spans::default();
    }
    let mut spans = Spans::under(places, method.full_name(), SpanKind::Client, started);
    spans.set("rpc.system", "grpc");
    spans.set("rpc.service", SERVICE);
    spans.set("rpc.method", method.name());
    spans
}

/// The end of a call.
pub(crate) fn end(mut spans: Spans, is_answered: bool) {
    if !is_answered {
        spans.fail();
    }
    spans.end(Instant::now());
}
