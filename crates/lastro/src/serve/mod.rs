//! `lastro serve`: everything in one process, or one of the roles it can be split into.

mod certificates;
mod config;
mod demo;
mod dispatch;
mod doors;
mod engine_config;
mod faces;
mod faults;
mod gauges;
mod health;
mod layers;
mod memory;
mod open;
mod open_files;
mod opened;
mod opening;
mod outbox;
mod outbox_owner;
mod outgoing;
mod payments;
mod probed;
mod readiness;
mod reload;
mod role;
mod sending;
mod service_manager;
mod settings;
mod sockets;
mod stop;
mod tls;
mod traces;
mod urls;
mod waiting;
mod webhooks;
mod write_behind;

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use server::{Health, LateApp};
use tokio::runtime::Runtime;
use tokio::sync::watch;

#[cfg(test)]
pub(crate) use certificates::METRICS as CERTIFICATE_METRICS;
use config::Config;
use doors::Doors;
use engine_config::EngineConfig;
use faces::Faces;
use gauges::Looking;
#[cfg(test)]
pub(crate) use gauges::{DISK_METRICS, METRICS as STATE_METRICS, PROCESS_METRICS};
#[cfg(test)]
pub(crate) use layers::INFO;
use layers::Layers;
use memory::Memory;
use open::LedgerFolder;
use open_files::OpenFiles;
#[cfg(test)]
pub(crate) use opening::METRICS as OPENING_METRICS;
use opening::Visible;
use payments::AccessFiles;
pub(crate) use payments::FILE_ONLY_EXAMPLE as PAYMENTS_EXAMPLE;
pub(crate) use probed::{Probed, probed};
use reload::Reloads;
pub(crate) use settings::{PRECEDENCE, ServeOptions, setting_defaults};
#[cfg(test)]
pub(crate) use settings::{check_file, file_fault, file_only_keys};
use stop::{STOP_TIMEOUT, stop_signal, stopped};
use traces::Exporting;
pub(crate) use webhooks::EXAMPLE as WEBHOOKS_EXAMPLE;

pub(crate) fn run(options: ServeOptions) -> anyhow::Result<ExitCode> {
    let config = Arc::new(Config::resolve(options)?);
    let log = crate::log::start(&config.log)?;
    announce_start(&config);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let memory = Memory::of_process();
    let files = OpenFiles::plan(open_files::raise_limit(), memory, &config)?;
    files.report();
    let recorder = install_metrics(&config)?;
    // Held until the end; where no metrics are served, nothing is looked at.
    let _looking = match &recorder {
        Some(_) => {
            let looking = Looking::start(&config, log.access_lines_dropped());
            Some(looking.context("cannot start the thread of the gauges")?)
        }
        None => None,
    };
    let exporting = match &config.collector {
        Some(collector) => Some(Exporting::start(collector, config.role.as_str())?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lastro-http")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let probes = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("lastro-metrics")
        .enable_all()
        .build()
        .context("cannot start the runtime of the metrics")?;
    match runtime.block_on(serve(
        &config,
        &files,
        exporting.as_ref(),
        recorder,
        &probes,
    ))? {
        Ended::WhileOpening => {
            // The thread that opens the ledger may still need it until the process has ended.
            std::mem::forget(runtime);
            tracing::info!("stopped while the ledger was being opened; nothing was changed");
        }
        Ended::Served { layers, faces } => {
            let engine = runtime.block_on(layers.stop(STOP_TIMEOUT));
            drop(runtime);
            drop(engine);
            faces?;
            tracing::info!("stopped");
        }
    }
    if let Some(exporting) = exporting {
        exporting.stop();
    }
    drop(log);
    Ok(ExitCode::SUCCESS)
}

/// The configuration in force, as one event.
fn announce_start(config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    let shown = config.to_string();
    let settings = shown.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.join(" ")
    });
    let configuration = settings.collect::<Vec<_>>().join("; ");
    tracing::info!(version, "lastro {version} starts: {configuration}");
}

/// What `lastro serve` would run with; fails where it would refuse to start because of its
/// settings or of the certificates that they name.
pub(crate) fn check(options: ServeOptions) -> anyhow::Result<String> {
    let config = Config::resolve(options)?;
    config.load_certificates()?;
    for webhook in &config.webhooks {
        webhook.read_secrets()?;
    }
    if let Some(payments) = &config.payments {
        payments.access.iter().try_for_each(AccessFiles::read_all)?;
    }
    Ok(config.to_string())
}

