//! The embedded engine, driven; then its journal is verified, reopened and compared.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use engine_embedded::{EmbeddedEngine, Verified};
use journal::FileStorage;
use ledger::Engine;

use super::drive::{Driven, drive};
use super::floor;
use super::folder::Folder;
use super::options::BenchOptions;
use super::report::{JournalFigures, Report};
use super::workload::Workload;
use crate::clock::SystemClock;

pub(super) fn measure(options: &BenchOptions) -> anyhow::Result<Report> {
    let folder = Folder::prepare(options.data_dir.as_deref())?;
    let mut engine_options = engine_embedded::EmbeddedOptions::default();
    engine_options.journal.durability = options.durability;
    let place = folder.path().join("ledger");
    let open = || {
        let engine = EmbeddedEngine::open(
            storage(&place)?,
            engine_options.clone(),
            Arc::new(SystemClock),
        )?;
        anyhow::Ok(engine)
    };
    let workload = Arc::new(Workload::new(options));
    let driven = drive(
        async || Ok(Arc::new(open()?.0) as Arc<dyn Engine>),
        &workload,
        || Ok(None),
    )?;

    // It ends by reopening, verifying and comparing the counts.
    let verified = engine_embedded::verify(storage(&place)?, engine_options.journal.clone(), false)
        .context("the bench's own journal could not be verified")?;
    compare(&verified, &driven)?;
    let (engine, recovery) = open()?;
    let ids_count = engine.transfer_ids_count();
    ensure!(
        ids_count == driven.created_count + driven.refused_count,
        "the reopened engine knows {ids_count} ids"
    );
    drop(engine);

    let frames = frame_bytes(&place)?;
    let frames = &frames[driven.setup_frames..];
    let floor = floor::measure(&folder.path().join("floor"), frames, options.durability)?;
    let journal = JournalFigures::new(options, &floor, frames, recovery.elapsed);
    let subject = ("embedded", options.durability.to_string());
    Ok(Report::new(options, &driven, subject, Some(journal)))
}

/// The size of each frame in bytes, in order.
fn frame_bytes(place: &Path) -> anyhow::Result<Vec<u64>> {
    let mut sizes = Vec::new();
    let scanned = journal::scan(&storage(place)?, |visited| {
        if visited.last_in_frame {
            sizes.push(visited.frame.frame_bytes());
        }
        Ok::<(), Infallible>(())
    });
    scanned.context("the bench's own journal could not be read")?;
    Ok(sizes)
}

fn compare(verified: &Verified, driven: &Driven) -> anyhow::Result<()> {
    let audit = &verified.audit;
    ensure!(verified.is_clean(), "verify found: {:?}", audit.findings);
    let (created, refused) = (audit.transfers_count, audit.refusals_count);
    ensure!(
        (created, refused) == (driven.created_count, driven.refused_count),
        "{} created and {} refused were answered, {created} and {refused} are in the journal",
        driven.created_count,
        driven.refused_count
    );
    Ok(())
}

fn storage(place: &Path) -> anyhow::Result<FileStorage> {
    FileStorage::open(place).with_context(|| format!("cannot open {}", place.display()))
}
