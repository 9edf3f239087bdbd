//! The same outcomes as the reference engine, restarts included; and a clean audit afterwards.

use std::thread;

use engine_embedded::{EmbeddedOptions, verify};
use journal::faulty::FaultyStorage;
use journal::{FileStorage, Storage};
use testkit::conformance::Subject;
use testkit::{Seeds, conformance};

use crate::bank::{small, wait};
use crate::subject::EmbeddedSubject;

/// Small segments, so that a run goes over many.
fn options() -> EmbeddedOptions {
    small(112, 104)
}

fn check_clean(storage: impl Storage) {
    let verified = verify(storage, options().journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
    assert!(verified.is_clean());
    assert!(verified.opened.unwrap().segments > 2);
}

#[test]
fn the_embedded_engine_conforms_over_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |seed: u64| folder.path().join(seed.to_string());
    conformance::check(&conformance::Options::default(), 1, async |seed| {
        let path = path(seed);
        let options = EmbeddedOptions {
            overlaps: true,
            ..options()
        };
        EmbeddedSubject::open(options, move || FileStorage::open(&path).unwrap())
    });
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        check_clean(FileStorage::open_existing(entry.unwrap().path()).unwrap());
    }
}

/// Most of a run is waiting for the timer of expiries, so several go at once.
const RUNS_AT_ONCE: usize = 8;

#[test]
fn the_embedded_engine_conforms_over_memory() {
    let seeds: Vec<u64> = Seeds::from_env(4).into_iter().collect();
    for seeds in seeds.chunks(RUNS_AT_ONCE) {
        thread::scope(|scope| {
            for seed in seeds {
                scope.spawn(|| check_over_memory(*seed));
            }
        });
    }
}

fn check_over_memory(seed: u64) {
    let storage = FaultyStorage::new(seed);
    let reopened = storage.clone();
    let mut subject = EmbeddedSubject::open(options(), move || reopened.clone());
    let run = wait(conformance::run(
        &mut subject,
        seed,
        &conformance::Options::default(),
    ));
    run.unwrap_or_else(|failure| panic!("{failure}"));
    drop(subject);
    check_clean(storage);
}

#[test]
fn reversals_that_race_move_back_no_more_than_was_moved() {
    let storage = FaultyStorage::new(1);
    let reopened = storage.clone();
    let mut subject = EmbeddedSubject::open(options(), move || reopened.clone());
    let engine = subject.engine();
    wait(conformance::check_racing_reversals(&[
        engine.clone(),
        engine,
    ]));
    assert!(wait(subject.restart()));
    drop(subject);
    let verified = verify(storage, options().journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
}

#[test]
fn parts_that_race_post_no_more_than_was_reserved() {
    let storage = FaultyStorage::new(1);
    let reopened = storage.clone();
    let mut subject = EmbeddedSubject::open(options(), move || reopened.clone());
    let engine = subject.engine();
    wait(conformance::check_racing_parts(&[engine.clone(), engine]));
    assert!(wait(subject.restart()));
    drop(subject);
    let verified = verify(storage, options().journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
}

#[test]
fn totals_are_exact_beyond_what_a_double_holds() {
    let storage = FaultyStorage::new(1);
    let reopened = storage.clone();
    let mut subject = EmbeddedSubject::open(options(), move || reopened.clone());
    wait(conformance::check_large_totals(&*subject.engine()));
    assert!(wait(subject.restart()));
    wait(conformance::check_large_totals_read(&*subject.engine()));
    drop(subject);
    let verified = verify(storage, options().journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
}
