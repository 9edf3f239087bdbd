//! `--sustain`: a benchmark that goes on over one ledger, in process or at a ledger node.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::load::sustained::{Openings, SustainedReport};
use anyhow::Context;
use engine_embedded::EmbeddedEngine;
use engine_remote::{LedgerAddress, RemoteEngine};
use journal::FileStorage;
use ledger::{Clock, Engine};

use super::drive::{Driven, drive};
use super::folder::Folder;
use super::options::BenchOptions;
use super::rows::{Process, Rows, Watched, call_times, per_second};
use super::workload::Workload;
use crate::clock::SystemClock;

/// With more transfers than these a row has ten times as many.
const SHORT_RUN_TRANSFERS_MAX: u64 = 50_000_000;
const ROW_TRANSFERS: u64 = 1_000_000;

pub(super) fn measure(options: &BenchOptions) -> anyhow::Result<SustainedReport> {
    match &options.grpc {
        Some(address) => at_node(options, address),
        None => in_process(options),
    }
}

fn in_process(options: &BenchOptions) -> anyhow::Result<SustainedReport> {
    let folder = Folder::prepare_to_go_on(options.data_dir.as_deref())?;
    let place = folder.path().join("ledger");
    let (engine, opened) = open(options, &place)?;
    let watched = Watched {
        process: Some(Process::Own),
        folder: Some(place.clone()),
    };
    let driven = run(options, watched, async || {
        Ok(Arc::new(engine) as Arc<dyn Engine>)
    })?;
    // The engine was closed with the end of the run.
    let (engine, reopened) = open(options, &place)?;
    drop(engine);
    let openings = Openings {
        opened_in_s: opened.as_secs_f64(),
        reopened_in_s: reopened.as_secs_f64(),
    };
    let durability = options.durability.to_string();
    report(options, driven, ("embedded", durability), Some(openings))
}

fn open(options: &BenchOptions, place: &Path) -> anyhow::Result<(EmbeddedEngine, Duration)> {
    let mut engine_options = engine_embedded::EmbeddedOptions::default();
    engine_options.journal.durability = options.durability;
    let storage =
        FileStorage::open(place).with_context(|| format!("cannot open {}", place.display()))?;
    let (engine, recovery) = EmbeddedEngine::open(storage, engine_options, Arc::new(SystemClock))?;
    Ok((engine, recovery.elapsed))
}

fn at_node(options: &BenchOptions, address: &LedgerAddress) -> anyhow::Result<SustainedReport> {
    let watched = Watched {
        process: options.node_pid.map(Process::Other),
        folder: options.node_data_dir.clone(),
    };
    let driven = run(options, watched, async || {
        let options = options.remote()?;
        Ok(Arc::new(RemoteEngine::new(address.clone(), options)) as Arc<dyn Engine>)
    })?;
    let durability = "the ledger node's, as it said at its start".to_owned();
    report(options, driven, ("remote", durability), None)
}

fn run(
    options: &BenchOptions,
    watched: Watched,
    open: impl AsyncFnOnce() -> anyhow::Result<Arc<dyn Engine>>,
) -> anyhow::Result<Driven> {
    // The ledger keeps what it was given: each run has ids of its own.
    let workload = Arc::new(Workload::of_run(options, SystemClock.now().as_nanos()));
    let row_transfers = options.row_transfers.unwrap_or({
        if options.transfers > SHORT_RUN_TRANSFERS_MAX {
            10 * ROW_TRANSFERS
        } else {
            ROW_TRANSFERS
        }
    });
    let prints_to_stderr = options.json.as_deref() == Some(Path::new("-"));
    let rows = || Rows::begin(watched, row_transfers, prints_to_stderr).map(Some);
    drive(open, &workload, rows)
}

fn report(
    options: &BenchOptions,
    driven: Driven,
    (engine, durability): (&'static str, String),
    openings: Option<Openings>,
) -> anyhow::Result<SustainedReport> {
    let rows = driven.rows.context("a sustained run has rows")?;
    let transfers_count = driven.created_count + driven.refused_count;
    Ok(SustainedReport {
        engine,
        durability,
        ids: options.ids.as_str(),
        accounts_count: options.accounts,
        batch: options.batch,
        concurrency: options.concurrency,
        hot: options.hot,
        transfers_count,
        created_count: driven.created_count,
        refused_count: driven.refused_count,
        elapsed_s: driven.elapsed.as_secs_f64(),
        transfers_per_s: per_second(transfers_count, driven.elapsed),
        calls: call_times(&driven.latency_ns),
        openings,
        start: rows.start,
        rows: rows.rows,
    })
}
