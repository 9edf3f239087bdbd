//! From PostgreSQL into a data folder.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use engine_embedded::{EmbeddedOptions, Import};
use engine_postgres::{Events, PostgresOptions, check_not_served, each_account, place};
use journal::{FileStorage, LockAttempt, Storage};

use super::compare::Compared;
use super::events_of_journal::EventsOfJournal;
use super::mark::{self, MARK, unfinished};
use super::report::Report;
use super::shown::Shown;

pub(super) async fn run(url: &str, options: &PostgresOptions, to: &Path) -> anyhow::Result<Report> {
    let shown_from = place(url)?;
    let shown_to = to.display().to_string();
    let check = check_not_served(url, options);
    check
        .await
        .with_context(|| format!("cannot copy {shown_from}"))?;
    let storage = prepare(to)?;
    let began = Instant::now();
    let shown = Shown::begin("reading the ledger", None);
    let events = Events::read(url, options, to, &mut |progress| shown.rows(progress)).await;
    let mut events = events.with_context(|| format!("cannot read {shown_from}"))?;
    drop(shown);
    mark::write(&storage, &shown_from)?;
    let to_folder = || format!("cannot copy into {shown_to}");
    let import = Import::open(storage, EmbeddedOptions::default());
    let mut import = import.with_context(to_folder)?;
    let before = import.head().records;
    if before > 0 {
        skip(&mut events, to, before)
            .await
            .with_context(to_folder)?;
    }
    let shown = Shown::begin("copying into the folder", Some(events.count()));
    let mut events_count = before;
    while let Some(together) = events.next_together()? {
        import.append(&together).with_context(to_folder)?;
        events_count += together.len() as u64;
        shown.reach(events_count);
    }
    import.commit().with_context(to_folder)?;
    drop((events, shown));
    let copied_in = began.elapsed();

    let began = Instant::now();
    // Once more, from the database itself.
    let shown = Shown::begin("reading the ledger again", None);
    let events = Events::read(url, options, to, &mut |progress| shown.rows(progress)).await;
    let events = events.with_context(|| format!("cannot read {shown_from}"))?;
    drop(shown);
    let shown = Shown::begin("comparing", Some(events.count()));
    let of_journal = EventsOfJournal::of_folder(open(to)?)?;
    let mut compared = Compared::events(events, of_journal, &shown).await?;
    drop(shown);
    if compared.is_equal() {
        for (id, account) in import.accounts() {
            compared.account("the folder", id, account);
        }
        compared.all_accounts("the folder");
        each_account(url, options, &mut |id, account| {
            compared.account("the database", &id, &account);
        })
        .await
        .with_context(|| format!("cannot read the accounts of {shown_from}"))?;
        compared.all_accounts("the database");
    }
    if compared.is_equal() {
        mark::remove(&open(to)?)?;
    }
    drop(import);
    let times = [copied_in, began.elapsed()];
    let places = [shown_from, shown_to];
    let copied_count = events_count - before;
    Ok(Report::new(places, copied_count, times, compared))
}

fn open(folder: &Path) -> anyhow::Result<FileStorage> {
    FileStorage::open_existing(folder).with_context(|| format!("cannot open {}", folder.display()))
}

/// Opens the folder if nothing is in it but an unfinished copy.
fn prepare(folder: &Path) -> anyhow::Result<FileStorage> {
    let place = folder.display();
    let storage = FileStorage::open(folder).with_context(|| format!("cannot open {place}"))?;
    match storage
        .try_lock()
        .with_context(|| format!("cannot lock {place}"))?
    {
        // The import takes it for good.
        LockAttempt::Held(_) => {}
        LockAttempt::Taken { .. } => bail!("{place} is in use by another process"),
    }
    if unfinished(folder).is_some() {
        return Ok(storage);
    }
    let names = storage
        .list()
        .with_context(|| format!("cannot list {place}"))?;
    let is_other = |name: &&String| {
        let is_own = *name == &format!("{MARK}.partial");
        !is_own && !["lock", "lost+found"].contains(&name.as_str())
    };
    if let Some(other) = names.iter().find(is_other) {
        bail!("{place} is not empty ({other} is in it): choose a new folder");
    }
    Ok(storage)
}

/// Passes over the events that are in the folder, which have to be the same.
async fn skip(events: &mut Events, folder: &Path, count: u64) -> anyhow::Result<()> {
    let mut of_journal = EventsOfJournal::of_folder(open(folder)?)?;
    let mut there = Vec::new();
    let mut skipped = 0;
    while skipped < count {
        let together = events.next_together()?;
        let together = together.context(OTHER)?;
        while there.len() < together.len() {
            match of_journal.next_frame().await? {
                Some(frame) => there.extend(frame),
                None => break,
            }
        }
        ensure!(
            there.len() >= together.len() && there[..together.len()] == together[..],
            OTHER
        );
        there.drain(..together.len());
        skipped += together.len() as u64;
    }
    Ok(())
}

const OTHER: &str = "the folder holds an unfinished copy of another ledger, or of an earlier state of this one: choose a \
     new folder";
