//! The accept loop and the graceful stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use stdx::Throttle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::connection::{Host, HttpVersion, Stage};
use crate::connection_metrics::ConnectionMetrics;
use crate::handshakes::{Handshake, Handshakes};
use crate::late_app::LateApp;
use crate::limits::{ConnectionLimits, Limits};
use crate::listener::{Listener, Stream};
use crate::peer::Peer;
use crate::routes;
use crate::tenure::Tenures;
use crate::tls::{self, ServerTls};
use crate::web::Web;

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
    let host = |stage| Web::new(router, limits, stage);
    serve_hosted(
        listener,
        listening,
        host,
        limits.connections(),
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
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
    shutdown: impl Future<Output = ()>,
    stop_timeout: Duration,
) -> Stopped {
    let face = Arc::new(Face::new(host, listener.tls.clone(), limits, metrics));
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

/// What there is no room for.
#[derive(Debug, Clone, Copy)]
enum Full {
    Connections,
    Handshakes,
}

struct Face<H> {
    host: H,
    tls: Option<ServerTls>,
    stage: watch::Sender<Stage>,
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
    handshakes: Arc<Handshakes>,
    farewells: Arc<Semaphore>,
    metrics: ConnectionMetrics,
    tenures: Arc<Tenures>,
    refusals: Throttle,
    departures: Throttle,
    failures: Throttle,
    requests_cut: AtomicUsize,
}

impl<H: Host> Face<H> {
    fn new(
        host: impl FnOnce(watch::Receiver<Stage>) -> H,
        tls: Option<ServerTls>,
        mut limits: ConnectionLimits,
        metrics: ConnectionMetrics,
    ) -> Self {
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        limits.connections_max = limits
            .connections_max
            .clamp(1, Semaphore::MAX_PERMITS.min(1 << 30));
        Self {
            host: host(stage_seen),
            tls,
            stage,
            limits,
            places: Arc::new(Semaphore::new(limits.connections_max)),
            handshakes: Handshakes::new(limits.handshakes_max),
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
            metrics,
            tenures: Tenures::new(limits.connections_max),
            refusals: Throttle::new(WARNING_INTERVAL),
            departures: Throttle::new(WARNING_INTERVAL),
            failures: Throttle::new(WARNING_INTERVAL),
            requests_cut: AtomicUsize::new(0),
        }
    }

    fn admit(self: &Arc<Self>, stream: Stream) {
        if let Stream::Tcp(tcp) = &stream {
            // Answers are written whole: waiting for more would only delay them.
            let _ = tcp.set_nodelay(true);
        }
        match &self.tls {
            Some(tls) => self.admit_secured(tls.clone(), stream),
            None => self.admit_plain(stream),
        }
    }

    fn admit_plain(self: &Arc<Self>, stream: Stream) {
        self.make_room();
        let Some(open) = self.take_place() else {
            self.refuse(stream);
            return;
        };
        let peer = stream.peer();
        let face = Arc::clone(self);
        tokio::spawn(async move {
            let host = face.host.clone().of_peer(peer);
            let mut held = face.tenures.begin();
            let tenure = Arc::clone(&held.tenure);
            let serving = async {
                match stream {
                    Stream::Tcp(tcp) => host.serve(tcp, HttpVersion::Http1, tenure).await,
                    Stream::Unix(unix) => host.serve_local(unix, tenure).await,
                }
            };
            let cut = held.unless_cut(serving).await;
            face.close(open, cut);
        });
    }

    /// A connection takes its place only once its handshake is done. There is no answer before that: who has
    /// to be refused is closed without one, and costs no handshake.
    fn admit_secured(self: &Arc<Self>, tls: ServerTls, stream: Stream) {
        self.make_room();
        if self.places.available_permits() == 0 {
            self.note_refusal(Full::Connections);
            return;
        }
        let Some(handshake) = self.handshakes.begin() else {
            self.note_refusal(Full::Handshakes);
            return;
        };
        let peer = stream.peer();
        let face = Arc::clone(self);
        tokio::spawn(async move {
            match stream {
                Stream::Tcp(tcp) => face.serve_secured(&tls, handshake, tcp, peer).await,
                Stream::Unix(unix) => face.serve_secured(&tls, handshake, unix, peer).await,
            }
        });
    }

    async fn serve_secured<S>(
        &self,
        tls: &ServerTls,
        handshake: Handshake,
        stream: S,
        peer: Option<Peer>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let timeout = self.limits.handshake_timeout;
        let stream = match handshake.within(timeout, tls.accept(stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed: {error}");
                return;
            }
            None => return,
        };
        let Some(open) = self.take_place() else {
            self.note_refusal(Full::Connections);
            return;
        };
        let version = tls::version_of(&stream);
        let host = self.host.clone().of_peer(peer);
        let mut held = self.tenures.begin();
        let tenure = Arc::clone(&held.tenure);
        let cut = held.unless_cut(host.serve(stream, version, tenure)).await;
        self.close(open, cut);
    }

    /// Has idle connections leave if places are scarce.
    fn make_room(&self) {
        let left = self.tenures.make_room(self.places.available_permits());
        if left == 0 {
            return;
        }
        self.metrics.left.increment(left as u64);
        if let Some(held_back) = self.departures.pass() {
            let connections_max = self.limits.connections_max;
            tracing::warn!(
                connections_max,
                held_back,
                "closed {left} idle connections to make room for new ones: nearly all of {connections_max} places \
                 were taken"
            );
        }
    }

    fn take_place(&self) -> Option<OpenConnection> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(OpenConnection::new(self.metrics.clone(), place))
    }

    /// The end of a connection; `cut` if it was in the middle of a request, `None` if it had to leave.
    fn close(&self, open: OpenConnection, cut: Option<bool>) {
        if cut == Some(true) {
            self.requests_cut.fetch_add(1, Ordering::Relaxed);
        }
        drop(open);
    }

    fn note_refusal(&self, full: Full) {
        self.metrics.refused.increment(1);
        let Some(held_back) = self.refusals.pass() else {
            return;
        };
        let ConnectionLimits {
            connections_max,
            handshakes_max,
            ..
        } = self.limits;
        match full {
            Full::Connections => tracing::warn!(
                connections_max,
                held_back,
                "refused a connection: the limit of {connections_max} open connections is reached"
            ),
            Full::Handshakes => tracing::warn!(
                handshakes_max,
                held_back,
                "refused a connection: the limit of {handshakes_max} TLS handshakes in progress is reached"
            ),
        }
    }

    /// Refuses a connection above the limit: it gets an answer, as far as the socket takes it at once, and is
    /// closed. Some are first read to their end, so that unread bytes do not make the kernel drop the answer.
    fn refuse(&self, stream: Stream) {
        self.note_refusal(Full::Connections);
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

    async fn stop(&self, stop_timeout: Duration) -> Stopped {
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
        let places_count = u32::try_from(self.limits.connections_max);
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
