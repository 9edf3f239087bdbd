//! Why a call fails, in the words of gRPC.

use std::borrow::Cow;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ledger::Unavailable;
use proto::{CODE_TRAILER, GrpcCode, Invalid};

use crate::keys::{Denied, NotAllowed};

/// What a call ends with that has no answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    pub(super) code: GrpcCode,
    /// The ledger's own code.
    reason: Option<&'static str>,
    detail: Cow<'static, str>,
    /// Whether it says how messages may be encoded.
    is_about_encoding: bool,
    /// After how many seconds it is worth asking again.
    retry_after_s: Option<u32>,
}

impl Status {
    fn new(code: GrpcCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: None,
            detail: detail.into(),
            is_about_encoding: false,
            retry_after_s: None,
        }
    }

    pub(super) fn invalid(detail: &'static str) -> Self {
        Self::new(GrpcCode::InvalidArgument, detail)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("the message has more than {bytes_max} bytes");
        Self::new(GrpcCode::ResourceExhausted, detail)
    }

    pub(super) fn compressed() -> Self {
        let detail = "compressed messages are not accepted: send them with grpc-encoding identity";
        Self {
            is_about_encoding: true,
            ..Self::new(GrpcCode::Unimplemented, detail)
        }
    }

    /// Commands that are not for callers: nothing was done.
    pub(super) fn denied(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: Some(Unavailable::NotSupported.code()),
            ..Self::new(GrpcCode::PermissionDenied, detail)
        }
    }

    /// The caller went away, or its message broke off.
    pub(super) fn broken_off() -> Self {
        Self::new(
            GrpcCode::Cancelled,
            "the message ended before its announced length",
        )
    }

    /// The message was not there in time: nothing was done.
    pub(super) fn late() -> Self {
        Self::new(
            GrpcCode::DeadlineExceeded,
            "the message did not arrive in time; nothing was done",
        )
    }

    /// The deadline is on the clock of another process: nothing was done.
    pub(super) fn other_clock() -> Self {
        Self::new(
            GrpcCode::FailedPrecondition,
            "lastro-deadline belongs to the clock of another process, or of this one before its restart: \
             call GetClock again; nothing was done",
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            GrpcCode::Internal,
            "internal error: the log of the server has the cause",
        )
    }

    /// The headers or trailers that say it.
    pub(super) fn into_headers(self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        if self.is_about_encoding {
            let name = HeaderName::from_static("grpc-accept-encoding");
            headers.insert(name, HeaderValue::from_static("identity"));
        }
        put_code(&mut headers, self.code);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Ok(detail) = HeaderValue::try_from(percent_encoded(&self.detail)) {
            headers.insert(HeaderName::from_static("grpc-message"), detail);
        }
        if let Some(reason) = self.reason {
            let name = HeaderName::from_static(CODE_TRAILER);
            headers.insert(name, HeaderValue::from_static(reason));
        }
        headers
    }
}

/// The trailers of a call that was answered.
pub(super) fn ok() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(1);
    put_code(&mut headers, GrpcCode::Ok);
    headers
}

fn put_code(headers: &mut HeaderMap, code: GrpcCode) {
    let name = HeaderName::from_static("grpc-status");
    headers.insert(name, HeaderValue::from_static(code.as_str()));
}

/// As gRPC wants its texts: visible ASCII but `%`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..=0x1f | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            visible => out.push(char::from(visible)),
        }
    }
    out
}

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        let code = match &denied {
            Denied::NoKey
            | Denied::NotAKey
            | Denied::Unknown
            | Denied::Expired
            | Denied::Revoked => GrpcCode::Unauthenticated,
            Denied::TooManyFailures | Denied::RateLimited { .. } => GrpcCode::ResourceExhausted,
            Denied::ScopeMissing(_) | Denied::AccountNotAllowed(_) => GrpcCode::PermissionDenied,
        };
        Self {
            reason: Some(denied.code()),
            retry_after_s: denied.retry_after_s(),
            ..Self::new(code, denied.detail())
        }
    }
}

impl From<NotAllowed> for Status {
    fn from(not_allowed: NotAllowed) -> Self {
        match not_allowed {
            NotAllowed::Denied(denied) => denied.into(),
            NotAllowed::NotFound(refusal) => Self {
                reason: Some(refusal.code()),
                ..Self::new(
                    GrpcCode::PermissionDenied,
                    format!(
                        "{refusal}, so that its accounts cannot be compared with those of this key; \
                         nothing was done"
                    ),
                )
            },
            NotAllowed::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Unavailable> for Status {
    fn from(unavailable: Unavailable) -> Self {
        Self {
            reason: Some(unavailable.code()),
            ..Self::new(unavailable.into(), unavailable.to_string())
        }
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        Self::new(GrpcCode::InvalidArgument, invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proto::CallFailure;

    use super::*;

    #[test]
    fn what_the_ledger_says_is_read_as_it_was_said() {
        for reason in [
            Unavailable::Overloaded,
            Unavailable::StorageFull,
            Unavailable::ClockJumped,
            Unavailable::StandbyAway,
            Unavailable::Timeout,
            Unavailable::StorageFailed,
            Unavailable::LedgerUnavailable,
            Unavailable::Opening,
            Unavailable::StorageDamaged,
            Unavailable::NotSupported,
            Unavailable::NodeNotAllowed,
        ] {
            let headers = Status::from(reason).into_headers();
            let value = |name| headers.get(name).map(HeaderValue::as_bytes);
            let failure = CallFailure::read(value(CODE_TRAILER), value("grpc-status"));
            assert_eq!(failure.unwrap().unavailable(), reason);
        }
    }

    #[test]
    fn texts_are_encoded_and_codes_are_not() {
        let status = Status::new(GrpcCode::Internal, "100 %\né");
        let headers = status.into_headers();
        assert_eq!(headers["grpc-message"], "100 %25%0A%C3%A9");
        assert_eq!(headers["grpc-status"], "13");
        assert_eq!(headers.len(), 2);
    }
}
