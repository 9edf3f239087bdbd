//! The spans of one piece of work: one for each traced request that it is done for.

use std::borrow::Cow;
use std::time::Instant;

use crate::context::{Parent, SpanContext};
use crate::places::{Place, Places};
use crate::queue::{Traces, traces};
use crate::span::{Anchor, Finished, SpanKind, Value};

/// How many traced requests of one call to another node its ledger node hears of. The spans of further
/// ones end at the node that they came to.
pub const CONTEXTS_MAX: usize = 64;

/// The spans of a piece of work, none of which has ended. Spans that are dropped before their end were given
/// up: they end then.
#[derive(Default)]
pub struct Spans(pub(crate) Vec<Span>);

pub(crate) struct Span {
    open: Box<Finished>,
    anchor: Anchor,
}

/// What a caller sends of its traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Incoming<'a> {
    /// The value of `traceparent`; `None` also if there are several.
    pub traceparent: Option<&'a [u8]>,
    /// Further values like it, with commas between them: those of the other requests that a call of another
    /// node is for.
    pub others: Option<&'a [u8]>,
}

/// What goes with a call to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The value of `traceparent`.
    pub traceparent: String,
    /// Further values like it, with commas between them.
    pub others: Option<String>,
}

impl Spans {
    /// The spans of work that a caller asks for, at one of the faces. The name is made only if the work is traced.
    pub fn begin(
        incoming: Incoming<'_>,
        name: impl FnOnce() -> Cow<'static, str>,
        started: Instant,
    ) -> Self {
        let Some(traces) = traces() else {
            return Self::default();
        };
        let callers = callers_of(incoming, traces);
        if callers.is_empty() {
            return Self::default();
        }
        let (name, anchor) = (name(), Anchor::now());
        let of_one = |caller: Option<SpanContext>| Span {
            open: Box::new(Finished {
                context: caller.map_or_else(SpanContext::new_trace, SpanContext::sibling),
                parent_id: caller.map(|caller| caller.span_id),
                is_parent_remote: caller.is_some(),
                name: name.clone(),
                kind: SpanKind::Server,
                start_ns: anchor.unix_ns(started),
                end_ns: 0,
                attributes: Vec::new(),
                is_failed: false,
            }),
            anchor,
        };
        Self(callers.into_iter().map(of_one).collect())
    }

    /// The spans of work for other spans.
    pub fn under<'a>(
        places: impl IntoIterator<Item = &'a Places>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        started: Instant,
    ) -> Self {
        let name = name.into();
        let of_one = |place: Place| Span {
            open: Box::new(Finished {
                context: place.context.sibling(),
                parent_id: Some(place.context.span_id),
                is_parent_remote: false,
                name: name.clone(),
                kind,
                start_ns: place.anchor.unix_ns(started),
                end_ns: 0,
                attributes: Vec::new(),
                is_failed: false,
            }),
            anchor: place.anchor,
        };
        Self(
            places
                .into_iter()
                .flat_map(Places::iter)
                .map(of_one)
                .collect(),
        )
    }

    /// The spans of a part of the work for other spans.
    #[must_use]
    pub fn part_of(places: &Places, name: &'static str, started: Instant) -> Self {
        Self::under([places], name, SpanKind::Internal, started)
    }

    /// Whether nothing of this is traced.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where further spans are made under these; `None` if there are none.
    #[must_use]
    pub fn places(&self) -> Option<Places> {
        if self.is_empty() {
            return None;
        }
        Places::new(self.0.iter().map(|span| Place {
            context: span.open.context,
            anchor: span.anchor,
        }))
    }

    /// What goes with a call that is made for these spans; `None` while traces are off. Where nothing is
    /// traced, it says so: then the other node does not trace the call of its own accord.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        traces()?;
        let contexts: Vec<_> = self.0.iter().map(|span| span.open.context).collect();
        Some(headers_of(&contexts))
    }

    /// Says something of each span.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some((last, others)) = self.0.split_last_mut() {
            let value = value.into();
            for span in others {
                span.open.attributes.push((key, value.clone()));
            }
            last.open.attributes.push((key, value));
        }
    }

    /// The work failed.
    pub fn fail(&mut self) {
        for span in &mut self.0 {
            span.open.is_failed = true;
        }
    }

    /// The work ended then.
    pub fn end(mut self, at: Instant) {
        self.finish(at);
    }

    fn finish(&mut self, at: Instant) {
        let spans = std::mem::take(&mut self.0);
        let Some(traces) = traces() else {
            return;
        };
        for Span { mut open, anchor } in spans {
            open.end_ns = anchor.unix_ns(at).max(open.start_ns);
            traces.push(open);
        }
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        if !self.is_empty() {
            self.set("lastro.given_up", true);
            self.finish(Instant::now());
        }
    }
}

/// The callers whose work is traced, `None` for one without a trace of its own. A caller that has decided is
/// followed.
fn callers_of(incoming: Incoming<'_>, traces: &Traces) -> Vec<Option<SpanContext>> {
    let sampled = |value: &[u8]| {
        let parent = Parent::read(value)?;
        parent.is_sampled.then_some(Some(parent.context))
    };
    match incoming.traceparent {
        Some(value) if Parent::read(value).is_some() => {
            let others = incoming.others.into_iter();
            let others = others.flat_map(|others| others.split(|byte| *byte == b','));
            let values = std::iter::once(value).chain(others).take(CONTEXTS_MAX);
            values.filter_map(sampled).collect()
        }
        Some(_) | None if traces.ratio.takes() => vec![None],
        Some(_) | None => Vec::new(),
    }
}

fn headers_of(contexts: &[SpanContext]) -> Headers {
    let mut traceparent = String::new();
    let Some((first, others)) = contexts.split_first() else {
        SpanContext::new_trace().write(false, &mut traceparent);
        return Headers {
            traceparent,
            others: None,
        };
    };
    first.write(true, &mut traceparent);
    let mut values = String::new();
    for other in others.iter().take(CONTEXTS_MAX - 1) {
        if !values.is_empty() {
            values.push(',');
        }
        other.write(true, &mut values);
    }
    Headers {
        traceparent,
        others: (!values.is_empty()).then_some(values),
    }
}
