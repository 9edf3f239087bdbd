//! One connection of HTTP/2: where a caller has asked for it in the handshake of TLS.
//!
//! Its requests are answered as those of HTTP/1.1 are. What guards a connection is of another kind, since the
//! requests of many callers may share one: a connection without a request is closed after a while, and so is
//! one whose peer leaves an answer untaken.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::answer::answer;
use crate::connection::Stage;
use crate::ending::Ending;
use crate::errors;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::tenure::Tenure;
use crate::untaken::{Counted, Untaken};

/// What of a connection's bodies may be on its way before it is read: 4 MiB arrive within a request's time
/// also over a distance of 100 ms.
const WINDOW_BYTES: u32 = 1 << 20;
/// How long a connection without a request is given to say goodbye.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Serves connections with HTTP/2.
#[derive(Clone)]
pub(crate) struct Http2 {
    router: Router,
    http: http2::Builder<TokioExecutor>,
    header_count_max: usize,
    idle_timeout: Duration,
    answer_timeout: Duration,
    stage: watch::Receiver<Stage>,
    peer: Option<Peer>,
}

/// What a connection's requests have come to.
struct Requests {
    open_count: AtomicUsize,
    /// When one ended last.
    active_at: Mutex<Instant>,
    untaken: Arc<Untaken>,
    tenure: Arc<Tenure>,
}

/// A request, until its answer was given to the connection as a whole.
struct OpenRequest(Arc<Requests>);

impl Http2 {
    pub(crate) fn new(router: Router, limits: &Limits, stage: watch::Receiver<Stage>) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        let header_bytes_max = u32::try_from(limits.header_bytes_max);
        http.timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(header_bytes_max.unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams_max);
        Self {
            router,
            http,
            header_count_max: limits.header_count_max,
            idle_timeout: limits.idle_timeout,
            answer_timeout: limits.answer_timeout,
            stage,
            peer: None,
        }
    }

    /// The same for a connection that comes from there: its requests say so.
    pub(crate) fn of_peer(self, peer: Option<Peer>) -> Self {
        Self { peer, ..self }
    }

    /// Serves a connection until its end. `true` when it was cut in the middle of a request.
    pub(crate) async fn serve<S>(mut self, stream: S, tenure: Arc<Tenure>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Arc::new(Requests::new(tenure));
        let (router, in_service) = (self.router, Arc::clone(&requests));
        let header_count_max = self.header_count_max;
        let (peer, stage) = (self.peer, self.stage.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            Ending::tell(&mut request, &stage);
            let open = OpenRequest::begin(&in_service);
            let router = router.clone();
            async move {
                let refused = match request.headers().len() > header_count_max {
                    true => Some(errors::headers_too_large()),
                    false => errors::of_head(&request),
                };
                let response = answer(router, request.map(Body::new), refused).await;
                let untaken = Arc::clone(&open.0.untaken);
                Ok::<_, Infallible>(response.map(|body| Counted::new(body, &untaken, open)))
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let untaken = requests.untaken.for_too_long(self.answer_timeout);
        let mut untaken = std::pin::pin!(untaken);
        tokio::select! {
            biased;
            // A broken connection is the caller's affair; nothing is left to be done about it.
            _ = connection.as_mut() => return false,
            () = untaken.as_mut() => return false,
            () = requests.none_for(self.idle_timeout) => {}
            _ = self.stage.wait_for(|stage| *stage != Stage::Serving) => {}
        }
        connection.as_mut().graceful_shutdown();
        // Requests that are on their way are still answered. A peer that has none may not even notice that it
        // should go.
        requests.note_activity();
        tokio::select! {
            biased;
            _ = connection.as_mut() => false,
            () = untaken.as_mut() => false,
            () = requests.none_for(FAREWELL_TIME) => false,
            _ = self.stage.wait_for(|stage| *stage == Stage::Cutting) => {
                requests.open_count.load(Ordering::Relaxed) > 0
            }
        }
    }
}

impl Requests {
    fn new(tenure: Arc<Tenure>) -> Self {
        Self {
            open_count: AtomicUsize::new(0),
            active_at: Mutex::new(Instant::now()),
            untaken: Untaken::new(Arc::clone(&tenure)),
            tenure,
        }
    }

    fn note_activity(&self) {
        *self.active_at.lock() = Instant::now();
    }

    /// Returns once there was no request for this long.
    async fn none_for(&self, time: Duration) {
        let mut until = Instant::now() + time;
        loop {
            sleep_until(until).await;
            let now = Instant::now();
            let active_at = match self.open_count.load(Ordering::Relaxed) {
                0 => *self.active_at.lock(),
                _ => now,
            };
            until = active_at + time;
            if until <= now {
                return;
            }
        }
    }
}

impl OpenRequest {
    fn begin(requests: &Arc<Requests>) -> Self {
        requests.open_count.fetch_add(1, Ordering::Relaxed);
        requests.tenure.begin_request();
        Self(Arc::clone(requests))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.note_activity();
        self.0.open_count.fetch_sub(1, Ordering::Relaxed);
        self.0.tenure.end_request();
    }
}
