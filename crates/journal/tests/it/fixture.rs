//! Journals of every format so far, as they were written then.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use journal::{FileStorage, Journal, Tail, scan};

use crate::fixture_records::{FRAMES, options, records_of};

const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1");
const FORMAT_1_HEAD: &str = "9e830e47224ad424f9526aa6e0d2ad7e7738d747962d9a09d28929af055d5aac";

#[test]
fn format_1_still_opens_with_the_same_records() {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(FORMAT_1).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    let mut found = Vec::new();
    let storage = FileStorage::open(directory.path()).unwrap();
    let (mut journal, opened) = Journal::open(storage, options(), |visited| {
        found.push((visited.frame.time_ns, visited.payload.to_vec()));
        Ok::<(), Infallible>(())
    })
    .unwrap();
    assert_eq!(found, expected());
    assert_eq!(
        (opened.created, opened.cut, opened.head.sequence),
        (false, None, FRAMES)
    );
    assert_eq!(opened.head.hash.to_string(), FORMAT_1_HEAD);
    assert!(opened.segments > 2);
    journal.begin(3, 1).unwrap();
    journal.push(|buffer| buffer.extend_from_slice(b"new"));
    assert_eq!(journal.commit(1).unwrap().sequence, FRAMES + 1);
}

#[test]
fn format_1_is_scanned_where_it_lies() {
    let storage = FileStorage::open_existing(Path::new(FORMAT_1)).unwrap();
    let mut found = Vec::new();
    let scanned = scan(&storage, |visited| {
        found.push((visited.frame.time_ns, visited.payload.to_vec()));
        Ok::<(), Infallible>(())
    })
    .unwrap();
    assert_eq!(found, expected());
    assert_eq!(scanned.head.hash.to_string(), FORMAT_1_HEAD);
    assert_eq!(scanned.tail, Tail::Clean);
}

fn expected() -> Vec<(u64, Vec<u8>)> {
    let of_frame = |frame| {
        records_of(frame)
            .into_iter()
            .map(move |record| (1000 + frame, record))
    };
    (0..FRAMES).flat_map(of_frame).collect()
}
