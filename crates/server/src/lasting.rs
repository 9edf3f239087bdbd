//! Answers of HTTP/1.1 whose body is made while it is sent: their request is over with the body, not with the
//! head. Until then the connection is neither idle nor free to leave.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

use crate::guarded_io::Progress;

/// Ends the request with its answer, or with the answer's body where that is not there yet.
pub(crate) fn end_with(response: Response, progress: Arc<Progress>) -> Response {
    if response.body().size_hint().exact().is_some() {
        progress.end_request();
        return response;
    }
    response.map(|body| Body::new(Lasting { body, progress }))
}

struct Lasting {
    body: Body,
    progress: Arc<Progress>,
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.progress.end_request();
    }
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
