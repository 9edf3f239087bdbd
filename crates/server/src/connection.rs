//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::{Request, StatusCode};
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
    /// What is said when connections are taken, before the address.
    const LISTENING: &'static str;

    /// Serves a connection until its end. `true` when it was cut in the middle of a request.
    fn serve<S>(self, stream: S) -> impl Future<Output = bool> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// What a connection is told that cannot be taken.
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
            },
            stage,
        }
    }
}

impl Host for Http1 {
    const LISTENING: &'static str = "listening on";

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
                let response = router.call(request).await;
                progress.end_request();
                response.map_err(|never: Infallible| never)
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
