//! The accept loop and the graceful stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use stdx::Throttle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::connection::{Host, Http1, Stage};
use crate::connection_metrics::ConnectionMetrics;
use crate::late_app::LateApp;
use crate::limits::Limits;
use crate::listener::{Listener, Stream};
use crate::routes;

/// How long the loop rests after an accept that failed for want of memory or descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many refused connections are closed with care at once, for how long, over how much.
const FAREWELLS_MAX: usize = 64;
const FAREWELL_TIME: Duration = Duration::from_secs(1);
const FAREWELL_BYTES_MAX: u64 = 1 << 20;
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// How a face stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Requests that were still in progress when the time to stop was over; they were cut.
    pub requests_cut: usize,
}

/// Serves an app, or one that is opened later, until `shutdown` is done, then stops: nothing more is
/// accepted, idle connections are closed, requests in progress have `stop_timeout` to finish.
///
/// Metrics go to the recorder that is installed when this is called (see [`crate::install_metrics`]).
pub async fn serve(
    listener: Listener,
    app: impl Into<LateApp>,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let app = app.into();
    let limits = *app.limits();
    serve_router(
        listener,
        routes::router_of(app),
        &limits,
        shutdown,
        stop_timeout,
    )
    .await
}

/// Serves only `/healthz` and `/readyz`, as [`serve`] does.
pub async fn serve_probes(
    listener: Listener,
    app: impl Into<LateApp>,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let app = app.into();
    let limits = *app.limits();
    serve_router(
        listener,
        routes::probes_of(app),
        &limits,
        shutdown,
        stop_timeout,
    )
    .await
}

/// Serves any router as [`serve`] does: the same accept loop, limits and stop. Of the limits
/// those on connections apply; what a request's handling may take is the router's own affair.
pub async fn serve_router(
    listener: Listener,
    router: Router,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let metrics = ConnectionMetrics::of_http();
    let listening = "listening on";
    serve_counted(
        listener,
        listening,
        router,
        limits,
        metrics,
        shutdown,
        stop_timeout,
    )
    .await
}

/// `listening` is what the log says before the address.
pub(crate) async fn serve_counted(
    listener: Listener,
    listening: &'static str,
    router: Router,
    limits: &Limits,
    metrics: ConnectionMetrics,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let host = |stage| Http1::new(router, limits, stage);
    let connections_max = limits.connections_max;
    serve_hosted(
        listener,
        listening,
        host,
        connections_max,
        metrics,
        shutdown,
        stop_timeout,
    )
    .await
}

/// Serves connections as a host does that is made for the stages of the stop.
pub(crate) async fn serve_hosted<H: Host>(
    listener: Listener,
    listening: &'static str,
    host: impl FnOnce(watch::Receiver<Stage>) -> H,
    connections_max: usize,
    metrics: ConnectionMetrics,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let face = Face::new(host, connections_max, metrics);
    let address = listener.address().clone();
    tracing::info!(%address, "{listening} {address}");
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => face.admit(stream),
                Err(error) => face.accept_failed(&error).await,
            },
        }
    }
    drop(listener);
    let stopped = face.stop(stop_timeout).await;
    tracing::info!(%address, requests_cut = stopped.requests_cut, "no longer {listening} {address}");
    stopped
}

struct Face<H> {
    host: H,
    stage: watch::Sender<Stage>,
    connections_max: usize,
    places: Arc<Semaphore>,
    farewells: Arc<Semaphore>,
    metrics: ConnectionMetrics,
    refusals: Throttle,
    failures: Throttle,
    requests_cut: Arc<AtomicUsize>,
}

impl<H: Host> Face<H> {
    fn new(
        host: impl FnOnce(watch::Receiver<Stage>) -> H,
        connections_max: usize,
        metrics: ConnectionMetrics,
    ) -> Self {
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        let connections_max = connections_max.clamp(1, Semaphore::MAX_PERMITS.min(1 << 30));
        Self {
            host: host(stage_seen),
            stage,
            connections_max,
            places: Arc::new(Semaphore::new(connections_max)),
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
            metrics,
            refusals: Throttle::new(WARNING_INTERVAL),
            failures: Throttle::new(WARNING_INTERVAL),
            requests_cut: Arc::default(),
        }
    }

    fn admit(&self, stream: Stream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refuse(stream);
            return;
        };
        let host = self.host.clone().of_peer(stream.peer());
        let open = OpenConnection::new(self.metrics.clone(), place);
        let requests_cut = Arc::clone(&self.requests_cut);
        tokio::spawn(async move {
            let cut = match stream {
                Stream::Tcp(tcp) => {
                    // Answers are written whole: waiting for more would only delay them.
                    let _ = tcp.set_nodelay(true);
                    host.serve(tcp).await
                }
                Stream::Unix(unix) => host.serve_local(unix).await,
            };
            if cut {
                requests_cut.fetch_add(1, Ordering::Relaxed);
            }
            drop(open);
        });
    }

    /// Refuses a connection above the limit: it gets an answer, as far as the socket takes it at once, and is
    /// closed. Some are first read to their end, so that unread bytes do not make the kernel drop the answer.
    fn refuse(&self, stream: Stream) {
        self.metrics.refused.increment(1);
        if let Some(held_back) = self.refusals.pass() {
            tracing::warn!(
                connections_max = self.connections_max,
                held_back,
                "refused a connection: the limit of {} open connections is reached",
                self.connections_max
            );
        }
        let answer = H::refusal();
        let _ = match &stream {
            Stream::Tcp(tcp) => tcp.try_write(&answer),
            Stream::Unix(unix) => unix.try_write(&answer),
        };
        if let Ok(place) = Arc::clone(&self.farewells).try_acquire_owned() {
            tokio::spawn(async move {
                let farewell = async {
                    match stream {
                        Stream::Tcp(tcp) => drain_closing(tcp).await,
                        Stream::Unix(unix) => drain_closing(unix).await,
                    }
                };
                let _ = tokio::time::timeout(FAREWELL_TIME, farewell).await;
                drop(place);
            });
        }
    }

    async fn accept_failed(&self, error: &io::Error) {
        let callers_affair = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        );
        if callers_affair {
            return;
        }
        if let Some(held_back) = self.failures.pass() {
            tracing::warn!(%error, held_back, "cannot accept a connection: {error}");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    async fn stop(self, stop_timeout: Duration) -> Stopped {
        self.stage.send_replace(Stage::Stopping);
        if tokio::time::timeout(stop_timeout, self.all_closed())
            .await
            .is_err()
        {
            self.stage.send_replace(Stage::Cutting);
            self.all_closed().await;
        }
        Stopped {
            requests_cut: self.requests_cut.load(Ordering::Relaxed),
        }
    }

    async fn all_closed(&self) {
        let places_count = u32::try_from(self.connections_max);
        let places_count = places_count.expect("`new` bounds it by 2^30");
        let _ = self.places.acquire_many(places_count).await;
    }
}

/// Closes our half, and reads and drops what comes until the caller closes.
async fn drain_closing(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if stream.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut stream.take(FAREWELL_BYTES_MAX), &mut tokio::io::sink()).await;
    }
}

/// An open connection's place and its part in the gauge; given back however its task ends.
struct OpenConnection {
    metrics: ConnectionMetrics,
    _place: OwnedSemaphorePermit,
}

impl OpenConnection {
    fn new(metrics: ConnectionMetrics, place: OwnedSemaphorePermit) -> Self {
        metrics.open.increment(1.0);
        Self {
            metrics,
            _place: place,
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.open.decrement(1.0);
    }
}
