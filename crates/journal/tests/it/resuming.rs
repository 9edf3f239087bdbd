//! Opening from a later segment: what the whole walk finds from there on, and no more.

use std::convert::Infallible;

use journal::faulty::FaultyStorage;
use journal::{
    Hash, Head, Journal, Locked, OpenError, SegmentStart, Storage, read_segment_start, scan_sealed,
};

use crate::workload::options;

type Found = Vec<(u64, Vec<u8>)>;

/// A journal of several segments, and what lies in it.
fn filled() -> (FaultyStorage, Found) {
    let storage = FaultyStorage::new(3);
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let (mut journal, _) = Journal::open(storage.clone(), options(), nothing).unwrap();
    let mut found = Found::new();
    for number in 0..60_u32 {
        let payload = vec![u8::try_from(number).unwrap(); 400];
        journal.begin(payload.len(), 1).unwrap();
        let address = journal.push(|bytes| bytes.extend_from_slice(&payload));
        journal.commit(u64::from(number)).unwrap();
        let start = journal.segment_start();
        assert_eq!(
            read_segment_start(&storage, start.number).unwrap(),
            Some(start)
        );
        found.push((address.to_u64(), payload));
    }
    assert!(journal.segments() > 4);
    (storage, found)
}

fn open_from(
    storage: &FaultyStorage,
    from: Option<SegmentStart>,
) -> Result<(Head, Found), OpenError<Infallible>> {
    let mut found = Found::new();
    let locked = Locked::lock(storage.clone(), options())?;
    let (journal, opened) = locked.open(from, |visited| {
        assert_eq!(
            visited.address.to_u64() / visited.segment_bytes,
            visited.segment
        );
        found.push((visited.address.to_u64(), visited.payload.to_vec()));
        Ok(())
    })?;
    assert_eq!(journal.head(), opened.head);
    Ok((journal.head(), found))
}

#[test]
fn each_segment_can_be_the_first_that_is_read() {
    let (storage, all) = filled();
    let (head, found) = open_from(&storage, None).unwrap();
    assert_eq!(found, all);
    for number in 0.. {
        let Some(start) = read_segment_start(&storage, number).unwrap() else {
            assert!(number > 4);
            break;
        };
        let (same_head, later) = open_from(&storage, Some(start)).unwrap();
        assert_eq!(same_head, head);
        let first = number * start.segment_bytes;
        let expected: Found = all.iter().filter(|(at, _)| *at >= first).cloned().collect();
        assert_eq!(later, expected);
        assert_eq!(start.head.records as usize, all.len() - later.len());
    }
}

#[test]
fn work_goes_on_behind_what_was_read() {
    let (storage, all) = filled();
    let start = read_segment_start(&storage, 3).unwrap();
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let locked = Locked::lock::<Infallible>(storage.clone(), options()).unwrap();
    let (mut journal, _) = locked.open(start, nothing).unwrap();
    journal.begin(3, 1).unwrap();
    let address = journal.push(|bytes| bytes.extend_from_slice(b"new"));
    journal.commit(100).unwrap();
    drop(journal);
    let (_, found) = open_from(&storage.crash(), None).unwrap();
    assert_eq!(found.len(), all.len() + 1);
    assert_eq!(found.last().unwrap(), &(address.to_u64(), b"new".to_vec()));
}

#[test]
fn a_start_that_is_not_the_journals_is_damage() {
    let (storage, _) = filled();
    let start = read_segment_start(&storage, 2).unwrap().unwrap();
    let wrong = SegmentStart {
        head: Head {
            hash: Hash([9; 32]),
            ..start.head
        },
        ..start
    };
    let refused = open_from(&storage, Some(wrong)).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { file, .. } if file == "0000000002.segment"));
}

/// Of the segments before, only that they are there is looked at.
#[test]
fn a_segment_that_is_missing_before_it_is_damage_and_one_that_is_flipped_is_not_read() {
    let (storage, all) = filled();
    let start = read_segment_start(&storage, 3).unwrap();
    let flipped = storage.copy();
    flipped.flip_bit("0000000001.segment", 8 * 300);
    assert!(open_from(&flipped, start).unwrap().1.len() < all.len());
    assert!(matches!(
        open_from(&flipped, None),
        Err(OpenError::Damaged { .. })
    ));
    storage.remove("0000000001.segment").unwrap();
    let refused = open_from(&storage, start).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { file, .. } if file == "0000000001.segment"));
}

#[test]
fn sealed_segments_are_read_by_themselves() {
    let (storage, all) = filled();
    let start = read_segment_start(&storage, 1).unwrap().unwrap();
    let mut found = Found::new();
    let scanned = scan_sealed(&storage, &start, 3, |visited| {
        found.push((visited.address.to_u64(), visited.payload.to_vec()));
        Ok::<(), Infallible>(())
    });
    scanned.unwrap();
    let range = start.segment_bytes..3 * start.segment_bytes;
    let expected: Found = all
        .iter()
        .filter(|(at, _)| range.contains(at))
        .cloned()
        .collect();
    assert_eq!(found, expected);
    // The last one is not sealed, and a flipped bit is met.
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let flipped = storage.copy();
    flipped.flip_bit("0000000002.segment", 8 * 300);
    let damaged = scan_sealed(&flipped, &start, 3, nothing);
    assert!(matches!(damaged, Err(OpenError::Damaged { .. })));
    assert!(scan_sealed(&storage, &start, 1_000, nothing).is_err());
}
