//! Data folders of every record layout so far, as they were written then.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, verify};
use journal::FileStorage;
use ledger::{
    AccountId, Batch, Currency, Engine, Event, EventQuery, EventsFrom, ListOrder, ListPage, Note,
    Outcome, StatementQuery, TransferId, TransferList,
};
use testkit::ManualClock;

use crate::bank::{PATIENCE, account_id, wait};
use crate::golden::{DEPOSITS_FROM, beside_options, beside_steps, ids, options};
use crate::picture::picture;
use crate::script::{
    Step, freeze_steps, notes_steps, part_steps, reason_steps, resolution_steps, reversal_steps,
    steps,
};

/// A data folder that is kept.
struct Fixture {
    folder: &'static str,
    head: &'static str,
    /// What it was made by.
    steps: fn() -> Vec<Step>,
    segments_min: u64,
}

const RECORDS_1: Fixture = Fixture {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-1"),
    head: "c951a9c13b82b900c45b6d3f26725cd0f0b0128e75eb85258a8438580b499d64",
    steps,
    segments_min: 2,
};

/// Likewise, with the event that came later.
const RECORDS_1_RESOLUTIONS: Fixture = Fixture {
    folder: concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/records-1-resolutions"
    ),
    head: "b84cbeedaf99f916c0a6e4ecd4de7b455b8efaafef0b1dda2b411fca4292680f",
    steps: resolution_steps,
    segments_min: 1,
};

/// Likewise, with references and metadata.
const RECORDS_2: Fixture = Fixture {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-2"),
    head: "578835101b1730c02f6a14028e3d040f22e398604d9fa0ec444cba15d3bb41bf",
    steps: notes_steps,
    segments_min: 1,
};

/// Likewise, with reversals.
const RECORDS_3: Fixture = Fixture {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-3"),
    head: "276b6bf214d5a2da4d815c3f2713440167c2d2129f4a70d722c70440f15906c1",
    steps: reversal_steps,
    segments_min: 1,
};

/// Likewise, with posts of parts.
const RECORDS_4: Fixture = Fixture {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-4"),
    head: "60454b87333944ed1d99c308cdb21206bf4452a99a752e420ee2c72e118a878c",
    steps: part_steps,
    segments_min: 1,
};

/// Likewise, with accounts that were frozen.
const RECORDS_4_FREEZES: Fixture = Fixture {
    folder: concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/records-4-freezes"
    ),
    head: "bab7d253e9db479d91c2d29f94d6c2e122b53b5e7b0069d68eea7eb74fe0bf12",
    steps: freeze_steps,
    segments_min: 1,
};

/// With who decided what was changed about accounts, and why.
const RECORDS_5: Fixture = Fixture {
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-5"),
    head: "49d9f6c538b23e0fa1a3a5807e2fcc4d769f4b33940f336f047b01dece0396f8",
    steps: reason_steps,
    segments_min: 1,
};

