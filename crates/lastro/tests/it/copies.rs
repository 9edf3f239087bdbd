//! `lastro copy` into real databases.

mod interrupted;
mod made;
mod refused;

use std::path::Path;
use std::process::{Command, Output};

use engine_embedded::LockedJournal;
use journal::{FileStorage, JournalOptions};
use ledger::Event;

use crate::support::binary;

fn lastro(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn to_database(from: &Path, url: &str) -> Output {
    lastro(&[
        "copy",
        "--from-data-dir",
        text(from),
        "--to-database-url",
        url,
    ])
}

/// All that was printed, and whether it succeeded.
fn said(output: &Output) -> (bool, String) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[track_caller]
fn assert_equal(output: &Output) -> String {
    let (is_equal, said) = said(output);
    assert!(is_equal && said.contains("\nequal: "), "{said}");
    said
}

#[track_caller]
fn assert_refused(output: &Output, why: &str) {
    let (succeeded, said) = said(output);
    assert!(!succeeded && said.contains(why), "{said}");
}

#[track_caller]
fn assert_clean_database(url: &str) {
    let (is_clean, said) = said(&lastro(&["verify", "--database-url", url]));
    assert!(is_clean && said.contains("\nclean: "), "{said}");
}

/// Every event of a ledger in a folder.
fn events_of(folder: &Path) -> Vec<Event> {
    let storage = FileStorage::open_existing(folder).unwrap();
    let journal = LockedJournal::lock(storage, JournalOptions::default()).unwrap();
    let mut all = Vec::new();
    let read = journal.events(|frame| {
        all.extend(frame);
        true
    });
    read.unwrap();
    all
}
