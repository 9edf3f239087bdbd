//! `lastro copy` both ways, with real databases.

mod interrupted;
mod made;
mod refused;

use std::path::Path;
use std::process::{Command, Output};

use engine_embedded::events;
use journal::FileStorage;
use ledger::Event;
use testkit::servers::Postgres;

use crate::support::{assert_clean, binary, folder};

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

fn to_folder(url: &str, to: &Path) -> Output {
    lastro(&[
        "copy",
        "--from-database-url",
        url,
        "--to-data-dir",
        text(to),
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
    let mut all = Vec::new();
    events(&storage, |frame| {
        all.extend(frame);
        true
    })
    .unwrap();
    all
}

/// Copies a ledger there and back, twice: each copy is equal to the one before.
#[track_caller]
fn assert_goes_round(postgres: &Postgres, first: &Path) {
    let place = folder();
    let expected = events_of(first);
    let mut from = first.to_path_buf();
    for round in ["one", "two"] {
        let url = postgres.create_database(round).unwrap();
        assert_equal(&to_database(&from, &url));
        assert_clean_database(&url);
        let to = place.path().join(round);
        assert_equal(&to_folder(&url, &to));
        assert_clean(&to);
        assert!(events_of(&to) == expected, "round {round} differs");
        from = to;
    }
}
