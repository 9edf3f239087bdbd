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
use crate::script::{Step, steps};

const RECORDS_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-1");
const RECORDS_1_HEAD: &str = "c951a9c13b82b900c45b6d3f26725cd0f0b0128e75eb85258a8438580b499d64";

/// A copy of the fixture, opened.
fn open_copy(folder: &Path, clock: &Arc<ManualClock>) -> EmbeddedEngine {
    for entry in fs::read_dir(RECORDS_1).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let storage = FileStorage::open_existing(folder).unwrap();
    let (engine, recovery) = EmbeddedEngine::open(storage, options(), clock.clone()).unwrap();
    assert_eq!(recovery.journal.cut, None);
    assert_eq!(recovery.journal.head.hash.to_string(), RECORDS_1_HEAD);
    engine
}

#[test]
fn records_1_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_copy(folder.path(), &Arc::default());
    let expected = fs::read_to_string(format!("{RECORDS_1}/expected.txt")).unwrap();
    let found = picture(&engine, &ids());
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn every_command_of_records_1_asked_again_has_its_first_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let engine = open_copy(folder.path(), &clock);
    let before = picture(&engine, &ids());
    let submit = |batch: Batch| -> Vec<Outcome> {
        let deadline = Instant::now() + Duration::from_secs(20);
        wait(engine.submit(vec![batch], deadline))
            .unwrap()
            .remove(0)
    };
    let calls = steps().into_iter().filter_map(|step| match step {
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
    let storage = FileStorage::open_existing(RECORDS_1).unwrap();
    let verified = verify(storage, options().journal, true).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert_eq!(verified.head.hash.to_string(), RECORDS_1_HEAD);
    assert!(verified.scanned.unwrap().segments > 1);
}
