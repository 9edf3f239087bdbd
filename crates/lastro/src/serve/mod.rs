//! `lastro serve`: everything in one process, or one of the roles it can be split into.

mod config;
mod demo;
mod dispatch;
mod engine_config;
mod faults;
mod health;
mod layers;
mod open;
mod open_files;
mod opened;
mod outbox;
mod outgoing;
mod payments;
mod role;
mod settings;
mod tls;
mod write_behind;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use server::{App, GrpcLimits, Health, Hosts, Listener, ServerTls};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use config::Config;
use engine_config::EngineConfig;
#[cfg(test)]
pub(crate) use layers::INFO;
use layers::Layers;
use open_files::OpenFiles;
use role::Role;
pub(crate) use settings::ServeOptions;

/// How long requests in progress may take to finish once the server was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(options: ServeOptions) -> anyhow::Result<ExitCode> {
    let config = Config::resolve(options)?;
    println!("lastro {}\n{config}", env!("CARGO_PKG_VERSION"));
    crate::log::start()?;
    let files = OpenFiles::plan(open_files::raise_limit(), &config)?;
    files.report();
    let recorder = install_metrics(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lastro-http")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let layers = {
        let _in_runtime = runtime.enter();
        Layers::stack(&runtime, &config, &files)?
    };
    let probes = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("lastro-metrics")
        .enable_all()
        .build()
        .context("cannot start the runtime of the metrics")?;
    let served = runtime.block_on(serve(&config, &files, layers.app(), recorder, &probes));
    let engine = runtime.block_on(layers.stop(STOP_TIMEOUT));
    drop(runtime);
    drop(engine);
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Engine and face take their metric handles from the recorder that is installed by then. Where
/// nobody serves them there is none, since samples would pile up.
fn install_metrics(config: &Config) -> anyhow::Result<Option<PrometheusHandle>> {
    if config.metrics_listen.is_none() {
        return Ok(None);
    }
    let recorder = server::install_metrics().context("cannot install the metrics recorder")?;
    Ok(Some(recorder))
}

async fn serve(
    config: &Config,
    files: &OpenFiles,
    app: App,
    recorder: Option<PrometheusHandle>,
    probes: &Runtime,
) -> anyhow::Result<()> {
    // The stop must be heard from the first request on.
    let stop = stop_signal()?;
    if config.demo {
        let waits = matches!(config.engine, EngineConfig::Remote { .. });
        tokio::select! {
            opened = demo::open_accounts(&*app.engine, waits) => opened?,
            () = stopped(stop.clone()) => return Ok(()),
        }
    }
    let listener = server::bind(&config.listen).await?;
    let grpc_listener = match &config.grpc_listen {
        Some(address) => Some(server::bind(address).await?),
        None => None,
    };
    let grpc_tls = match &config.grpc_tls {
        Some(files) => Some(files.load()?),
        None => None,
    };
    let metrics_listener = match config.metrics_listen.clone() {
        Some(address) => Some(
            probes
                .spawn(async move { server::bind(&address).await })
                .await??,
        ),
        None => None,
    };
    // In a thread that does nothing else: what is measured must not be in the way of measuring.
    let metrics_listener = metrics_listener.map(|listener| {
        let hosts = config.hosts();
        (listener, hosts)
    });
    let health = Arc::clone(&app.health);
    let metrics = probes.spawn(serve_metrics(
        metrics_listener.zip(recorder),
        health,
        stop.clone(),
    ));
    let limits = GrpcLimits {
        connections_max: files.grpc_connections_max,
        ..GrpcLimits::default()
    };
    let grpc = serve_grpc(grpc_listener, app.clone(), limits, grpc_tls, stop.clone());
    let face = async {
        match config.role {
            Role::Ledger => server::serve_probes(listener, app, stopped(stop), STOP_TIMEOUT).await,
            Role::All | Role::Api => {
                server::serve(listener, app, stopped(stop), STOP_TIMEOUT).await
            }
        }
    };
    let (face, grpc_cut, metrics) = tokio::join!(face, grpc, metrics);
    metrics.context("the task that serves metrics panicked")?;
    let requests_cut = face.requests_cut + grpc_cut;
    if requests_cut > 0 {
        bail!(
            "{requests_cut} requests did not finish within {} s and were cut",
            STOP_TIMEOUT.as_secs()
        );
    }
    Ok(())
}

/// Serves gRPC if it was asked for; returns how many requests were cut.
async fn serve_grpc(
    listener: Option<Listener>,
    app: App,
    limits: GrpcLimits,
    tls: Option<ServerTls>,
    stop: watch::Receiver<bool>,
) -> usize {
    let Some(listener) = listener else {
        return 0;
    };
    let stopped = stopped(stop);
    let served = server::serve_grpc(listener, app, limits, tls, stopped, STOP_TIMEOUT).await;
    served.requests_cut
}

async fn serve_metrics(
    listener: Option<((Listener, Hosts), PrometheusHandle)>,
    health: Arc<dyn Health>,
    stop: watch::Receiver<bool>,
) {
    if let Some(((listener, hosts), recorder)) = listener {
        let stopped = stopped(stop);
        server::serve_metrics(listener, recorder, health, hosts, stopped, STOP_TIMEOUT).await;
    }
}

/// Turns true at the first SIGTERM or SIGINT. A second one ends the process at once.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for stopping in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopping {
                tracing::warn!(
                    "a second signal to stop has arrived: ending at once, requests in progress are cut"
                );
                std::process::exit(1);
            }
            tracing::info!("stopping: requests in progress are finished, no new ones are accepted");
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can tell us any more: the process is ending.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
