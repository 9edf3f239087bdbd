//! One connection of the gRPC face, from its first call to its end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ledger::Unavailable;
use proto::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tower::Service;

use super::authority::WithoutAuthority;
use super::limits::GrpcLimits;
use super::message;
use crate::connection::{Host, HttpVersion, Stage};
use crate::ending::Ending;
use crate::peer::Peer;
use crate::tenure::Tenure;
use crate::untaken::{Counted, Untaken};

/// What of messages may be on its way before it is read: these parts of the room for messages, from which no
/// place is taken for it, and no more than these bytes.
const STREAM_WINDOW_PART: usize = 32;
const STREAM_WINDOW_BYTES_MAX: u32 = 8 << 20;
const CONNECTION_WINDOW_PART: usize = 8;
const CONNECTION_WINDOW_BYTES_MAX: u32 = 32 << 20;
/// The largest frame that is taken, which is kept as a whole until its end: fewer frames, fewer wake-ups.
const FRAME_PART: usize = 256;
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// No frame may be forbidden below this (RFC 9113, 6.5.2), nor a window below what HTTP/2 begins with (6.9.2).
const FRAME_BYTES_MIN: u32 = 16 << 10;
const WINDOW_BYTES_MIN: u32 = 65_535;
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// Calls of health and reflection at once, over all connections: a watch of health stays for as long as
/// its caller wants.
const OTHER_CALLS_MAX: usize = 1_024;

/// Which bound a call falls under.
enum CallKind {
    /// Of the ledger.
    Ledger,
    /// Whether the ledger lives: asked and answered also while it has too much to do.
    Clock,
    /// Of another service: health, reflection, or one that is not there.
    Other,
}

impl CallKind {
    fn of(path: &str) -> Self {
        if path == Method::GetClock.path() {
            Self::Clock
        } else if proto::is_of_service(path) {
            Self::Ledger
        } else {
            Self::Other
        }
    }
}

/// Serves connections with HTTP/2.
#[derive(Clone)]
pub(super) struct Http2 {
    router: Router,
    http: http2::Builder<TokioExecutor>,
    untouched_timeout: Duration,
    answer_timeout: Duration,
    calls: Arc<Semaphore>,
    other_calls: Arc<Semaphore>,
    stage: watch::Receiver<Stage>,
    peer: Option<Peer>,
}

/// What a connection's calls have come to.
struct Progress {
    is_touched: AtomicBool,
    calls_count: AtomicUsize,
    untaken: Arc<Untaken>,
    tenure: Arc<Tenure>,
}

impl Progress {
    fn new(tenure: Arc<Tenure>) -> Self {
        Self {
            is_touched: AtomicBool::new(false),
            calls_count: AtomicUsize::new(0),
            untaken: Untaken::new(Arc::clone(&tenure)),
            tenure,
        }
    }
}

/// A call until its answer was given to the connection as a whole, or its caller has given it up.
struct OpenCall(Arc<Progress>);

impl OpenCall {
    fn begin(progress: &Arc<Progress>) -> Self {
        progress.is_touched.store(true, Ordering::Relaxed);
        progress.calls_count.fetch_add(1, Ordering::Relaxed);
        progress.tenure.begin_request();
        Self(Arc::clone(progress))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.calls_count.fetch_sub(1, Ordering::Relaxed);
        self.0.tenure.end_request();
    }
}

impl Http2 {
    pub(super) fn new(router: Router, limits: &GrpcLimits, stage: watch::Receiver<Stage>) -> Self {
        let part = |part, min: u32, max: u32| {
            let bytes = limits.messages_bytes_max / part;
            u32::try_from(bytes).unwrap_or(max).clamp(min, max)
        };
        let stream_window = part(
            STREAM_WINDOW_PART,
            WINDOW_BYTES_MIN,
            STREAM_WINDOW_BYTES_MAX,
        );
        let connection_window = part(
            CONNECTION_WINDOW_PART,
            WINDOW_BYTES_MIN,
            CONNECTION_WINDOW_BYTES_MAX,
        );
        let frame = part(FRAME_PART, FRAME_BYTES_MIN, FRAME_BYTES_MAX);
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .initial_stream_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            .max_frame_size(frame)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_streams(limits.streams_max)
            // A caller may give up all its calls at once, and go on with others.
            .max_pending_accept_reset_streams(usize::try_from(limits.streams_max).ok())
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_interval);
        Self {
            router,
            http,
            untouched_timeout: limits.ping_interval * 4,
            answer_timeout: limits.answer_timeout,
            calls: Arc::new(Semaphore::new(limits.calls_max.min(Semaphore::MAX_PERMITS))),
            other_calls: Arc::new(Semaphore::new(OTHER_CALLS_MAX)),
            stage,
            peer: None,
        }
    }

    async fn calls<S>(mut self, stream: S, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::new(tenure));
        let (router, in_service) = (self.router, Arc::clone(&progress));
        let (peer, stage) = (self.peer, self.stage.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            Ending::tell(&mut request, &stage);
            let open = OpenCall::begin(&in_service);
            let mut router = router.clone();
            let calls = match CallKind::of(request.uri().path()) {
                CallKind::Ledger => Some(&self.calls),
                CallKind::Clock => None,
                CallKind::Other => Some(&self.other_calls),
            };
            let place = calls.map(|calls| Arc::clone(calls).try_acquire_owned());
            async move {
                let response = match place.transpose() {
                    Ok(place) => {
                        let Ok(response) = router.call(request).await;
                        let untaken = Arc::clone(&open.0.untaken);
                        response.map(|body| Body::new(Counted::new(body, &untaken, (place, open))))
                    }
                    Err(_) => message::respond(Err(Unavailable::Overloaded.into())),
                };
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let untouched = async {
            tokio::time::sleep(self.untouched_timeout).await;
            if progress.is_touched.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            // A broken connection is the caller's affair; nothing is left to be done about it.
            _ = connection.as_mut() => return false,
            () = untouched => return false,
            () = progress.untaken.for_too_long(self.answer_timeout) => {
                tracing::debug!("a gRPC connection was closed: its peer takes no answers");
                return false;
            }
            _ = self.stage.wait_for(|stage| *stage != Stage::Serving) => {}
        }
        connection.as_mut().graceful_shutdown();
        // Who never asked anything may not even notice that it should go.
        if !progress.is_touched.load(Ordering::Relaxed) {
            return false;
        }
        tokio::select! {
            biased;
            _ = connection.as_mut() => false,
            _ = self.stage.wait_for(|stage| *stage == Stage::Cutting) => {
                progress.calls_count.load(Ordering::Relaxed) > 0
            }
        }
    }
}

impl Host for Http2 {
    fn of_peer(self, peer: Option<Peer>) -> Self {
        Self { peer, ..self }
    }

    async fn serve<S>(self, stream: S, _: HttpVersion, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.calls(stream, tenure).await
    }

    async fn serve_local<S>(self, stream: S, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.calls(WithoutAuthority::new(stream), tenure).await
    }

    /// Nothing: HTTP/2 has no words before its handshake.
    fn refusal() -> Vec<u8> {
        Vec::new()
    }
}
