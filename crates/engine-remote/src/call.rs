//! One unary gRPC call over HTTP/2.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::{Request, Response, StatusCode};
use proto::{
    CODE_TRAILER, CallFailure, DEADLINE_HEADER, GrpcCode, PREFIX_BYTES, Prefix, TRACES_HEADER,
};
use trace::Headers;

use crate::clock::LedgerClock;
use crate::connect::Sender;
use crate::key::LedgerKey;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It never left.
    NotSent,
    /// It may have arrived; the connection is gone.
    Lost,
    /// The server said so.
    Failed(CallFailure),
}

impl CallError {
    /// Whether the ledger took the deadline for one on another process's clock: nothing was done,
    /// and its clock has to be asked for again.
    pub(crate) fn is_of_other_clock(self) -> bool {
        self == Self::Failed(CallFailure::Status(GrpcCode::FailedPrecondition as u16))
    }

    /// Whether the ledger answered that the deadline had passed, which for what has time left means
    /// that another request of the same call had none.
    pub(crate) fn is_late(self) -> bool {
        let of_grpc = CallFailure::Status(GrpcCode::DeadlineExceeded as u16);
        self == Self::Failed(of_grpc)
            || self == Self::Failed(CallFailure::Ledger(ledger::Unavailable::Timeout))
    }
}

/// Makes the call and waits for its answer's message; the caller bounds the wait. It shows the `key`. Where the ledger's
/// `clock` is known, the call is not begun after its deadline, however late it arrives. `traces` go with it.
pub(crate) async fn call(
    sender: &mut Sender,
    key: Option<&LedgerKey>,
    clock: Option<&LedgerClock>,
    traces: Option<Headers>,
    method: proto::Method,
    message: Bytes,
    deadline: Instant,
) -> Result<Bytes, CallError> {
    let request =
        request(key, clock, traces, method, message, deadline).map_err(|_| CallError::NotSent)?;
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        // Hyper calls a request canceled that it never handed on.
        Err(error) if error.is_canceled() => return Err(CallError::NotSent),
        Err(_) => return Err(CallError::Lost),
    };
    read(response).await
}

fn request(
    key: Option<&LedgerKey>,
    clock: Option<&LedgerClock>,
    traces: Option<Headers>,
    method: proto::Method,
    message: Bytes,
    deadline: Instant,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    let mut request = Request::builder();
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, key.header());
    }
    if let Some(clock) = clock {
        let at_ledger = clock.deadline(now, deadline);
        request = request.header(
            DEADLINE_HEADER,
            proto::write_deadline(clock.id(), at_ledger),
        );
    }
    if let Some(traces) = traces {
        request = request.header("traceparent", traces.traceparent);
        if let Some(others) = traces.others {
            request = request.header(TRACES_HEADER, others);
        }
    }
    request
        .method(hyper::Method::POST)
        .uri(method.path())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .header("grpc-timeout", timeout(left))
        .body(Full::new(message))
}

/// A `grpc-timeout`: at most eight digits and a unit.
fn timeout(left: Duration) -> HeaderValue {
    const DIGITS_MAX: u128 = 99_999_999;
    let text = match left.as_micros() {
        micros @ ..=DIGITS_MAX => format!("{}u", micros.max(1)),
        micros => format!("{}m", (micros / 1_000).min(DIGITS_MAX)),
    };
    HeaderValue::try_from(text).expect("digits and a letter are a valid header")
}

async fn read(response: Response<Incoming>) -> Result<Bytes, CallError> {
    if response.status() != StatusCode::OK {
        return Err(CallError::Failed(CallFailure::Status(2)));
    }
    let (head, mut body) = response.into_parts();
    // An answer without a message has its status among the headers.
    if body.is_end_stream() {
        return check(&head.headers).and(Err(CallError::Lost));
    }
    let mut message = Collected::default();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| CallError::Lost)?.into_data() {
            Ok(data) => message.add(data)?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    check(trailers.as_ref().unwrap_or(&head.headers))?;
    message.finish()
}

fn check(headers: &HeaderMap) -> Result<(), CallError> {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    match CallFailure::read(value(CODE_TRAILER), value("grpc-status")) {
        None => Ok(()),
        Some(failure) => Err(CallError::Failed(failure)),
    }
}

/// A message as it arrives; copied only where it comes in pieces.
#[derive(Default)]
struct Collected {
    first: Bytes,
    all: Vec<u8>,
}

impl Collected {
    fn add(&mut self, data: Bytes) -> Result<(), CallError> {
        if self.first.is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        if self.all.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(CallError::Lost);
        }
        self.all.extend_from_slice(&data);
        Ok(())
    }

    /// The one message, without its prefix.
    fn finish(self) -> Result<Bytes, CallError> {
        let all = if self.all.is_empty() {
            self.first
        } else {
            self.all.into()
        };
        let is_whole = all.first_chunk().is_some_and(|prefix| {
            let length = all.len() - PREFIX_BYTES;
            Prefix::read(*prefix) == Prefix::Plain { length }
        });
        if is_whole {
            Ok(all.slice(PREFIX_BYTES..))
        } else {
            Err(CallError::Lost)
        }
    }
}
