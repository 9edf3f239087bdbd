//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::Service;

use crate::errors;
use crate::guarded_io::{GuardedIo, Phase, Progress, Waits};
use crate::limits::Limits;
use crate::request_id::RequestId;
use crate::unread;

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No stop.
    Serving,
    /// No further requests; those in progress are finished.
    Stopping,
    /// Nothing is waited for any more.
    Cutting,
}

/// How the connections of a listener are served; what they share.
pub(crate) trait Host: Clone + Send + 'static {
    /// Serves a connection until its end. `true` when it was cut in the middle of a request.
    fn serve<S>(self, stream: S) -> impl Future<Output = bool> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Serves a connection over a Unix socket.
    fn serve_local<S>(self, stream: S) -> impl Future<Output = bool> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve(stream)
    }

    /// The answer to a connection that is refused.
    fn refusal() -> Vec<u8>;
}

/// Serves connections with HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Http1 {
    router: Router,
    http: http1::Builder,
    waits: Waits,
    stage: watch::Receiver<Stage>,
}

impl Http1 {
    pub(crate) fn new(router: Router, limits: &Limits, stage: watch::Receiver<Stage>) -> Self {
        let mut http = http1::Builder::new();
        http.header_read_timeout(None)
            .max_buf_size(limits.header_bytes_max.max(8 * 1024));
        // Any other number than hyper's own makes it allocate for each request.
        if limits.header_count_max != 100 {
            http.max_headers(limits.header_count_max);
        }
        Self {
            router,
            http,
            waits: Waits {
                head: limits.header_timeout,
                idle: limits.idle_timeout,
                answer: limits.answer_timeout,
            },
            stage,
        }
    }
}

impl Host for Http1 {
    async fn serve<S>(mut self, stream: S) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::default());
        let io = GuardedIo::new(TokioIo::new(stream), Arc::clone(&progress), self.waits);
        let (router, in_service) = (self.router, Arc::clone(&progress));
        let service = service_fn(move |request: Request<Incoming>| {
            in_service.begin_request();
            let (mut router, progress) = (router.clone(), Arc::clone(&in_service));
            async move {
                let (request, unread) = unread::watch(request);
                let mut response = match errors::of_head(&request) {
                    Some(problem) => {
                        let request_id = RequestId::of(request.headers());
                        let mut answer = problem.answering(&request_id).into_response();
                        request_id.echo(answer.headers_mut());
                        answer
                    }
                    None => {
                        let Ok(response) = router.call(request).await;
                        response
                    }
                };
                if let Some(unread) = unread
                    && unread.settle(&mut response).await
                {
                    progress.leave_unread();
                }
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                let nosniff = HeaderValue::from_static("nosniff");
                headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
                progress.end_request();
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(io, service));
        tokio::select! {
            biased;
            // A broken connection is the caller's affair; nothing is left to be done about it.
            _ = connection.as_mut() => return false,
            _ = self.stage.wait_for(|stage| *stage != Stage::Serving) => {}
        }
        connection.as_mut().graceful_shutdown();
        // Idle connections are closed by hyper at once, but not those that never had a request.
        if progress.is_untouched() {
            return false;
        }
        tokio::select! {
            biased;
            _ = connection.as_mut() => false,
            _ = self.stage.wait_for(|stage| *stage == Stage::Cutting) => {
                progress.phase() == Phase::Request
            }
        }
    }

    fn refusal() -> Vec<u8> {
        errors::of_connection(StatusCode::SERVICE_UNAVAILABLE)
    }
}
