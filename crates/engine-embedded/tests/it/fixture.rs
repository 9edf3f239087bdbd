//! Data folders of every record layout so far, as they were written then.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, verify};
use journal::FileStorage;
use ledger::{Batch, Engine, Outcome};
use testkit::ManualClock;

use crate::bank::wait;
use crate::golden::{ids, options};
use crate::picture::picture;
use crate::script::{Step, resolution_steps, steps};

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

fn check_reads(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(fixture, folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{}/expected.txt", fixture.folder)).unwrap();
    let found = picture(&engine, &ids());
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn every_command_of_records_1_asked_again_has_its_first_outcome() {
    check_repeats(&RECORDS_1);
    check_repeats(&RECORDS_1_RESOLUTIONS);
}

fn check_repeats(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let engine = open_copy(fixture, folder.path(), &clock);
    let before = picture(&engine, &ids());
    let submit = |batch: Batch| -> Vec<Outcome> {
        let deadline = Instant::now() + Duration::from_secs(20);
        wait(engine.submit(vec![batch], deadline))
            .unwrap()
            .remove(0)
    };
    let calls = (fixture.steps)().into_iter().filter_map(|step| match step {
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
    assert_eq!(picture(&engine, &ids()), before);
}

#[test]
fn records_1_are_clean() {
    for fixture in [RECORDS_1, RECORDS_1_RESOLUTIONS] {
        let storage = FileStorage::open_existing(fixture.folder).unwrap();
        let verified = verify(storage, options().journal, true).unwrap();
        assert_eq!(verified.audit.findings, []);
        assert_eq!(verified.head.hash.to_string(), fixture.head);
        assert!(verified.scanned.unwrap().segments >= fixture.segments_min);
    }
}
