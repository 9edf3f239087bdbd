//! `lastro restore`: a data folder from a backup.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use journal::backup::{BackedUp, Restored, Until, restore};
use journal::{FileStorage, LockAttempt, Storage, segment_number};
use ledger::LedgerId;

use crate::backup::{
    JournalPart, Manifest, OUTBOX, ProgressShown, check_apart, open_existing, timestamp,
};
use crate::data_folder::MANIFEST;
use crate::kept_head::KeptHead;
use crate::outbox_mark;

#[derive(clap::Args)]
pub(crate) struct RestoreOptions {
    /// The backup's folder.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The data folder to make: new or empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Restores up to this frame only: the number before the colon of a head.
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "at_time")]
    at_frame: Option<u64>,
    /// Restores up to this time only, such as `2026-11-29T10:00:00Z`: everything that was recorded
    /// then or before.
    #[arg(long, value_name = "RFC3339")]
    at_time: Option<Timestamp>,
}

impl RestoreOptions {
    fn until(&self) -> anyhow::Result<Until> {
        Ok(match (self.at_frame, self.at_time) {
            (Some(sequence), _) => Until::Frame(sequence),
            (None, Some(time)) => {
                let nanos = u64::try_from(time.as_nanosecond());
                Until::Time(nanos.context("--at-time is before 1970")?)
            }
            (None, None) => Until::End,
        })
    }
}

pub(crate) fn run(options: &RestoreOptions) -> anyhow::Result<ExitCode> {
    let until = options.until()?;
    let source = open_existing(&options.from)?;
    let place = options.from.display();
    let manifest = Manifest::read(&source)?;
    let manifest = manifest
        .with_context(|| format!("there is no backup in {place}: {MANIFEST} is missing"))?;
    let Some(taken_at) = manifest.taken_at else {
        bail!("the first backup into {place} did not finish: run it again before it is restored");
    };
    if let Some(time) = options.at_time {
        ensure!(
            time <= taken_at,
            "the backup was taken at {taken_at} and does not have what was recorded later: restore \
             all of it without --at-time"
        );
    }
    ensure!(
        manifest.ledger.is_some() || until == Until::End,
        "only an outbox is in {place}: it is restored to its end only"
    );
    check_apart(&options.from, &options.to)?;
    let target = prepare(&options.to)?;
    let _lock = lock(&target)?;
    if manifest.ledger.is_some() {
        // No server takes the folder for a new one from now on.
        mark_unfinished(&target)?;
    }
    if let Some(part) = &manifest.outbox {
        restore_outbox(options, part, manifest.outbox_ledger()?, until)?;
    }
    if let Some(part) = &manifest.ledger {
        let shown = ProgressShown::new("restoring the ledger");
        let restored = restore(
            &source,
            &part.backed_up()?,
            &target,
            until,
            &mut |progress| {
                shown.show(progress);
            },
        )?;
        drop(shown);
        print("", &restored)?;
    }
    println!("whole: every frame was checked against the chain");
    Ok(ExitCode::SUCCESS)
}

fn restore_outbox(
    options: &RestoreOptions,
    part: &JournalPart,
    ledger: Option<LedgerId>,
    until: Until,
) -> anyhow::Result<()> {
    let backed_up: BackedUp = part.backed_up()?;
    if until != Until::End {
        // Operations from after that moment would be applied to it.
        println!(
            "the outbox in the backup is not restored: its operations are from the moment of the \
             backup, not from the one that is restored"
        );
        return Ok(());
    }
    let source = open_existing(&options.from.join(OUTBOX))?;
    let folder = options.to.join(OUTBOX);
    let target = FileStorage::open(&folder).context("cannot make the outbox's folder")?;
    if let Some(ledger) = ledger {
        // Before there is an operation that could be given to another one.
        outbox_mark::write(&folder, ledger)?;
    }
    let shown = ProgressShown::new("restoring the outbox");
    let restored = restore(&source, &backed_up, &target, until, &mut |progress| {
        shown.show(progress);
    })?;
    drop(shown);
    print("outbox ", &restored)
}

fn print(of: &str, restored: &Restored) -> anyhow::Result<()> {
    println!("{of}records {}", restored.head.records);
    if let Some(nanos) = restored.last_frame_ns {
        println!("{of}up to   {}", timestamp(nanos)?);
    }
    println!("{of}head    {}", KeptHead::from(restored.head));
    Ok(())
}

/// Opens the folder if nothing is in it but what a restore leaves that was stopped.
fn prepare(folder: &Path) -> anyhow::Result<FileStorage> {
    let place = folder.display();
    let target = FileStorage::open(folder).with_context(|| format!("cannot open {place}"))?;
    let names = target
        .list()
        .with_context(|| format!("cannot list {place}"))?;
    let is_other =
        |name: &&String| !is_unfinished(name) && !["lock", "lost+found"].contains(&name.as_str());
    if let Some(other) = names.iter().find(is_other) {
        bail!("{place} is not empty ({other} is in it): choose a new folder");
    }
    Ok(target)
}

fn lock(target: &FileStorage) -> anyhow::Result<journal::FileLock> {
    let place = target.place();
    match target
        .try_lock()
        .with_context(|| format!("cannot lock {place}"))?
    {
        LockAttempt::Held(lock) => Ok(lock),
        LockAttempt::Taken { .. } => bail!("{place} is in use by another process"),
    }
}

/// Puts a file there for which no server opens the folder, and removes what an earlier try left.
fn mark_unfinished(target: &FileStorage) -> anyhow::Result<()> {
    const MARK: &str = "0000000000.segment.partial";
    let failed = || format!("cannot write to {}", target.place());
    match target.create(MARK) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(failed);
        }
        Ok(_) | Err(_) => target.sync_directory().with_context(failed)?,
    }
    for name in target.list().with_context(failed)? {
        if is_unfinished(&name) && name != MARK {
            target.remove(&name).with_context(failed)?;
        }
    }
    Ok(())
}

/// Whether it is a segment that a restore has not finished.
fn is_unfinished(name: &str) -> bool {
    let unfinished = name.strip_suffix(".partial");
    unfinished.is_some_and(|name| segment_number(name).is_some())
}
