//! Problem bodies (RFC 9457): the one shape of every error.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::codes::{Code, TypeUri};
use crate::request_id::RequestId;

/// Set on what would be answered, where nothing was done.
pub(crate) const DRY_RUN: HeaderName = HeaderName::from_static("dry-run");
/// Set on an answer that was given before under the same id.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The code of a problem, beside the answer that has it in its body: for the access log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

/// An error as it is answered. Its code is stable for good; its detail is for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) detail: Cow<'static, str>,
    /// Further members, such as a refusal's figures.
    pub(crate) members: Vec<(&'static str, Value)>,
    pub(crate) retry_after_s: Option<u32>,
    /// What a caller without a valid key is asked for.
    pub(crate) www_authenticate: Option<&'static str>,
    pub(crate) replayed: bool,
    /// The request that it answers; `None` inside a batch's answer, and where no request was read.
    pub(crate) request_id: Option<Box<RequestId>>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: Code,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        debug_assert!(
            code.has_status(status),
            "{} is listed with {status}",
            code.as_str()
        );
        Self {
            status,
            code,
            detail: detail.into(),
            members: Vec::new(),
            retry_after_s: None,
            www_authenticate: None,
            replayed: false,
            request_id: None,
        }
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The same problem under another status, where a route's own rules say so.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same problem as the answer to this request.
    pub(crate) fn answering(mut self, request_id: &RequestId) -> Self {
        self.request_id = Some(Box::new(request_id.clone()));
        self
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data, written to memory")
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &TypeUri(self.code))?;
        map.serialize_entry("title", self.status.canonical_reason().unwrap_or("Error"))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("code", self.code.as_str())?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        if let Some(request_id) = &self.request_id {
            map.serialize_entry("request_id", request_id.as_str())?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        response
            .extensions_mut()
            .insert(ProblemCode(self.code.as_str()));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.www_authenticate {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// An error (RFC 9457). Refusals carry their figures as further members.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it only describes what `Problem` writes")]
pub(crate) struct ProblemBody {
    /// Where this code is explained, on the server itself.
    #[schema(format = "uri-reference", example = "/docs/errors#insufficient_funds")]
    r#type: String,
    #[schema(example = "Unprocessable Entity")]
    title: String,
    #[schema(example = 422)]
    status: u16,
    /// For people.
    detail: String,
    /// For programs: stable for good.
    #[schema(example = "insufficient_funds")]
    code: String,
    /// The `X-Request-Id` of the answer: the access log of the server has it too.
    #[schema(example = "0b6e2f0d8e9c4a63a5d5a5a4d1c3f7b2")]
    request_id: Option<String>,
}
