//! One connection of HTTP, from its first byte to its end.

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

use crate::answer::answer;
use crate::connection::{Host, HttpVersion, Stage};
use crate::ending::Ending;
use crate::errors;
use crate::guarded_io::{GuardedIo, Phase, Progress, Waits};
use crate::http2::Http2;
use crate::lasting;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::tenure::Tenure;
use crate::unread;

/// Serves connections with HTTP/1.1, and over TLS with HTTP/2 where the caller prefers it.
#[derive(Clone)]
pub(crate) struct Web {
    router: Router,
    http1: http1::Builder,
    http2: Http2,
    waits: Waits,
    stage: watch::Receiver<Stage>,
    peer: Option<Peer>,
}

impl Web {
    pub(crate) fn new(router: Router, limits: &Limits, stage: watch::Receiver<Stage>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(None)
            .max_buf_size(limits.header_bytes_max.max(8 * 1024));
        // Any other number than hyper's own makes it allocate for each request.
        if limits.header_count_max != 100 {
            http1.max_headers(limits.header_count_max);
        }
        Self {
            http2: Http2::new(router.clone(), limits, stage.clone()),
            router,
            http1,
            waits: Waits {
                head: limits.header_timeout,
                idle: limits.idle_timeout,
                answer: limits.answer_timeout,
            },
            stage,
            peer: None,
        }
    }

    async fn serve_http1<S>(mut self, stream: S, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::new(tenure));
        let io = GuardedIo::new(TokioIo::new(stream), Arc::clone(&progress), self.waits);
        let (router, in_service) = (self.router, Arc::clone(&progress));
        let (peer, stage) = (self.peer, self.stage.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            in_service.begin_request();
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            Ending::tell(&mut request, &stage);
            let (router, progress) = (router.clone(), Arc::clone(&in_service));
            async move {
                let (request, unread) = unread::watch(request);
                let refused = errors::of_head(&request);
                let mut response = answer(router, request, refused).await;
                if let Some(unread) = unread
                    && unread.settle(&mut response).await
                {
                    progress.leave_unread();
                }
                Ok::<_, Infallible>(lasting::end_with(response, progress))
            }
        });
        let mut connection = std::pin::pin!(self.http1.serve_connection(io, service));
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
}

impl Host for Web {
    fn of_peer(self, peer: Option<Peer>) -> Self {
        let http2 = self.http2.of_peer(peer);
        Self {
            http2,
            peer,
            ..self
        }
    }

    async fn serve<S>(self, stream: S, version: HttpVersion, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match version {
            HttpVersion::Http1 => self.serve_http1(stream, tenure).await,
            HttpVersion::Http2 => self.http2.serve(stream, tenure).await,
        }
    }

    fn refusal() -> Vec<u8> {
        errors::of_connection(StatusCode::SERVICE_UNAVAILABLE)
    }
}
