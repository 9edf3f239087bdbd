//! Retiring the oldest segments: what is kept stays whole, whatever happens meanwhile.

use std::convert::Infallible;

use journal::faulty::{FaultyStorage, OperationKind};
use journal::{
    Address, Durability, Journal, JournalOptions, OpenError, RetireError, scan, scan_retired,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::workload::{SEGMENT_BYTES, for_seeds, options};

const FRAMES: usize = 60;

/// One record to a frame: its address and its payload.
type Records = Vec<(Address, Vec<u8>)>;

/// What was committed, and from where on nothing may be missing.
#[derive(Default)]
struct History {
    answered: Records,
    unanswered: Option<Vec<u8>>,
    kept_from: Option<Address>,
    /// The newest record when segments were last removed.
    durable_to: Option<Address>,
}

fn retiring(durability: Durability) -> JournalOptions {
    JournalOptions {
        retires: true,
        durability,
        ..options()
    }
}

fn open(
    storage: &FaultyStorage,
    durability: Durability,
) -> Result<(Journal<FaultyStorage>, Records), OpenError<Infallible>> {
    let mut found = Vec::new();
    let (journal, opened) = Journal::open(storage.clone(), retiring(durability), |visited| {
        found.push((visited.address, visited.payload.to_vec()));
        Ok(())
    })?;
    assert_eq!(opened.segments, journal.segments());
    Ok((journal, found))
}

/// Commits frames and retires, now and then, up to a record chosen among those that are left.
/// Stops at the first call that fails.
fn run(storage: &FaultyStorage, durability: Durability, seed: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let mut history = History::default();
    let Ok((mut journal, _)) = open(storage, durability) else {
        return history;
    };
    for _ in 0..FRAMES {
        let mut payload = vec![0; random.random_range(0..500)];
        random.fill(&mut payload[..]);
        if journal.begin(payload.len(), 1).is_err() {
            break;
        }
        let address = journal.push(|buffer| buffer.extend_from_slice(&payload));
        if journal.commit(random.random()).is_err() {
            history.unanswered = Some(payload);
            break;
        }
        history.answered.push((address, payload));
        if random.random_ratio(1, 6) {
            let index = random.random_range(history.answered.len() / 2..history.answered.len());
            let from = history.answered[index].0;
            history.kept_from = history.kept_from.max(Some(from));
            let segments = journal.segments();
            if journal.retire_before(from).is_err() {
                break;
            }
            if journal.segments() < segments {
                history.durable_to = Some(address);
            }
        }
    }
    history
}

impl History {
    /// From the last record that was asked to be kept on, everything is there; before it, whole
    /// segments are missing from the front, and nothing else.
    fn check(&mut self, found: &[(Address, Vec<u8>)]) {
        if let Some(unanswered) = self.unanswered.take()
            && let Some((address, payload)) = found.last()
            && self.answered.last().is_none_or(|(last, _)| address > last)
        {
            assert_eq!(*payload, unanswered);
            self.answered.push((*address, unanswered));
        }
        let missing = self.answered.len() - found.len();
        assert_eq!(found, &self.answered[missing..]);
        if let Some((first, _)) = found.first() {
            let segment = |address: Address| address.to_u64() / SEGMENT_BYTES;
            assert!(self.kept_from.is_none_or(|from| *first <= from));
            let before = self.answered[..missing].last();
            assert!(before.is_none_or(|(last, _)| segment(*last) < segment(*first)));
        }
    }
}

#[test]
fn every_operation_of_a_retiring_journal_is_a_crash_point() {
    for_seeds(25, |seed| {
        let durability = [Durability::Disk, Durability::Os][(seed % 2) as usize];
        let whole = FaultyStorage::new(seed);
        let history = run(&whole, durability, seed);
        assert_eq!(history.answered.len(), FRAMES);
        for number in 0..whole.operations() {
            let storage = FaultyStorage::new(seed);
            storage.crash_after_operation(number);
            let mut history = run(&storage, durability, seed);
            // Without syncs the newest frames are the disk's to keep or to lose.
            let storage = match durability {
                Durability::Disk if number % 3 > 0 => storage.crash(),
                _ => storage.kill(),
            };
            let (mut journal, found) = open(&storage, durability).unwrap();
            history.check(&found);
            journal.begin(4, 1).unwrap();
            let address = journal.push(|buffer| buffer.extend_from_slice(b"more"));
            journal.commit(1).unwrap();
            history.answered.push((address, b"more".to_vec()));
            drop(journal);
            history.check(&open(&storage.kill(), durability).unwrap().1);
        }
    });
}

#[test]
fn what_a_removal_relied_on_is_durable_before_it_crash_or_not() {
    for_seeds(60, |seed| {
        let whole = FaultyStorage::new(seed);
        let history = run(&whole, Durability::Os, seed);
        let found = match open(&whole.crash(), Durability::Os) {
            Ok((_, found)) => found,
            // A later frame kept and an earlier one lost: named, as without retiring.
            Err(OpenError::Damaged { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        assert!(history.durable_to.is_some(), "nothing was retired");
        assert!(found.last().map(|(address, _)| *address) >= history.durable_to);
    });
}

fn filled(seed: u64) -> (FaultyStorage, Journal<FaultyStorage>, Records) {
    let storage = FaultyStorage::new(seed);
    let (mut journal, _) = open(&storage, Durability::Disk).unwrap();
    let mut records = Records::new();
    for number in 0..40_u8 {
        journal.begin(400, 1).unwrap();
        let payload = vec![number; 400];
        let address = journal.push(|buffer| buffer.extend_from_slice(&payload));
        journal.commit(1).unwrap();
        records.push((address, payload));
    }
    (storage, journal, records)
}

#[test]
fn space_and_files_come_back_and_the_rest_is_read_as_before() {
    let (storage, mut journal, records) = filled(1);
    let before = journal.segments();
    assert!(before > 4);
    let middle = records[20].0;
    journal.retire_before(middle).unwrap();
    let retired = middle.to_u64() / SEGMENT_BYTES;
    assert_eq!(journal.segments(), before - retired);
    let mut buffer = Vec::new();
    for (address, payload) in &records {
        let read = journal.reader().record(*address, &mut buffer);
        assert_eq!(read.is_ok(), address.to_u64() / SEGMENT_BYTES >= retired);
        assert!(read.is_err() || buffer == *payload);
    }
    // All but the current segment, and never that one.
    let end = Address::from_u64(u64::MAX).unwrap();
    journal.retire_before(end).unwrap();
    assert_eq!(journal.segments(), 1);
    let head = journal.head();
    drop(journal);
    let scanned = scan_retired(&storage, |_| Ok::<(), Infallible>(())).unwrap();
    assert_eq!((scanned.head, scanned.segments), (head, 1));
    let (journal, _) = open(&storage, Durability::Disk).unwrap();
    assert_eq!(journal.head(), head);
}

#[test]
fn a_journal_that_is_kept_whole_misses_its_first_segment() {
    let (storage, mut journal, records) = filled(2);
    journal.retire_before(records[20].0).unwrap();
    drop(journal);
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let opened = Journal::open(storage.clone(), options(), nothing);
    let Err(OpenError::Damaged { file, .. }) = opened else {
        panic!("opened as if it were whole")
    };
    assert_eq!(file, "0000000000.segment");
    assert!(scan(&storage, nothing).is_err());
}

#[test]
fn a_hole_is_damage_and_so_is_a_changed_first_header() {
    let (storage, mut journal, records) = filled(3);
    journal.retire_before(records[20].0).unwrap();
    let segments = journal.segments();
    assert!(segments > 2);
    drop(journal);
    let first = records[20].0.to_u64() / SEGMENT_BYTES;
    let name = |number: u64| format!("{number:010}.segment");
    // Any bit of the header that the chain begins with.
    for bit in [64, 400, 520, 900] {
        let storage = storage.copy();
        storage.flip_bit(&name(first), bit);
        let opened = open(&storage, Durability::Disk);
        assert!(
            matches!(opened, Err(OpenError::Damaged { .. })),
            "bit {bit}"
        );
    }
    let storage = storage.copy();
    journal::Storage::remove(&storage, &name(first + 1)).unwrap();
    let opened = open(&storage, Durability::Disk);
    assert!(matches!(opened, Err(OpenError::Damaged { file, .. }) if file == name(first + 1)));
}

#[test]
fn a_removal_that_fails_is_tried_again_and_a_failed_sync_is_not() {
    let (storage, mut journal, records) = filled(4);
    let target = records[20].0;
    storage.fail_operation(storage.operations() + 1);
    assert!(matches!(
        journal.retire_before(target),
        Err(RetireError::Io { .. })
    ));
    journal.retire_before(target).unwrap();
    storage.fail_operation(storage.operations() + 2);
    let end = records[39].0;
    assert!(matches!(
        journal.retire_before(end),
        Err(RetireError::Failed(_))
    ));
    let log = storage.operation_log();
    assert_eq!(log.last().unwrap().kind, OperationKind::SyncDirectory);
    assert!(journal.begin(1, 1).is_err(), "nothing more is written");
    assert!(journal.retire_before(end).is_err());
    assert_eq!(storage.operation_log().len(), log.len());
    drop(journal);
    let (_, found) = open(&storage.crash(), Durability::Disk).unwrap();
    assert_eq!(found.last(), records.last());
}