/// A copy of the fixture, opened.
fn open_copy(fixture: &Fixture, folder: &Path, clock: &Arc<ManualClock>) -> EmbeddedEngine {
    for entry in fs::read_dir(fixture.folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let storage = FileStorage::open_existing(folder).unwrap();
    let (engine, recovery) = EmbeddedEngine::open(storage, options(), clock.clone()).unwrap();
    assert_eq!(recovery.journal.cut, None);
    assert_eq!(recovery.journal.head.hash.to_string(), fixture.head);
    engine
}

#[test]
fn records_1_are_read_as_they_were_written() {
    check_reads(&RECORDS_1);
    check_reads(&RECORDS_1_RESOLUTIONS);
}

#[test]
fn records_2_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(&RECORDS_2, folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{}/expected.txt", RECORDS_2.folder)).unwrap();
    assert_eq!(
        before_reversals(&before_parts(&picture(&engine, &ids()))),
        expected
    );
}

#[test]
fn records_3_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(&RECORDS_3, folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{}/expected.txt", RECORDS_3.folder)).unwrap();
    assert_eq!(before_parts(&picture(&engine, &ids())), expected);
}

#[test]
fn records_4_are_read_as_they_were_written() {
    for (fixture, as_then) in [
        (RECORDS_4, before_freezes as fn(&str) -> String),
        (RECORDS_4_FREEZES, before_causes),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = open_copy(&fixture, folder.path(), &Arc::default());
        let expected = fs::read_to_string(format!("{}/expected.txt", fixture.folder)).unwrap();
        assert_eq!(as_then(&picture(&engine, &ids())), expected);
    }
}

#[test]
fn records_5_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(&RECORDS_5, folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{}/expected.txt", RECORDS_5.folder)).unwrap();
    assert_eq!(picture(&engine, &ids()), expected);
    let deadline = Instant::now() + PATIENCE;
    let page = ListPage::first(ListOrder::Ascending, 10);
    let limits = wait(engine.limits(account_id("a"), page, deadline)).unwrap();
    let told = limits.iter().map(|limit| {
        let by = limit.by.as_ref();
        let who = by.and_then(|by| by.who.as_ref()).map_or("", Note::as_str);
        let why = by.and_then(|by| by.why.as_ref()).map_or("", Note::as_str);
        (limit.credit_limit, who, why)
    });
    let expected = [
        (1_000, "", ""),
        (2_000, "ana", "ticket 4711"),
        (3_000, "", "é \" 💸"),
        (2_500, "", ""),
        (2_600, "bo", "cleared"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let query = EventQuery {
        from: EventsFrom::Beginning,
        limit: 100,
        bytes_max: usize::MAX,
        wait_until: None,
    };
    let events = wait(engine.events(query, deadline))
        .unwrap()
        .unwrap()
        .events;
    let closed = events
        .iter()
        .find(|placed| matches!(placed.event, Event::AccountClosed { .. }));
    let by = closed.unwrap().event.by().unwrap();
    assert_eq!(by.texts().collect::<Vec<_>>(), ["ana", "moved away"]);
}

/// The picture in the words of the time when no account was frozen.
fn before_freezes(picture: &str) -> String {
    before_causes(picture).replace(", frozen: None", "")
}

/// The picture in the words of the time when an entry did not show what its transfer was about.
fn before_causes(picture: &str) -> String {
    let mut lines = String::new();
    for line in picture.lines() {
        let cause = (
            line.find(", pending_id: "),
            line.find(", debit_account_id: "),
        );
        match cause {
            (Some(cause), Some(behind)) if line.contains("entry: Entry {") => {
                lines.push_str(&line[..cause]);
                lines.push_str(&line[behind..]);
            }
            _ => lines.push_str(line),
        }
        lines.push('\n');
    }
    lines
}

/// The picture in the words of the time when a pending transfer was posted once.
fn before_parts(picture: &str) -> String {
    let picture = before_freezes(picture);
    let mut parts = picture.split(", left_amount: ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(" }").unwrap();
        text += " }";
        text += rest;
    }
    for state in ["Pending", "Posted", "Voided", "Expired"] {
        let now = format!("Pending {{ state: {state} }}");
        text = text.replace(&now, &format!("Pending({state})"));
    }
    text
}

/// The picture in the words of the time when a transfer had nothing that came later but the end of a
/// pending one.
fn before_reversals(picture: &str) -> String {
    let mut text = picture.replace(", Posted { reversed_amount: 0 })", ", None)");
    text = text.replace(" }, Final)", " }, None)");
    for state in ["Pending", "Posted", "Voided", "Expired"] {
        text = text.replace(
            &format!(", Pending({state}))"),
            &format!(", Some({state}))"),
        );
    }
    text
}

/// The picture in the words of the time before metadata, when a reference was a 128-bit id and nothing
/// but a transfer had one.
fn as_then(picture: &str) -> String {
    let mut lines = String::new();
    for line in picture.lines() {
        let none = match line.contains("MoveMoney {") {
            true => ", reference: None }",
            false => " }",
        };
        let line = line.replace(", notes: None }", none);
        // Entries did not show their transfer's reference.
        let line = match line.split_once(", notes: Notes {") {
            Some((entry, _)) if entry.contains("entry: Entry {") => format!("{entry} }}"),
            _ => line,
        };
        let line = line.replace("notes: None, timestamp", "reference: None, timestamp");
        let line = line.replace("notes: Notes { reference: Some(\"", "reference: Some(");
        lines += &line.replace("\"), metadata: {} }", ")");
        lines.push('\n');
    }
    lines
}

fn check_reads(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(fixture, folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{}/expected.txt", fixture.folder)).unwrap();
    let found = as_then(&before_reversals(&before_parts(&picture(&engine, &ids()))));
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn every_command_of_the_records_asked_again_has_its_first_outcome() {
    check_repeats(&RECORDS_1);
    check_repeats(&RECORDS_1_RESOLUTIONS);
    check_repeats(&RECORDS_2);
    check_repeats(&RECORDS_3);
    check_repeats(&RECORDS_4);
    check_repeats(&RECORDS_4_FREEZES);
}

fn check_repeats(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let engine = open_copy(fixture, folder.path(), &clock);
    let before = picture(&engine, &ids());
    repeat_all(&engine, &clock, (fixture.steps)());
    assert_eq!(picture(&engine, &ids()), before);
}

/// Gives every command once more: each has its first outcome.
fn repeat_all(engine: &EmbeddedEngine, clock: &ManualClock, steps: Vec<Step>) {
    let submit = |batch: Batch| -> Vec<Outcome> {
        let deadline = Instant::now() + Duration::from_secs(20);
        wait(engine.submit(vec![batch], deadline))
            .unwrap()
            .remove(0)
    };
    let calls = steps.into_iter().filter_map(|step| match step {
        Step::Submit(batches) => Some(batches),
        Step::Advance(by) => {
            clock.advance_ns(by);
            None
        }
    });
    for batch in calls.flatten() {
        if batch.atomic_id().is_some() {
            assert!(submit(batch).iter().all(|outcome| outcome.replayed));
            continue;
        }
        for command in batch.into_commands() {
            if command.used_id().is_some() || command.name() == "open_account" {
                assert!(submit(Batch::one(command)).remove(0).replayed);
            }
        }
    }
}

#[test]
fn records_are_clean() {
    for fixture in [
        RECORDS_1,
        RECORDS_1_RESOLUTIONS,
        RECORDS_2,
        RECORDS_3,
        RECORDS_4,
        RECORDS_4_FREEZES,
    ] {
        let storage = FileStorage::open_existing(fixture.folder).unwrap();
        let verified = verify(storage, options().journal, true).unwrap();
        assert_eq!(verified.audit.findings, []);
        assert_eq!(verified.head.hash.to_string(), fixture.head);
        assert!(verified.scanned.unwrap().segments >= fixture.segments_min);
    }
}

/// References and metadata in every event that may have them are there after a restart, known to every
/// repetition, and clean for the auditor.
#[test]
fn notes_are_read_again_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || {
        let storage = FileStorage::open(folder.path()).unwrap();
        EmbeddedEngine::open(storage, options(), clock.clone())
            .unwrap()
            .0
    };
    let engine = open();
    for step in notes_steps() {
        match step {
            Step::Advance(by) => clock.advance_ns(by),
            Step::Submit(batches) => {
                let deadline = Instant::now() + PATIENCE;
                wait(engine.submit(batches, deadline)).unwrap();
            }
        }
    }
    let before = picture(&engine, &ids());
    for written in ["order 1 é", "\"shop\": \"7\""] {
        assert!(before.contains(written), "{written}");
    }
    drop(engine);
    let engine = open();
    assert_eq!(picture(&engine, &ids()), before);
    repeat_all(&engine, &clock, notes_steps());
    assert_eq!(picture(&engine, &ids()), before);
    drop(engine);
    let storage = FileStorage::open_existing(folder.path()).unwrap();
    let verified = verify(storage, options().journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
}

/// A data folder with tables and snapshots of format version 1.
const BESIDE_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/beside-1");

/// Copies the files of the fixture with these endings to a folder.
fn copy_beside_1(folder: &Path, endings: &[&str]) {
    for name in names_of_beside_1(endings) {
        fs::copy(Path::new(BESIDE_1).join(&name), folder.join(&name)).unwrap();
    }
}

fn names_of_beside_1(endings: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(BESIDE_1).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .collect();
    names.sort();
    names
}

/// All of the snapshots are compared with what the records lead to. Tables of ids of version 1 have no lists: they are
/// told, and nothing is wrong with the ledger.
#[test]
fn beside_1_is_what_its_records_say() {
    let storage = FileStorage::open_existing(BESIDE_1).unwrap();
    let mut verified = verify(storage, beside_options().journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    verified.unusable.sort();
    assert_eq!(verified.unusable, names_of_beside_1(&[".table"]));
    assert_eq!((verified.snapshots_count, verified.tables_count), (2, 0));
}

/// A start reads the snapshot and the tables, not the records before, and every id is known.
#[test]
fn beside_1_is_opened_from_its_newest_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    copy_beside_1(folder.path(), &[".segment", ".table", ".snapshot"]);
    let storage = FileStorage::open_existing(folder.path()).unwrap();
    let clock = Arc::new(ManualClock::default());
    let opened = EmbeddedEngine::open(storage, beside_options(), clock.clone());
    let (engine, recovery) = opened.unwrap();
    let newest = names_of_beside_1(&[".snapshot"]).pop().unwrap();
    assert_eq!(
        newest,
        format!("books-{:010}.snapshot", recovery.from_segment)
    );
    assert!(recovery.from_segment > 5);
    let deadline = Instant::now() + PATIENCE;
    let first = TransferId::from_u128(DEPOSITS_FROM);
    assert!(wait(engine.transfer(first, deadline)).unwrap().is_some());
    // The place of entry 1,024 is in the snapshot.
    let query = StatementQuery {
        account_id: account_id("a"),
        before: Some(1_030),
        limit: 10,
    };
    let page = wait(engine.statement(query, deadline)).unwrap().unwrap();
    assert_eq!(page.entries.len(), 10);
    repeat_all(&engine, &clock, beside_steps());
}

/// Snapshots of format version 2, and the tables of sums that they name, of the same segments.
const BESIDE_2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/beside-2");

fn names_of_beside_2() -> Vec<String> {
    let entries = fs::read_dir(BESIDE_2).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Tables of ids and lists of format version 3, of the same segments.
const BESIDE_4: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/beside-4");

fn names_of_beside_4() -> Vec<String> {
    let entries = fs::read_dir(BESIDE_4).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The segments with all that is beside them in the newest versions.
fn folder_of_beside_4() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_beside_1(folder.path(), &[".segment"]);
    let beside_2 = names_of_beside_2().into_iter().map(|name| (BESIDE_2, name));
    let beside_4 = names_of_beside_4().into_iter().map(|name| (BESIDE_4, name));
    for (of, name) in beside_2.chain(beside_4) {
        fs::copy(Path::new(of).join(&name), folder.path().join(&name)).unwrap();
    }
    folder
}

/// Every entry of the tables is compared with the records.
#[test]
fn beside_4_is_what_its_records_say() {
    let folder = folder_of_beside_4();
    let storage = FileStorage::open_existing(folder.path()).unwrap();
    let verified = verify(storage, beside_options().journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!(verified.unusable, [""; 0]);
    let sum_tables_count = names_of_beside_2().len() - 2;
    assert!(sum_tables_count > 0);
    let tables_count = names_of_beside_4().len() + sum_tables_count;
    assert!(tables_count >= 3);
    assert_eq!(
        (verified.snapshots_count, verified.tables_count),
        (2, tables_count as u64)
    );
}

/// Tables of format version 2, which had all lists but those of limits.
const BESIDE_3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/beside-3");

/// A ledger whose tables are of version 1 or 2 has all lists once it is open, from its first transfer on.
#[test]
fn lists_are_made_where_tables_are_of_earlier_versions() {
    check_lists_are_made(None);
    check_lists_are_made(Some(BESIDE_3));
}

fn check_lists_are_made(tables: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    copy_beside_1(folder.path(), &[".segment", ".table", ".snapshot"]);
    if let Some(tables) = tables {
        for name in names_of_beside_1(&[".table"]) {
            fs::copy(Path::new(tables).join(&name), folder.path().join(&name)).unwrap();
        }
    }
    let mut pictures = Vec::new();
    for _ in 0..2 {
        let (engine, _) = open_beside(folder.path());
        let deadline = Instant::now() + PATIENCE;
        let list = TransferList::Of(AccountId::world(Currency::new("BRL").unwrap()));
        let page = ListPage::first(ListOrder::Ascending, 1_000);
        let listed = wait(engine.transfers(list, page, deadline)).unwrap();
        assert_eq!(listed.len(), 1_000);
        let first = TransferId::from_u128(DEPOSITS_FROM);
        assert!(listed.iter().any(|listed| listed.transfer.id == first));
        pictures.push(format!("{listed:?}"));
    }
    assert_eq!(pictures[0], pictures[1]);
    for name in names_of_beside_1(&[".table"]) {
        let made = fs::read(folder.path().join(&name)).unwrap();
        assert!(made == fs::read(Path::new(BESIDE_4).join(&name)).unwrap());
    }
}

fn folder_of_beside_2() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_beside_1(folder.path(), &[".segment", ".table"]);
    for name in names_of_beside_2() {
        fs::copy(Path::new(BESIDE_2).join(&name), folder.path().join(&name)).unwrap();
    }
    folder
}

/// A start reads the sums from their tables: no segment before the snapshot is read.
#[test]
fn beside_2_is_opened_from_its_newest_snapshot() {
    let folder = folder_of_beside_2();
    let expected = picture(&open_beside(folder.path()).0, &ids());
    let (engine, from_segment) = open_beside(folder.path());
    assert!(from_segment > 5);
    assert_eq!(picture(&engine, &ids()), expected);
    drop(engine);
    // From the first record on it is the same.
    let anew = tempfile::tempdir().unwrap();
    copy_beside_1(anew.path(), &[".segment"]);
    let (engine, from_segment) = open_beside(anew.path());
    assert_eq!(from_segment, 0);
    assert_eq!(picture(&engine, &ids()), expected);
    assert!(expected.contains("payments_count: 1"), "{expected}");
}

/// An engine, and the segment that it was opened from.
fn open_beside(folder: &Path) -> (EmbeddedEngine, u64) {
    let storage = FileStorage::open_existing(folder).unwrap();
    let clock = Arc::new(ManualClock::default());
    let (engine, recovery) = EmbeddedEngine::open(storage, beside_options(), clock).unwrap();
    (engine, recovery.from_segment)
}

/// What is made anew from the records of today is byte for byte what was made then: tables of ids of version 3,
/// tables of sums of version 1, and a snapshot of version 2.
#[test]
fn what_is_beside_is_made_anew_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    copy_beside_1(folder.path(), &[".segment"]);
    drop(open_beside(folder.path()));
    let oldest = names_of_beside_2()
        .into_iter()
        .filter(|name| name.ends_with(".snapshot"))
        .min();
    let made_anew = names_of_beside_2()
        .into_iter()
        .filter(|name| Some(name) != oldest.as_ref())
        .map(|name| (name, BESIDE_2));
    let tables = names_of_beside_4().into_iter();
    for (name, kept) in tables.map(|name| (name, BESIDE_4)).chain(made_anew) {
        let made = fs::read(folder.path().join(&name)).unwrap();
        let kept = fs::read(Path::new(kept).join(&name)).unwrap();
        assert!(made == kept, "{name} differs");
    }
}
