//! Changed, missing and foreign bytes: damage is named, valid data is never cut.

use std::convert::Infallible;

use journal::faulty::FaultyStorage;
use journal::{OpenError, ReadError, Storage, Tail, scan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::workload::{FRAMES_ALL, Frame, History, SEGMENT_BYTES, append, for_seeds, open, run};

fn filled(seed: u64) -> (FaultyStorage, History) {
    let storage = FaultyStorage::new(seed);
    let history = run(&storage, seed);
    (storage.copy(), history)
}

/// Where a frame begins: segment and offset. Its first record lies 120 bytes further on.
fn place(frame: &Frame) -> (u64, u64) {
    let first = frame.records[0].0.to_u64() - 120;
    (first / SEGMENT_BYTES, first % SEGMENT_BYTES)
}

fn name(segment: u64) -> String {
    format!("{segment:010}.segment")
}

fn damaged(storage: &FaultyStorage) -> (String, u64, String) {
    match open(storage) {
        Err(OpenError::Damaged {
            file,
            offset,
            what,
            advice,
        }) => {
            assert!(advice.contains("backup"));
            (file, offset, what)
        }
        Err(error) => panic!("{error}"),
        Ok((_, opened, _)) => panic!("{opened:?}"),
    }
}

#[test]
fn a_flipped_bit_is_named_or_in_the_last_frame_cut() {
    for_seeds(150, |seed| {
        let (whole, history) = filled(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let (last_segment, last_offset) = place(history.answered.last().unwrap());
        for _ in 0..20 {
            let storage = whole.copy();
            let segment = random.random_range(0..=last_segment);
            let byte = random.random_range(0..SEGMENT_BYTES);
            storage.flip_bit(&name(segment), byte * 8 + random.random_range(0..8));
            if segment < last_segment || byte < last_offset {
                let before = storage.bytes(&name(segment));
                let (file, offset, what) = damaged(&storage);
                assert_eq!(file, name(segment), "{what}");
                assert!(
                    offset <= byte && byte < offset + 2048,
                    "{offset} {byte} {what}"
                );
                assert_eq!(
                    storage.bytes(&name(segment)),
                    before,
                    "damage is left alone"
                );
                continue;
            }
            let (_, opened, found) = open(&storage).unwrap();
            let cut = opened.cut.unwrap();
            let kept = history.answered.len() - usize::from(cut.offset == last_offset);
            assert_eq!(found, history.answered[..kept]);
            assert!(cut.offset <= byte && byte < cut.offset + cut.bytes);
        }
    });
}

#[test]
fn a_record_read_back_is_right_or_damaged() {
    for_seeds(50, |seed| {
        let (storage, history) = filled(seed);
        let (journal, _, _) = open(&storage).unwrap();
        let mut buffer = Vec::new();
        let records: Vec<_> = history
            .answered
            .iter()
            .flat_map(|frame| &frame.records)
            .collect();
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..40 {
            let (address, payload) = records[random.random_range(0..records.len())];
            let byte = random.random_range(0..8 + payload.len() as u64);
            let position = address.to_u64() + byte;
            let bit = position % SEGMENT_BYTES * 8 + random.random_range(0..8);
            let file = name(position / SEGMENT_BYTES);
            storage.flip_bit(&file, bit);
            let error = journal.reader().record(*address, &mut buffer).unwrap_err();
            let ReadError::Damaged {
                file: named,
                offset,
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!(
                (named, offset),
                (file.clone(), address.to_u64() % SEGMENT_BYTES)
            );
            storage.flip_bit(&file, bit);
            journal.reader().record(*address, &mut buffer).unwrap();
            assert_eq!(&buffer, payload);
        }
    });
}

#[test]
fn a_missing_segment_is_named() {
    let (whole, _) = filled(1);
    whole.remove(&name(1)).unwrap();
    let (file, offset, what) = damaged(&whole);
    assert_eq!((file, offset), (name(1), 0));
    assert!(what.contains("missing"), "{what}");
}

#[test]
fn a_missing_last_segment_shows_in_the_head_only() {
    let (whole, history) = filled(1);
    let (last, _) = place(history.answered.last().unwrap());
    whole.remove(&name(last)).unwrap();
    let (journal, _, found) = open(&whole).unwrap();
    assert_eq!(found, history.answered[..found.len()]);
    assert!(journal.head().sequence < FRAMES_ALL as u64);
}

#[test]
fn swapped_and_foreign_segments_are_named() {
    let (whole, _) = filled(1);
    let swapped = whole.copy();
    swapped.rename(&name(0), "aside").unwrap();
    swapped.rename(&name(1), &name(0)).unwrap();
    swapped.rename("aside", &name(1)).unwrap();
    let (file, _, what) = damaged(&swapped);
    assert_eq!(file, name(0));
    assert!(what.contains("segment 1"), "{what}");

    let (other, _) = filled(2);
    let foreign = other.bytes(&name(1)).unwrap();
    whole.alter(&name(1), |bytes| bytes.clone_from(&foreign));
    let (file, _, what) = damaged(&whole);
    assert_eq!(file, name(1));
    assert!(what.contains("another journal"), "{what}");
}

#[test]
fn lost_and_repeated_frames_are_named() {
    let (whole, history) = filled(4);
    // The last frame of segment 0 becomes zeros, as if its write had never reached the disk.
    let lost = history
        .answered
        .iter()
        .rfind(|frame| place(frame).0 == 0)
        .unwrap();
    let (_, offset) = place(lost);
    let storage = whole.copy();
    storage.alter(&name(0), |bytes| bytes[offset as usize..].fill(0));
    let (file, at, what) = damaged(&storage);
    assert_eq!((file, at), (name(0), offset));
    assert!(what.contains("missing"), "{what}");
    // A copy of segment 0's first frame over a later one of the same length or not: never valid.
    let storage = whole.copy();
    let (_, second) = place(&history.answered[1]);
    storage.alter(&name(0), |bytes| {
        bytes.copy_within(128..second as usize, second as usize);
    });
    let (file, at, what) = damaged(&storage);
    assert_eq!((file, at), (name(0), second));
    assert!(what.contains("own place"), "{what}");
}

#[test]
fn a_short_or_long_file_and_another_version_are_named() {
    let (whole, _) = filled(1);
    let storage = whole.copy();
    storage.alter(&name(1), |bytes| bytes.truncate(3000));
    let (file, offset, what) = damaged(&storage);
    assert_eq!((file, offset), (name(1), 3000), "{what}");
    let storage = whole.copy();
    storage.alter(&name(1), |bytes| bytes.push(0));
    assert_eq!(damaged(&storage).0, name(1));
    let storage = whole.copy();
    storage.alter(&name(0), |bytes| {
        bytes[8] = 2;
        let checksum = blake3::hash(&bytes[..96]);
        bytes[96..128].copy_from_slice(checksum.as_bytes());
    });
    let error = open(&storage).unwrap_err();
    let OpenError::Version {
        file,
        found: 2,
        supported: 1,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(file, name(0));
}

#[test]
fn cut_files_never_overwrite_each_other() {
    let storage = FaultyStorage::new(6);
    let (mut journal, _, _) = open(&storage).unwrap();
    append(
        &mut journal,
        &mut StdRng::seed_from_u64(6),
        4,
        &mut History::default(),
    );
    drop(journal);
    let mut saved = Vec::new();
    for _ in 0..3 {
        let (journal, _, found) = open(&storage).unwrap();
        drop(journal);
        let (segment, offset) = place(found.last().unwrap());
        storage.flip_bit(&name(segment), offset * 8);
        let (_, opened, _) = open(&storage).unwrap();
        saved.push(opened.cut.unwrap());
    }
    let first = &saved[0];
    assert_eq!(first.saved_as, format!("{}.cut", first.file));
    for (index, cut) in saved.iter().enumerate() {
        assert_eq!(
            storage.bytes(&cut.saved_as).unwrap().len() as u64,
            cut.bytes
        );
        assert!(
            saved[..index]
                .iter()
                .all(|other| other.saved_as != cut.saved_as)
        );
    }
}

#[test]
fn a_scan_changes_nothing_and_tells_the_tear() {
    let (storage, history) = filled(7);
    let (segment, offset) = place(history.answered.last().unwrap());
    storage.flip_bit(&name(segment), offset * 8 + 1000);
    let before = storage.bytes(&name(segment));
    let operations = storage.operations();
    let mut records = 0;
    let scanned = scan(&storage, |_| {
        records += 1;
        Ok::<(), Infallible>(())
    })
    .unwrap();
    assert_eq!(scanned.head.sequence, FRAMES_ALL as u64 - 1);
    assert_eq!(scanned.head.records, records);
    let Tail::Torn {
        file, offset: at, ..
    } = scanned.tail
    else {
        panic!("{scanned:?}")
    };
    assert_eq!((file, at), (name(segment), offset));
    assert_eq!(
        (storage.bytes(&name(segment)), storage.operations()),
        (before, operations)
    );
}

#[test]
fn what_was_cut_cannot_come_back() {
    for_seeds(50, |seed| {
        let (storage, history) = filled(seed);
        let mut random = StdRng::seed_from_u64(seed);
        // Tear away everything from some frame of the last segment on, leaving its later bytes.
        let (last, _) = place(history.answered.last().unwrap());
        let in_last = |frame: &&Frame| place(frame).0 == last;
        let frames: Vec<&Frame> = history.answered.iter().filter(in_last).collect();
        for frame in &frames {
            let (_, offset) = place(frame);
            storage.flip_bit(&name(last), (offset + 90) * 8);
        }
        let (mut journal, opened, found) = open(&storage).unwrap();
        assert!(opened.cut.is_some());
        let mut history = History {
            answered: found,
            unanswered: None,
        };
        assert!(append(&mut journal, &mut random, 2, &mut history));
        drop(journal);
        let (_, opened, found) = open(&storage.crash()).unwrap();
        assert_eq!((opened.cut, found), (None, history.answered));
    });
}

/// A journal of one frame, and two ways on from it: the same lengths, other bytes.
fn forked() -> [FaultyStorage; 2] {
    let base = FaultyStorage::new(8);
    let write = |storage: &FaultyStorage, byte: u8, frames: usize| {
        let (mut journal, _, _) = open(storage).unwrap();
        for _ in 0..frames {
            journal.begin(1000, 1).unwrap();
            journal.push(|buffer| buffer.extend_from_slice(&[byte; 1000]));
            journal.commit(1).unwrap();
        }
    };
    write(&base, 0, 1);
    [1, 2].map(|byte| {
        let storage = base.copy();
        write(&storage, byte, 5);
        storage
    })
}

#[test]
fn a_frame_of_another_past_does_not_continue_the_chain() {
    let [one, two] = forked();
    let frame_bytes = 120 + 8 + 1000;
    let third = 128 + 2 * frame_bytes;
    let foreign = two.bytes(&name(0)).unwrap()[third..third + frame_bytes].to_vec();
    one.alter(&name(0), |bytes| {
        bytes[third..third + frame_bytes].copy_from_slice(&foreign);
    });
    let (file, offset, what) = damaged(&one);
    assert_eq!((file, offset), (name(0), third as u64));
    assert!(
        what.contains("does not continue the frame before it"),
        "{what}"
    );
}

#[test]
fn a_segment_of_another_past_does_not_continue_the_chain() {
    let [one, two] = forked();
    let foreign = two.bytes(&name(1)).unwrap();
    one.alter(&name(1), |bytes| bytes.clone_from(&foreign));
    let (file, _, what) = damaged(&one);
    assert_eq!(file, name(1));
    assert!(
        what.contains("does not continue the segment before it"),
        "{what}"
    );
}

#[test]
fn a_first_segment_without_a_header_is_begun_anew_and_kept() {
    let storage = FaultyStorage::new(3);
    drop(open(&storage).unwrap());
    storage.flip_bit(&name(0), 300);
    let before = storage.bytes(&name(0)).unwrap();
    let (journal, opened, _) = open(&storage).unwrap();
    assert!(opened.created);
    let cut = opened.cut.unwrap();
    assert_eq!(
        (cut.offset, storage.bytes(&cut.saved_as)),
        (0, Some(before))
    );
    drop(journal);
    assert!(!open(&storage.crash()).unwrap().1.created);
}

#[test]
fn a_damaged_length_asks_for_no_memory() {
    let (storage, history) = filled(1);
    let (address, _) = history.answered[3].records[0];
    storage.flip_bit(&name(0), (address.to_u64() + 7) * 8 + 7);
    let error = scan(&storage, |_| Ok::<(), Infallible>(())).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let (storage, _) = filled(1);
    let (journal, _, _) = open(&storage).unwrap();
    storage.flip_bit(&name(0), (address.to_u64() + 7) * 8 + 7);
    let mut buffer = Vec::new();
    let error = journal.reader().record(address, &mut buffer).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    assert!(
        buffer.capacity() as u64 <= SEGMENT_BYTES,
        "{}",
        buffer.capacity()
    );
}