/// How serving ended.
enum Ended {
    /// It was told to stop before the ledger was open.
    WhileOpening,
    /// It was told to stop, or could not go on.
    Served {
        layers: Box<Layers>,
        faces: anyhow::Result<()>,
    },
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
    config: &Arc<Config>,
    files: &OpenFiles,
    exporting: Option<&Exporting>,
    recorder: Option<PrometheusHandle>,
    probes: &Runtime,
) -> anyhow::Result<Ended> {
    // The stop must be heard from the first moment on.
    let stop = stop_signal()?;
    let mut reloads = Reloads::new()?;
    tokio::select! {
        there = waiting::for_files(config) => there?,
        () = stopped(stop.clone()) => return Ok(Ended::WhileOpening),
    }
    let doors = Doors::open(config, &mut reloads)?;
    let faces = Faces::new(
        config,
        files,
        recorder,
        probes,
        &doors,
        &mut reloads,
        stop.clone(),
    )?;
    if let Some(exporting) = exporting {
        exporting.watch(&mut reloads);
    }
    reloads.start();
    faces.watch();
    match &config.engine {
        EngineConfig::Embedded => serve_while_opening(config, files, &doors, faces, stop).await,
        EngineConfig::Postgres { .. }
        | EngineConfig::Remote { .. }
        | EngineConfig::WriteBehind(_) => serve_once_open(config, files, &doors, faces, stop).await,
    }
}

/// Listens at once, and answers from the ledger once it is open. What would stop the opening before
/// it has read anything stops this before it listens.
async fn serve_while_opening(
    config: &Arc<Config>,
    files: &OpenFiles,
    doors: &Doors,
    faces: Faces<'_>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Ended> {
    let folder = LedgerFolder::open(config)?;
    let listeners = faces.bind().await?;
    let opening = Arc::new(Visible::new(folder.progress()));
    let late = LateApp::opening(
        Arc::clone(&opening) as Arc<dyn Health>,
        files.http_limits(),
        config.hosts(),
        doors.keys.clone(),
    );
    let mut serving = pin!(faces.serve(listeners, late.clone()));
    let layers = tokio::select! {
        opened = opening::open(config, files, doors, Some(folder)) => opened?,
        // Nothing was accepted: there is nothing to finish.
        () = stopped(stop.clone()) => return Ok(Ended::WhileOpening),
        ended = &mut serving => {
            ended?;
            return Ok(Ended::WhileOpening);
        }
        never = opening.report() => match never {},
    };
    opening.set_metrics();
    let faces = tokio::select! {
        began = begin(config, &layers, stop) => match began {
            Ok(Begun::Ready) => {
                late.open(layers.app());
                announce();
                serve_watched(&layers, serving).await
            }
            Ok(Begun::Stopped) => serving.await,
            Err(error) => Err(error),
        },
        ended = &mut serving => ended,
    };
    Ok(Ended::Served {
        layers: Box::new(layers),
        faces,
    })
}

/// Listens when the ledger is open.
async fn serve_once_open(
    config: &Arc<Config>,
    files: &OpenFiles,
    doors: &Doors,
    faces: Faces<'_>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Ended> {
    let layers = tokio::select! {
        opened = opening::open(config, files, doors, None) => opened?,
        () = stopped(stop.clone()) => return Ok(Ended::WhileOpening),
    };
    let serving = async {
        doors.watch_database().await?;
        if let Begun::Stopped = begin(config, &layers, stop).await? {
            return Ok(());
        }
        let listeners = faces.bind().await?;
        let mut serving = pin!(faces.serve(listeners, layers.app().into()));
        tokio::select! {
            biased;
            ended = &mut serving => ended,
            () = std::future::ready(()) => {
                announce();
                serve_watched(&layers, serving).await
            }
        }
    };
    let faces = serving.await;
    Ok(Ended::Served {
        layers: Box::new(layers),
        faces,
    })
}

/// What became of the first steps over an open ledger.
enum Begun {
    Ready,
    /// It was told to stop.
    Stopped,
}

/// What is done over an open ledger before anybody is answered.
async fn begin(
    config: &Config,
    layers: &Layers,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Begun> {
    if !config.demo {
        return Ok(Begun::Ready);
    }
    let waits = matches!(config.engine, EngineConfig::Remote { .. });
    tokio::select! {
        opened = demo::open_accounts(layers.engine(), waits) => opened.map(|()| Begun::Ready),
        () = stopped(stop) => Ok(Begun::Stopped),
    }
}

fn announce() {
    tracing::info!("the server is ready: requests are answered from now on");
    service_manager::ready();
}

/// Serves to the end, and meanwhile reports to the service manager that this process lives.
async fn serve_watched(
    layers: &Layers,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = serving => ended,
        never = service_manager::watch_over(layers.engine(), layers.writer()) => match never {},
    }
}
