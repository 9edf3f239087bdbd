//! Traces from begin to end. They are on for the whole process, so this is one test.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::*;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn begin(traceparent: Option<&str>, others: Option<&str>) -> Spans {
    let incoming = Incoming {
        traceparent: traceparent.map(str::as_bytes),
        others: others.map(str::as_bytes),
    };
    Spans::begin(incoming, || Cow::Borrowed("begun"), Instant::now())
}

#[tokio::test]
async fn spans_are_made_only_for_traced_requests_and_never_wait() {
    assert!(begin(Some(CALLER), None).is_empty());
    assert!(begin(Some(CALLER), None).headers().is_none());
    assert!(places().is_none());

    let waiting = start("0".parse().unwrap()).unwrap();
    assert!(start("1".parse().unwrap()).is_none());

    // The caller decides; without a caller's word the share does, here none.
    assert!(begin(None, None).is_empty());
    assert!(begin(Some(&CALLER.replace("-01", "-00")), None).is_empty());
    assert!(begin(Some("nonsense"), None).is_empty());
    let untraced = Spans::default().headers().unwrap();
    let parent = Parent::read(untraced.traceparent.as_bytes()).unwrap();
    assert!(!parent.is_sampled && untraced.others.is_none());

    // A request, a call for it, a part of the work at the other node.
    let started = Instant::now();
    let mut request = begin(Some(CALLER), None);
    request.set("key", "value");
    let headers = within(request.places(), async {
        let places = places().expect("this task works for the request");
        let call = Spans::under([&places], "call", SpanKind::Client, started);
        let headers = call.headers().unwrap();
        call.end(Instant::now());
        headers
    })
    .await;
    assert!(places().is_none());
    request.end(started + Duration::from_secs(1));
    let other = CALLER.replacen("4bf9", "0000", 1);
    let answer = begin(Some(&headers.traceparent), Some(&format!("{other},junk")));
    let of_answer = answer.places().unwrap();
    Spans::part_of(&of_answer, "part", started).end(Instant::now());
    drop(answer);

    let spans = waiting.take(usize::MAX);
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["call", "begun", "part", "part", "begun", "begun"]);
    let (call, request) = (&spans[0], &spans[1]);
    assert_eq!(request.parent_id, Some(0x00f0_67aa_0ba9_02b7));
    assert!(request.is_parent_remote && !call.is_parent_remote);
    assert_eq!(call.parent_id, Some(request.context.span_id));
    assert_eq!(request.attributes, [("key", "value".into())]);
    assert!(request.end_ns - request.start_ns >= 900_000_000);
    let (part, answer) = (&spans[2], &spans[4]);
    assert_eq!(part.parent_id, Some(answer.context.span_id));
    assert_eq!(answer.parent_id, Some(call.context.span_id));
    assert_eq!(answer.attributes, [("lastro.given_up", true.into())]);
    let trace_id = request.context.trace_id;
    assert!(
        [call, part, answer]
            .iter()
            .all(|span| span.context.trace_id == trace_id)
    );
    // The other request of the same call has a trace of its own.
    assert_ne!(spans[5].context.trace_id, trace_id);
    assert_eq!(spans[3].parent_id, Some(spans[5].context.span_id));

    // Nobody takes them: what does not fit is dropped, at once.
    let places = begin(Some(CALLER), None).places().unwrap();
    for _ in 0..=SPANS_WAITING_MAX {
        Spans::part_of(&places, "part", started).end(Instant::now());
    }
    assert_eq!(waiting.take(usize::MAX).len(), SPANS_WAITING_MAX);

    // A call for more requests than its headers take.
    let many = std::iter::repeat_n(&places, CONTEXTS_MAX + 10);
    let headers = Spans::under(many, "call", SpanKind::Client, started)
        .headers()
        .unwrap();
    let others = headers.others.unwrap();
    assert_eq!(others.split(',').count(), CONTEXTS_MAX - 1);
    assert_eq!(
        begin(Some(&headers.traceparent), Some(&others)).0.len(),
        CONTEXTS_MAX
    );
}
