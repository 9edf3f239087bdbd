//! The faces of `lastro serve`: HTTP, gRPC and metrics. They are bound before they are served.

use std::sync::Arc;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use server::{GrpcLimits, Health, Keys, LateApp, Listener, MetricsCallers, ServerTls};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::certificates::Certificates;
use super::config::Config;
use super::doors::Doors;
use super::open_files::OpenFiles;
use super::readiness::watch_readiness;
use super::reload::Reloads;
use super::role::Role;
use super::stop::{STOP_TIMEOUT, stopped};

/// What the faces are made of, but for the app.
pub(super) struct Faces<'a> {
    config: &'a Config,
    files: &'a OpenFiles,
    /// Where metrics are read from; nobody serves them without one.
    recorder: Option<PrometheusHandle>,
    /// The runtime of the metrics.
    probes: &'a Runtime,
    keys: Keys,
    certificates: Certificates,
    stop: watch::Receiver<bool>,
}

/// The addresses, bound.
pub(super) struct Listeners {
    http: Listener,
    grpc: Option<Listener>,
    metrics: Option<Listener>,
}

impl<'a> Faces<'a> {
    /// Reads what the faces need beside their addresses.
    pub(super) fn new(
        config: &'a Config,
        files: &'a OpenFiles,
        recorder: Option<PrometheusHandle>,
        probes: &'a Runtime,
        doors: &Doors,
        reloads: &mut Reloads,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            config,
            files,
            recorder,
            probes,
            keys: doors.keys.clone(),
            certificates: Certificates::read(&config.tls, reloads)?,
            stop,
        })
    }

    /// Warns before certificates expire. Needs to be in a runtime.
    pub(super) fn watch(&self) {
        self.certificates.watch();
    }

    /// Binds every address, or none.
    pub(super) async fn bind(&self) -> anyhow::Result<Listeners> {
        let (tls, access) = (&self.certificates, self.config.sockets);
        let http = secured(
            server::bind_for(&self.config.listen, access).await?,
            &tls.http,
        );
        let grpc = match &self.config.grpc_listen {
            Some(address) => Some(secured(server::bind_for(address, access).await?, &tls.grpc)),
            None => None,
        };
        let metrics = match self.config.metrics_listen.clone() {
            Some(address) => {
                let bound = self
                    .probes
                    .spawn(async move { server::bind_for(&address, access).await });
                Some(secured(bound.await??, &tls.metrics))
            }
            None => None,
        };
        Ok(Listeners {
            http,
            grpc,
            metrics,
        })
    }

    /// Serves the app until the stop, then lets requests in progress finish.
    pub(super) async fn serve(self, listeners: Listeners, app: LateApp) -> anyhow::Result<()> {
        // In a thread that does nothing else: what is measured must not be in the way of measuring.
        let metrics = self.probes.spawn(serve_metrics(
            listeners.metrics,
            MetricsCallers {
                hosts: self.config.hosts(),
                keys: self.keys,
                handshakes_max: self.files.metrics_handshakes_max,
            },
            self.recorder,
            app.health(),
            self.stop.clone(),
        ));
        let watching = self
            .probes
            .spawn(watch_readiness(app.health(), self.stop.clone()));
        let limits = self.files.grpc_limits();
        let stop = self.stop.clone();
        let grpc = serve_grpc(listeners.grpc, app.clone(), limits, stop);
        let (listener, stop) = (listeners.http, stopped(self.stop));
        let http = async {
            match self.config.role {
                Role::Ledger => server::serve_probes(listener, app, stop, STOP_TIMEOUT).await,
                Role::All | Role::Api => server::serve(listener, app, stop, STOP_TIMEOUT).await,
            }
        };
        let (http, grpc_cut, metrics, watching) = tokio::join!(http, grpc, metrics, watching);
        metrics.context("the task that serves metrics panicked")?;
        watching.context("the task that watches the readiness panicked")?;
        let requests_cut = http.requests_cut + grpc_cut;
        if requests_cut > 0 {
            bail!(
                "{requests_cut} requests did not finish within {} s and were cut",
                STOP_TIMEOUT.as_secs()
            );
        }
        Ok(())
    }
}

fn secured(listener: Listener, tls: &Option<ServerTls>) -> Listener {
    match tls {
        Some(tls) => listener.with_tls(tls.clone()),
        None => listener,
    }
}

/// Serves gRPC if it was asked for; returns how many requests were cut.
async fn serve_grpc(
    listener: Option<Listener>,
    app: LateApp,
    limits: GrpcLimits,
    stop: watch::Receiver<bool>,
) -> usize {
    let Some(listener) = listener else {
        return 0;
    };
    let stopped = stopped(stop);
    let served = server::serve_grpc(listener, app, limits, stopped, STOP_TIMEOUT).await;
    served.requests_cut
}

async fn serve_metrics(
    listener: Option<Listener>,
    callers: MetricsCallers,
    recorder: Option<PrometheusHandle>,
    health: Arc<dyn Health>,
    stop: watch::Receiver<bool>,
) {
    if let Some((listener, recorder)) = listener.zip(recorder) {
        let stopped = stopped(stop);
        let serving =
            server::serve_metrics(listener, recorder, health, callers, stopped, STOP_TIMEOUT);
        serving.await;
    }
}
