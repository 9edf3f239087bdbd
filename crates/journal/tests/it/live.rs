//! Readers and scans beside a live writer, over real files.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use journal::{Address, Durability, FileStorage, Journal, JournalOptions, Reader, scan};

const FRAMES: u64 = 3000;

fn payload(frame: u64) -> Vec<u8> {
    frame
        .to_le_bytes()
        .repeat(usize::try_from(frame % 90).unwrap() + 1)
}

fn open(path: &std::path::Path) -> Journal<FileStorage> {
    let options = JournalOptions {
        segment_bytes: 64 << 10,
        frame_bytes_max: 8 << 10,
        durability: Durability::Os,
        ..JournalOptions::default()
    };
    let storage = FileStorage::open(path).unwrap();
    Journal::open(storage, options, |_| Ok::<(), Infallible>(()))
        .unwrap()
        .0
}

/// Scans until the writer is done; every scan ends whole and none sees less than the one before.
fn scan_until(done: &AtomicBool, path: &std::path::Path) {
    let storage = FileStorage::open_existing(path).unwrap();
    let mut seen = 0;
    while !done.load(Ordering::Acquire) {
        let mut records = 0;
        let scanned = scan(&storage, |visited| {
            assert_eq!(visited.payload, payload(visited.frame.sequence));
            records += 1;
            Ok::<(), Infallible>(())
        })
        .unwrap();
        assert_eq!(scanned.head.records, records);
        assert!(scanned.head.sequence >= seen);
        seen = scanned.head.sequence;
    }
}

/// Reads the record last published, and checks that it is one that was committed.
fn read_until(done: &AtomicBool, published: &AtomicU64, reader: &Reader<FileStorage>) {
    let mut buffer = Vec::new();
    while !done.load(Ordering::Acquire) {
        if let Some(address) = Address::from_u64(published.load(Ordering::Acquire)) {
            reader.record(address, &mut buffer).unwrap();
            let frame = u64::from_le_bytes(buffer[..8].try_into().unwrap());
            assert_eq!(buffer, payload(frame));
        }
    }
}

#[test]
fn a_writer_disturbs_neither_readers_nor_scans() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let (done, published) = (&AtomicBool::new(false), &AtomicU64::new(0));
    thread::scope(|scope| {
        let reader = journal.reader();
        let read = scope.spawn(move || read_until(done, published, &reader));
        let scanned = scope.spawn(|| scan_until(done, directory.path()));
        for frame in 1..=FRAMES {
            let bytes = payload(frame);
            journal.begin(bytes.len(), 1).unwrap();
            let address = journal.push(|buffer| buffer.extend_from_slice(&bytes));
            assert_eq!(journal.commit(frame).unwrap().sequence, frame);
            published.store(address.to_u64(), Ordering::Release);
            if read.is_finished() || scanned.is_finished() {
                break;
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(journal.head().sequence, FRAMES);
    assert_eq!(journal.segment_bytes(), 64 << 10);
}

#[test]
fn a_reader_outlives_its_journal() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    journal.begin(8, 1).unwrap();
    let address = journal.push(|buffer| buffer.extend_from_slice(b"survives"));
    journal.commit(1).unwrap();
    let reader = journal.reader();
    drop(journal);
    let _next = open(directory.path());
    let mut buffer = Vec::new();
    reader.record(address, &mut buffer).unwrap();
    assert_eq!(buffer, b"survives");
}
