//! From a data folder into PostgreSQL.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use engine_embedded::{EmbeddedOptions, LockedJournal};
use engine_postgres::{Events, Import, PostgresOptions, each_account, place, verify};
use journal::{FileStorage, read_segment_start};
use ledger::{Event, LedgerId};

use super::compare::Compared;
use super::events_of_journal::EventsOfJournal;
use super::report::Report;
use super::shown::Shown;
use crate::data_folder::{has_journal, is_backup};

/// A transaction has at least so many events, unless there are no more; it ends with a frame.
const EVENTS_AT_ONCE: usize = 8_192;

pub(super) async fn run(
    from: &Path,
    url: &str,
    options: &PostgresOptions,
) -> anyhow::Result<Report> {
    let shown_from = from.display().to_string();
    let shown_to = place(url)?;
    ensure!(has_journal(from), "there is no ledger in {shown_from}");
    ensure!(
        !is_backup(from),
        "{shown_from} is a backup: `lastro restore` it into a new folder, and copy that"
    );
    let storage =
        FileStorage::open_existing(from).with_context(|| format!("cannot open {shown_from}"))?;
    ensure!(
        !outbox::is_outbox(&storage),
        "{shown_from} is an outbox: copy the data folder that it is in"
    );
    let start = read_segment_start(&storage, 0)
        .with_context(|| format!("cannot read the first segment in {shown_from}"))?;
    let start = start.with_context(|| format!("there is no ledger in {shown_from}"))?;
    let journal = LockedJournal::lock(storage, EmbeddedOptions::default().journal);
    let journal = Arc::new(journal.with_context(|| format!("cannot copy {shown_from}"))?);
    let to_database = || format!("cannot copy into {shown_to}");
    let ledger_id = LedgerId::from_bytes(start.id.0);
    let import = Import::begin(url, options, ledger_id).await;
    let mut import = import.with_context(to_database)?;
    let began = Instant::now();
    let before = import.events_count();
    let shown = Shown::begin("copying into the database", None);
    append_all(&journal, &mut import, &shown)
        .await
        .with_context(to_database)?;
    drop(shown);
    let copied_in = began.elapsed();

    let began = Instant::now();
    let shown = Shown::begin("reading the copy", None);
    let events = Events::read(url, options, from, &mut |progress| shown.rows(progress)).await;
    let events = events.context("cannot read the copy")?;
    drop(shown);
    let shown = Shown::begin("comparing", Some(events.count()));
    let of_journal = EventsOfJournal::of_locked(&journal)?;
    let mut compared = Compared::events(events, of_journal, &shown).await?;
    drop(shown);
    if compared.is_equal() {
        each_account(url, options, &mut |id, account| {
            compared.account("the database", &id, &account);
        })
        .await
        .context("cannot read the accounts of the copy")?;
        compared.all_accounts("the database");
    }
    let copied_count = import.events_count() - before;
    if compared.is_equal() {
        // Statements, expiries and sums are answered from tables that no event was read back from.
        let shown = Shown::begin("verifying the copy", None);
        let verified = verify(url, options, &mut |progress| shown.rows(progress)).await;
        let verified = verified.context("cannot verify the copy")?;
        drop(shown);
        ensure!(
            verified.is_clean(),
            "the copy has every event of {shown_from}, but its tables break {} rules, so it cannot be served: this \
             is a fault of lastro. `lastro verify --database-url` names the rules: please report them",
            verified.findings_count
        );
        import.finish().await.with_context(to_database)?;
    }
    let times = [copied_in, began.elapsed()];
    let places = [shown_from, shown_to];
    Ok(Report::new(places, copied_count, times, compared))
}

/// Writes all that is not there yet.
async fn append_all(
    journal: &Arc<LockedJournal<FileStorage>>,
    import: &mut Import,
    shown: &Shown,
) -> anyhow::Result<()> {
    let mut events = EventsOfJournal::of_locked(journal)?;
    let mut skipped = 0;
    let mut chunk: Vec<Event> = Vec::new();
    while let Some(mut frame) = events.next_frame().await? {
        let there = import.events_count() + chunk.len() as u64;
        if skipped < there {
            let left = usize::try_from(there - skipped).unwrap_or(usize::MAX);
            skipped += frame.len() as u64;
            frame.drain(..left.min(frame.len()));
        } else {
            skipped += frame.len() as u64;
        }
        chunk.append(&mut frame);
        if chunk.len() >= EVENTS_AT_ONCE {
            import.append(&chunk).await?;
            chunk.clear();
            shown.reach(import.events_count());
        }
    }
    if !chunk.is_empty() {
        import.append(&chunk).await?;
    }
    ensure!(
        skipped >= import.events_count(),
        "the database has {} events of this ledger, and the folder only {skipped}: it is not the folder \
         that the copy was begun from, or an earlier state of it",
        import.events_count()
    );
    Ok(())
}
