//! `lastro backup`: a copy of a data folder that may be served meanwhile.

mod manifest;
mod progress;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use journal::backup::{BackedUp, BackupError, Taken, back_up, remove_obsolete};
use journal::{FileStorage, LockAttempt, OpenError, Storage};

use crate::data_folder::{MANIFEST, has_journal, is_backup};
use crate::kept_head::KeptHead;
use crate::last_done::Done;
use crate::outbox_mark;

pub(crate) use manifest::{JournalPart, Manifest, timestamp};
pub(crate) use progress::ProgressShown;

#[derive(clap::Args)]
pub(crate) struct BackupOptions {
    /// The data folder. It may be served meanwhile.
    #[arg(long, env = "LASTRO_DATA_DIR", default_value = "lastro-data")]
    data_dir: PathBuf,
    /// The backup's folder: new or empty, or with an earlier backup of the same ledger, to which only
    /// what is new is added.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// The folder of the operations that wait to be applied, in a data folder and in a backup.
pub(crate) const OUTBOX: &str = "outbox";

/// How often an outbox is copied while it removes segments.
const TRIES_MAX: u32 = 5;

pub(crate) fn run(options: &BackupOptions) -> anyhow::Result<ExitCode> {
    let (data_dir, to) = (&options.data_dir, &options.to);
    let (place, target_place) = (data_dir.display(), to.display());
    let has_ledger = has_journal(data_dir);
    let outbox_dir = data_dir.join(OUTBOX);
    let has_outbox = has_journal(&outbox_dir);
    ensure!(has_ledger || has_outbox, "there is no ledger in {place}");
    ensure!(
        !is_backup(data_dir),
        "{place} is a backup, not a data folder: copy it with any program that copies files"
    );
    let source = open_existing(data_dir)?;
    ensure!(
        !(has_ledger && outbox::is_outbox(&source)),
        "{place} is an outbox: back up the data folder that it is in"
    );
    check_apart(data_dir, to)?;
    let target = FileStorage::open(to).with_context(|| format!("cannot open {target_place}"))?;
    let mut manifest = begin(&target)?;
    let _lock = lock(&target)?;
    let before = manifest.clone();
    ensure!(
        has_ledger || before.ledger.is_none(),
        "there is no ledger in {place}, and the backup in {target_place} has one"
    );
    // First the outbox: what it had applied meanwhile is then in the ledger's copy, and what the
    // ledger's copy does not have is still in the outbox's.
    if has_outbox {
        let target =
            FileStorage::open(to.join(OUTBOX)).context("cannot make the outbox's folder")?;
        let shown = ProgressShown::new("copying the outbox");
        let known = known(before.outbox.as_ref())?;
        let taken = copy_outbox(
            &open_existing(&outbox_dir)?,
            &target,
            known.as_ref(),
            &shown,
        )?;
        manifest.outbox = Some(JournalPart::of(&taken.backed_up)?);
        manifest.set_outbox_ledger(outbox_mark::read(&outbox_dir)?);
        drop(shown);
        print("outbox ", &taken)?;
    }
    let mut taken_at = Timestamp::now();
    if has_ledger {
        let shown = ProgressShown::new("copying the ledger");
        let known = known(before.ledger.as_ref())?;
        let taken = back_up(&source, &target, false, known.as_ref(), &mut |progress| {
            if progress.segments + 1 == progress.segments_all {
                // The last one is about to be copied: what came later may not be in it.
                taken_at = Timestamp::now();
            }
            shown.show(progress);
        })?;
        manifest.ledger = Some(JournalPart::of(&taken.backed_up)?);
        drop(shown);
        print("", &taken)?;
    }
    manifest.taken_at = Some(taken_at);
    manifest.write(&target)?;
    for (part, folder) in [
        (&manifest.ledger, to.clone()),
        (&manifest.outbox, to.join(OUTBOX)),
    ] {
        if let Some(part) = part {
            remove_obsolete(&open_existing(&folder)?, &part.backed_up()?)?;
        }
    }
    Done::Backup.note(data_dir, &format!("{taken_at} into {target_place}\n"));
    println!("whole: every copied frame was checked against the chain");
    Ok(ExitCode::SUCCESS)
}

/// An outbox may remove the segment that is about to be copied.
fn copy_outbox(
    source: &FileStorage,
    target: &FileStorage,
    known: Option<&BackedUp>,
    shown: &ProgressShown,
) -> Result<Taken, BackupError> {
    let mut tries_count = 1;
    loop {
        let taken = back_up(source, target, true, known, &mut |progress| {
            shown.show(progress);
        });
        match taken {
            Err(BackupError::Source {
                source: OpenError::Io { source, .. },
                ..
            }) if source.kind() == io::ErrorKind::NotFound && tries_count < TRIES_MAX => {
                tries_count += 1;
            }
            taken => return taken,
        }
    }
}

fn known(part: Option<&JournalPart>) -> anyhow::Result<Option<BackedUp>> {
    part.map(JournalPart::backed_up).transpose()
}

fn print(of: &str, taken: &Taken) -> anyhow::Result<()> {
    let BackedUp {
        head,
        last_frame_ns,
        ..
    } = taken.backed_up;
    println!("{of}copied  {} segments", taken.segments_copied);
    println!("{of}records {}", head.records);
    if let Some(nanos) = last_frame_ns {
        println!("{of}up to   {}", timestamp(nanos)?);
    }
    println!("{of}head    {}", KeptHead::from(head));
    Ok(())
}

/// The manifest there is. A folder without one must be empty, and gets the first one.
fn begin(target: &FileStorage) -> anyhow::Result<Manifest> {
    if let Some(manifest) = Manifest::read(target)? {
        return Ok(manifest.of_this_build());
    }
    let place = target.place();
    let names = target
        .list()
        .with_context(|| format!("cannot list {place}"))?;
    let partial = format!("{MANIFEST}.partial");
    let other = names
        .iter()
        .find(|name| **name != partial && *name != "lost+found");
    if let Some(other) = other {
        bail!("{place} is not empty and has no backup ({other} is in it): choose a new folder");
    }
    let manifest = Manifest::new();
    manifest.write(target)?;
    Ok(manifest)
}

/// Two backups into one folder would be in each other's way.
fn lock(target: &FileStorage) -> anyhow::Result<journal::FileLock> {
    let place = target.place();
    match target
        .try_lock()
        .with_context(|| format!("cannot lock {place}"))?
    {
        LockAttempt::Held(lock) => Ok(lock),
        LockAttempt::Taken { pid: Some(pid) } => bail!("{place} is in use by process {pid}"),
        LockAttempt::Taken { pid: None } => bail!("{place} is in use by another process"),
    }
}

pub(crate) fn open_existing(folder: &Path) -> anyhow::Result<FileStorage> {
    let place = folder.display();
    FileStorage::open_existing(folder).with_context(|| format!("cannot open {place}"))
}

/// Neither folder may be in the other.
pub(crate) fn check_apart(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (source, target) = (resolved(from)?, resolved(to)?);
    let (from, to) = (from.display(), to.display());
    ensure!(
        source != target,
        "{to} is the folder that is copied: choose another one"
    );
    ensure!(
        !target.starts_with(&source),
        "{to} is inside of {from}: choose a folder elsewhere, best on another disk"
    );
    ensure!(
        !source.starts_with(&target),
        "{from} is inside of {to}: choose a folder elsewhere, best on another disk"
    );
    Ok(())
}

/// The path without links; of what is not there yet, the part that is.
fn resolved(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut missing: Vec<&OsStr> = Vec::new();
    for ancestor in absolute.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(found) => {
                return Ok(missing
                    .iter()
                    .rev()
                    .fold(found, |path, name| path.join(name)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.extend(ancestor.file_name());
            }
            Err(error) => return Err(error).context(format!("cannot look at {}", path.display())),
        }
    }
    Ok(absolute)
}
