//! `lastro bench`: durable transfers per second in process, with the disk's own floor beside them.
//!
//! The floor is what the disk takes for the same bytes: frames of the same sizes, written and
//! synced one by one into the same kind of storage, with no ledger at all.

mod drive;
mod floor;
mod folder;
mod report;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use engine_embedded::EmbeddedEngine;
use journal::{Durability, FileStorage};

use crate::clock::SystemClock;
use folder::Folder;
use report::Report;
use workload::Workload;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many transfers.
    #[arg(long, default_value_t = 1_000_000)]
    transfers: u64,
    /// Between how many accounts.
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    /// How many transfers a call has.
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// How many calls are in flight.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Debits one limited account with every transfer; 1 % of them pass its limit.
    #[arg(long)]
    hot: bool,
    /// What an answer waits for: `disk` or `os`.
    #[arg(long, default_value_t = Durability::Disk)]
    durability: Durability,
    /// Where to write; must be new or empty. By default a fresh folder under the current one,
    /// removed at the end.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// What the random choices begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(options.transfers > 0, "--transfers must be at least 1");
    ensure!(options.concurrency > 0, "--concurrency must be at least 1");
    ensure!(options.accounts > 1, "--accounts must be at least 2");
    let batch_max = ledger::BATCH_COMMANDS_MAX;
    ensure!(
        (1..=batch_max).contains(&options.batch),
        "--batch must be 1 to {batch_max}"
    );
    let folder = Folder::prepare(options.data_dir.as_deref())?;
    let report = measure(options, &folder)?;
    report.print();
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options, folder: &Folder) -> anyhow::Result<Report> {
    let engine_options = engine_options(options);
    let place = folder.path().join("ledger");
    let (engine, _) = EmbeddedEngine::open(
        storage(&place)?,
        engine_options.clone(),
        Arc::new(SystemClock),
    )?;
    let workload = Arc::new(Workload::new(options));
    let driven = drive::drive(engine, &workload)?;

    // It ends by reopening, verifying and comparing the counts.
    let verified = engine_embedded::verify(storage(&place)?, engine_options.journal.clone(), false)
        .context("the bench's own journal could not be verified")?;
    ensure!(
        verified.is_clean(),
        "verify found: {:?}",
        verified.audit.findings
    );
    let (created, refused) = (
        verified.audit.transfers_count,
        verified.audit.refusals_count,
    );
    ensure!(
        (created, refused) == (driven.created_count, driven.refused_count),
        "{} created and {} refused were answered, {created} and {refused} are in the journal",
        driven.created_count,
        driven.refused_count
    );
    let (engine, recovery) = EmbeddedEngine::open(
        storage(&place)?,
        engine_options.clone(),
        Arc::new(SystemClock),
    )?;
    ensure!(
        engine.transfer_ids_count() as u64 == created + refused,
        "the reopened engine knows {} ids",
        engine.transfer_ids_count()
    );
    drop(engine);

    let frames = &verified.frame_bytes[driven.setup_frames..];
    let floor = floor::measure(&folder.path().join("floor"), frames, options.durability)?;
    Ok(Report::new(
        options,
        &driven,
        &floor,
        frames,
        recovery.elapsed,
    ))
}

fn engine_options(options: &Options) -> engine_embedded::Options {
    let mut engine_options = engine_embedded::Options::default();
    engine_options.journal.durability = options.durability;
    engine_options
}

fn storage(place: &std::path::Path) -> anyhow::Result<FileStorage> {
    FileStorage::open(place).with_context(|| format!("cannot open {}", place.display()))
}
