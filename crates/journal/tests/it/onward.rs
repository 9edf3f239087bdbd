//! Reading forward from a place: from any place, over segments and restarts, and from none that is not there.

use std::convert::Infallible;
use std::path::Path;

use journal::{Durability, FileStorage, Journal, JournalOptions, Place, ReadError, Reader};
use proptest::collection::vec;
use proptest::prelude::*;

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 12_288,
        frame_bytes_max: 8192,
        durability: Durability::Os,
        ..JournalOptions::default()
    }
}

fn open(path: &Path) -> Journal<FileStorage> {
    let storage = FileStorage::open(path).unwrap();
    let opened = Journal::open(storage, options(), |_| Ok::<(), Infallible>(()));
    opened.unwrap().0
}

fn commit(journal: &mut Journal<FileStorage>, records: &[Vec<u8>]) {
    let bytes = records.iter().map(Vec::len).sum();
    journal.begin(bytes, records.len()).unwrap();
    for record in records {
        journal.push(|buffer| buffer.extend_from_slice(record));
    }
    journal.commit(1).unwrap();
}

type Read = Vec<(Vec<u8>, Place)>;

/// Everything behind a place, each with its own; `None` where the place is not there.
fn read(reader: &Reader<FileStorage>, from: Place, end: Place) -> Result<Option<Read>, ReadError> {
    let Some(mut onward) = reader.onward(from, end)? else {
        return Ok(None);
    };
    let mut read = Vec::new();
    while let Some((payload, place)) = onward.next(|_, payload| payload.to_vec())? {
        assert_eq!(place, onward.place());
        read.push((payload, place));
    }
    Ok(Some(read))
}

fn frames() -> impl Strategy<Value = Vec<(Vec<Vec<u8>>, bool)>> {
    let record = prop_oneof![6 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 900..1500)];
    vec((vec(record, 0..5), prop::bool::weighted(0.1)), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn from_each_place_all_that_is_behind_it_is_read_once(frames in frames()) {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(directory.path());
        let mut written = Vec::new();
        // The end of each commit stays a place, whatever is written behind it.
        let mut ends = vec![(Place::BEGINNING, 0)];
        for (records, close) in frames {
            commit(&mut journal, &records);
            written.extend(records);
            ends.push((journal.end(), written.len()));
            if close {
                drop(journal);
                journal = open(directory.path());
            }
        }
        let (reader, end) = (journal.reader(), journal.end());
        let all = read(&reader, Place::BEGINNING, end).unwrap().unwrap();
        let payloads: Vec<_> = all.iter().map(|(payload, _)| payload.clone()).collect();
        prop_assert_eq!(&payloads, &written);
        for (index, (_, place)) in all.iter().enumerate() {
            let bytes = reader.place_to_bytes(*place);
            prop_assert_eq!(reader.place_of(&bytes), Some(*place));
            let behind = read(&reader, *place, end).unwrap().unwrap();
            prop_assert_eq!(&behind[..], &all[index + 1..]);
        }
        for (place, count) in ends {
            prop_assert_eq!(read(&reader, place, end).unwrap().unwrap(), &all[count..]);
        }
    }
}

#[test]
fn bytes_of_another_journal_or_none_are_no_place() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut one, mut other) = (open(one.path()), open(other.path()));
    for journal in [&mut one, &mut other] {
        commit(journal, &[b"the same".to_vec()]);
    }
    let bytes = one.reader().place_to_bytes(one.end());
    assert_eq!(one.reader().place_of(&bytes), Some(one.end()));
    assert_eq!(other.reader().place_of(&bytes), None);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(one.reader().place_of(&flipped), None, "bit {bit}");
    }
    // Even where the bytes were let through, what lies there does not match.
    assert_eq!(read(&other.reader(), one.end(), other.end()).unwrap(), None);
}

#[test]
fn a_place_is_not_there_behind_the_end_nor_in_a_copy_that_went_on_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    commit(&mut journal, &[vec![1; 40], vec![2; 40]]);
    let shared = journal.end();
    drop(journal);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let (mut journal, mut restored) = (open(directory.path()), open(copy.path()));
    assert_eq!(journal.id(), restored.id());
    commit(&mut journal, &[vec![3; 40], vec![4; 40]]);
    let all = read(&journal.reader(), shared, journal.end()).unwrap();
    let later: Vec<_> = all.unwrap().iter().map(|(_, place)| *place).collect();
    for place in &later {
        let found = read(&restored.reader(), *place, restored.end()).unwrap();
        assert_eq!(found, None, "it is behind the end");
    }
    // Records of the same lengths: every place exists there, but is behind something else.
    commit(&mut restored, &[vec![5; 40], vec![6; 40]]);
    commit(&mut restored, &[vec![7; 40]]);
    let (reader, end) = (restored.reader(), restored.end());
    for place in &later {
        assert!(reader.onward(*place, end).unwrap().is_none());
    }
    assert_eq!(read(&reader, shared, end).unwrap().unwrap().len(), 3);
}

#[test]
fn damage_behind_a_place_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    for number in 0..3 {
        commit(&mut journal, &[vec![number; 100], vec![number; 100]]);
    }
    let (reader, end) = (journal.reader(), journal.end());
    let file = directory.path().join("0000000000.segment");
    let bytes = std::fs::read(&file).unwrap();
    let at = |number: u8| {
        bytes
            .windows(100)
            .position(|window| window == [number; 100])
    };
    let mut damaged = bytes.clone();
    damaged[at(1).unwrap() + 50] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    let error = read(&reader, Place::BEGINNING, end).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    // The header of a frame that is gone is no empty rest of a segment.
    let mut damaged = bytes.clone();
    damaged[at(2).unwrap() - 128..at(2).unwrap() - 8].fill(0);
    std::fs::write(&file, &damaged).unwrap();
    let error = read(&reader, Place::BEGINNING, end).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(
        read(&reader, Place::BEGINNING, end).unwrap().unwrap().len(),
        6
    );
}
