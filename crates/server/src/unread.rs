//! What is left of a request's body when it has been answered.
//!
//! The rest of a small body is read for a moment, so that the connection can be used again. Else
//! the connection has to be closed after the answer, and the answer says so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

/// What is read of the rest of a body, and for how long, instead of closing the connection.
const REST_BYTES_MAX: u64 = 64 * 1024;
const REST_TIME: Duration = Duration::from_millis(100);

/// Where a body is left that was not read to its end.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Option<Incoming>>);

/// A body that is left in a [`Rest`] when nobody reads it any more.
pub(crate) struct Watched {
    body: Option<Incoming>,
    rest: Arc<Rest>,
}

/// The request with a body that is watched. Most have none: those cost nothing.
pub(crate) fn watch(request: Request<Incoming>) -> (Request<axum::body::Body>, Option<Unread>) {
    if request.body().is_end_stream() {
        return (request.map(axum::body::Body::new), None);
    }
    let unread = Unread {
        rest: Arc::new(Rest::default()),
        waits_to_be_asked: request.headers().contains_key(EXPECT),
    };
    let watched = request.map(|body| {
        axum::body::Body::new(Watched {
            body: Some(body),
            rest: Arc::clone(&unread.rest),
        })
    });
    (watched, Some(unread))
}

/// What may be left of a request.
pub(crate) struct Unread {
    rest: Arc<Rest>,
    /// The caller sends its body only after a 100 Continue.
    waits_to_be_asked: bool,
}

impl Unread {
    /// Reads the rest of the request where it is small and there, and else has the connection
    /// closed behind the answer. Whether it has to be.
    pub(crate) async fn settle<B>(self, response: &mut Response<B>) -> bool {
        let Some(mut body) = self.rest.0.lock().take() else {
            return false;
        };
        let size = body.size_hint().upper();
        let is_small = size.is_some_and(|size| size <= REST_BYTES_MAX);
        if is_small && !self.waits_to_be_asked {
            let reading = async {
                while let Some(Ok(_)) = body.frame().await {}
                body.is_end_stream()
            };
            let read = tokio::time::timeout(REST_TIME, reading).await;
            if read == Ok(true) {
                return false;
            }
        }
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        true
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.0.lock() = Some(body);
        }
    }
}
