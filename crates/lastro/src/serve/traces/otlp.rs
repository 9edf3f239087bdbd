//! Spans as OTLP writes them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyOf;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use trace::{Finished, SpanKind, Value};

pub(super) type Request = ExportTraceServiceRequest;

/// The flags of a span: its trace is sampled, and it is said whether its parent is of another process.
const FLAGS: u32 = 0x101;
const PARENT_IS_REMOTE: u32 = 0x200;

/// What this process is.
pub(super) fn resource(role: &'static str) -> Resource {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    Resource {
        attributes: vec![
            attribute("service.name", "lastro".into()),
            attribute("service.version", env!("CARGO_PKG_VERSION").into()),
            attribute("host.name", host.into()),
            attribute("process.pid", u64::from(std::process::id()).into()),
            attribute("lastro.role", role.into()),
        ],
        ..Resource::default()
    }
}

/// A message with these spans.
pub(super) fn request_of(resource: &Resource, spans: Vec<Finished>) -> Request {
    let scope = InstrumentationScope {
        name: "lastro".to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = ScopeSpans {
        scope: Some(scope),
        spans: spans.into_iter().map(span).collect(),
        ..ScopeSpans::default()
    };
    Request {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![spans],
            ..ResourceSpans::default()
        }],
    }
}

fn span(finished: Finished) -> Span {
    let kind = match finished.kind {
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Internal => Kind::Internal,
    };
    let status = finished.is_failed.then(|| Status {
        code: StatusCode::Error.into(),
        ..Status::default()
    });
    let remote = if finished.is_parent_remote {
        PARENT_IS_REMOTE
    } else {
        0
    };
    let attributes = finished.attributes.into_iter();
    Span {
        trace_id: finished.context.trace_id.to_be_bytes().to_vec(),
        span_id: finished.context.span_id.to_be_bytes().to_vec(),
        parent_span_id: match finished.parent_id {
            Some(id) => id.to_be_bytes().to_vec(),
            None => Vec::new(),
        },
        flags: FLAGS | remote,
        name: finished.name.into_owned(),
        kind: kind.into(),
        start_time_unix_nano: finished.start_ns,
        end_time_unix_nano: finished.end_ns,
        attributes: attributes
            .map(|(key, value)| attribute(key, value))
            .collect(),
        status,
        ..Span::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => AnyOf::StringValue(text.into_owned()),
        Value::Number(number) => AnyOf::IntValue(number),
        Value::Flag(flag) => AnyOf::BoolValue(flag),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
