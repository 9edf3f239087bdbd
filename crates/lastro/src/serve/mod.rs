//! `lastro serve`: everything in one process, or one of the roles it can be split into.

mod config;
mod demo;
mod faults;
mod health;
mod open;
mod open_files;
mod outbox;
mod outgoing;
mod payments;
mod tls;
mod write_behind;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::outbox::Operations;
use ::payments::{Alone, Dispatch, WithoutPayments};
use anyhow::{Context, bail};
use ledger::{Claims, Clock, Engine};
use metrics_exporter_prometheus::PrometheusHandle;
use server::{App, GrpcLimits, Health, Hosts, Limits, Listener, Reporting, ServerTls};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::SystemClock;
pub(crate) use config::Options;
use config::{Config, EngineConfig, Role};
use open::{Opened, open};
use open_files::OpenFiles;
use outbox::OutboxHealth;

/// How long requests in progress may take to finish once the server was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let config = Config::resolve(options)?;
    println!("lastro {}\n{config}", env!("CARGO_PKG_VERSION"));
    crate::log::start()?;
    let files = OpenFiles::plan(open_files::raise_limit(), &config)?;
    files.report();
    let recorder = install_metrics(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lastro-http")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let Opened {
        engine,
        mut health,
        durability,
        claims,
        dispatching,
    } = runtime.block_on(open(&config, &files, &clock))?;
    tell_info(durability);
    let (dispatch, engine) = runtime.block_on(async { dispatch(&config, engine, claims, &clock) });
    let dispatching = dispatch.as_ref().map(Dispatch::watch).or(dispatching);
    let mut outbox = None;
    if let Some(outbox_config) = config.outbox() {
        let _in_runtime = runtime.enter();
        let opened = outbox::open(&outbox_config, &engine, &clock)?;
        health = Arc::new(OutboxHealth::new(&opened, &outbox_config, health));
        outbox = Some(opened);
    }
    let app = App {
        engine: Arc::clone(&engine),
        dispatching,
        operations: outbox.clone().map(|outbox| outbox as Arc<dyn Operations>),
        clock,
        health,
        limits: Limits {
            connections_max: files.http_connections_max,
            ..Limits::default()
        },
        hosts: config.hosts(),
        is_purge_enabled: config.enable_purge,
    };
    let probes = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("lastro-metrics")
        .enable_all()
        .build()
        .context("cannot start the runtime of the metrics")?;
    let served = runtime.block_on(serve(
        &config,
        &files,
        engine.as_ref(),
        app,
        recorder,
        &probes,
    ));
    if let Some(outbox) = outbox {
        runtime.block_on(outbox::stop(&outbox));
    }
    if let Some(dispatch) = dispatch {
        runtime.block_on(dispatch.stop(STOP_TIMEOUT));
    }
    drop(runtime);
    // Whatever was accepted is finished and synced by the time the engine is dropped.
    drop(engine);
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Payments are dispatched where there are processors, and not accepted elsewhere. Everybody else
/// reaches the engine through the one that is given back. Needs to be in a runtime.
fn dispatch(
    config: &Config,
    engine: Arc<dyn Engine>,
    claims: Option<Arc<dyn Claims>>,
    clock: &Arc<dyn Clock>,
) -> (Option<Dispatch>, Arc<dyn Engine>) {
    match &config.payments {
        Some(payments) => {
            let mut payments = payments.clone();
            let claims = match claims {
                Some(claims) => {
                    payments.policy.window = payments::SHARED_WINDOW;
                    claims
                }
                None => Arc::new(Alone::new(Arc::clone(&engine))),
            };
            let (dispatch, engine) = Dispatch::start(engine, claims, payments, Arc::clone(clock));
            (Some(dispatch), Arc::new(Reporting::new(engine)))
        }
        // The ledger node knows, and reports what people do to payments.
        None if matches!(config.engine, EngineConfig::Remote { .. }) => (None, engine),
        None => {
            let engine = Arc::new(WithoutPayments::new(engine));
            (None, Arc::new(Reporting::new(engine)))
        }
    }
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

/// What this process is, for the metrics.
fn tell_info(durability: String) {
    metrics::describe_gauge!(
        "lastro_info",
        "Always 1: the version and what an answer waits for"
    );
    metrics::gauge!(
        "lastro_info",
        "version" => env!("CARGO_PKG_VERSION"),
        "durability" => durability
    )
    .set(1.0);
}

async fn serve(
    config: &Config,
    files: &OpenFiles,
    engine: &dyn Engine,
    app: App,
    recorder: Option<PrometheusHandle>,
    probes: &Runtime,
) -> anyhow::Result<()> {
    // The stop must be heard from the first request on.
    let stop = stop_signal()?;
    if config.demo {
        let waits = matches!(config.engine, EngineConfig::Remote { .. });
        tokio::select! {
            opened = demo::open_accounts(engine, waits) => opened?,
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
    metrics.context("the metrics' task panicked")?;
    let requests_cut = face.requests_cut + grpc_cut;
    if requests_cut > 0 {
        bail!("{requests_cut} requests were cut after {STOP_TIMEOUT:?}");
    }
    Ok(())
}

/// Serves gRPC where it was asked for; answers how many requests were cut.
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
    let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot hear SIGINT")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for stopping in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopping {
                tracing::warn!("told to stop twice: stopping at once");
                std::process::exit(1);
            }
            tracing::info!("stopping: finishing what was accepted");
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can tell us any more: the process is ending.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
