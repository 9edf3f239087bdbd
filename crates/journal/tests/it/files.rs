//! Real files: round trips, rolls, the lock, reading back.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use journal::{
    Address, Durability, FileStorage, Journal, JournalOptions, OpenError, Opened, ReadError,
};
use journal::{Storage, Tail, scan};

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 16 << 10,
        frame_bytes_max: 8 << 10,
        durability: Durability::Disk,
        ..JournalOptions::default()
    }
}

type Kept = Vec<(Address, Vec<u8>, u64)>;

fn open(path: &Path) -> (Journal<FileStorage>, Opened, Kept) {
    let mut kept = Vec::new();
    let storage = FileStorage::open(path).unwrap();
    let (journal, opened) = Journal::open(storage, options(), |visited| {
        kept.push((
            visited.address,
            visited.payload.to_vec(),
            visited.frame.time_ns,
        ));
        Ok::<(), Infallible>(())
    })
    .unwrap();
    (journal, opened, kept)
}

fn append<S: Storage>(
    journal: &mut Journal<S>,
    payloads: &[Vec<u8>],
    time_ns: u64,
    kept: &mut Kept,
) {
    let bytes = payloads.iter().map(Vec::len).sum();
    journal.begin(bytes, payloads.len()).unwrap();
    for payload in payloads {
        let expected = journal.next_address();
        let address = journal.push(|buffer| buffer.extend_from_slice(payload));
        assert_eq!(address, expected);
        assert_eq!(journal.pushed(address), Some(&payload[..]));
        kept.push((address, payload.clone(), time_ns));
    }
    let info = journal.commit(time_ns).unwrap();
    assert_eq!(info.count as usize, payloads.len());
}

fn payloads(count: usize, seed: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|index| vec![(seed * 31 + index) as u8; (seed * 7 + index * 13) % 200])
        .collect()
}

#[test]
fn what_was_committed_is_found_again_over_many_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for round in 0..5_usize {
        let (mut journal, opened, kept) = open(directory.path());
        assert_eq!(opened.created, round == 0);
        assert_eq!(opened.cut, None);
        assert_eq!(kept, all);
        for frame in 0..20_usize {
            append(
                &mut journal,
                &payloads(frame % 9 + 1, round * 100 + frame),
                frame as u64,
                &mut all,
            );
        }
        assert_eq!(journal.head().sequence, (round as u64 + 1) * 20);
        assert_eq!(journal.head().records, all.len() as u64);
        let reader = journal.reader();
        drop(journal);
        let mut buffer = Vec::new();
        for (address, payload, _) in &all {
            reader.record(*address, &mut buffer).unwrap();
            assert_eq!(&buffer, payload);
        }
    }
    let (journal, opened, _) = open(directory.path());
    assert!(opened.segments > 3, "{opened:?}");
    let storage = FileStorage::open_existing(directory.path()).unwrap();
    let mut count = 0;
    let scanned = scan(&storage, |_| {
        count += 1;
        Ok::<(), Infallible>(())
    })
    .unwrap();
    assert_eq!((scanned.head, scanned.tail), (journal.head(), Tail::Clean));
    assert_eq!(count, all.len());
}

#[test]
fn a_directory_has_one_journal_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _, _) = open(directory.path());
    let storage = FileStorage::open(directory.path()).unwrap();
    let second = Journal::open(storage, options(), |_| Ok::<(), Infallible>(()));
    let Err(OpenError::Locked { place, pid }) = second else {
        panic!("{second:?}")
    };
    assert_eq!(place, directory.path().display().to_string());
    assert_eq!(pid, Some(std::process::id()));
    drop(journal);
    open(directory.path());
}

#[test]
fn long_records_take_a_second_read_and_wrong_addresses_are_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _, mut kept) = open(directory.path());
    append(
        &mut journal,
        &[vec![7; 5000], vec![], vec![8; 504], vec![9; 505]],
        1,
        &mut kept,
    );
    let reader = journal.reader();
    let mut buffer = Vec::new();
    for (address, payload, _) in &kept {
        reader.record(*address, &mut buffer).unwrap();
        assert_eq!(&buffer, payload);
        let beside = Address::from_u64(address.to_u64() + 1).unwrap();
        let error = reader.record(beside, &mut buffer).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
        assert!(buffer.is_empty());
    }
    let nowhere = Address::from_u64((16 << 10) * 50 + 500).unwrap();
    let error = reader.record(nowhere, &mut buffer).unwrap_err();
    assert!(matches!(error, ReadError::Io { .. }), "{error}");
}

#[test]
fn a_torn_end_is_cut_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _, mut kept) = open(directory.path());
    append(&mut journal, &payloads(5, 3), 1, &mut kept);
    let end = journal.next_address().to_u64() - 120;
    drop(journal);
    let path = directory.path().join("0000000000.segment");
    let mut bytes = fs::read(&path).unwrap();
    bytes[end as usize..end as usize + 300].fill(0xEE);
    fs::write(&path, &bytes).unwrap();
    let (mut journal, opened, found) = open(directory.path());
    assert_eq!(found, kept);
    let cut = opened.cut.unwrap();
    assert_eq!(
        (cut.file.as_str(), cut.offset, cut.bytes),
        ("0000000000.segment", end, 300)
    );
    assert_eq!(cut.saved_as, "0000000000.segment.cut");
    assert_eq!(
        fs::read(directory.path().join(&cut.saved_as)).unwrap(),
        [0xEE; 300]
    );
    append(&mut journal, &payloads(5, 4), 2, &mut kept);
    drop(journal);
    assert_eq!(open(directory.path()).2, kept);
}

/// What is at hand is the same as what is read with patience, and never damaged for want of it.
#[test]
fn a_reader_of_what_is_at_hand_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _, mut kept) = open(folder.path());
    for number in 0..40 {
        append(&mut journal, &[vec![number; 700]], 1, &mut kept);
    }
    drop(journal);
    let (journal, _, _) = open(folder.path());
    let (patient, at_hand) = (journal.reader(), journal.reader().at_hand());
    let (mut first, mut again) = (Vec::new(), Vec::new());
    // Its file is not open yet.
    let error = at_hand.record(kept[0].0, &mut first).unwrap_err();
    assert!(error.has_to_wait(), "{error}");
    for (address, payload, _) in &kept {
        patient.record(*address, &mut first).unwrap();
        assert_eq!(first, *payload);
        match at_hand.record(*address, &mut again) {
            Ok(()) => assert_eq!(again, *payload),
            // A file system that does not know what it has at hand.
            Err(error) => assert!(error.has_to_wait(), "{error}"),
        }
    }
}
