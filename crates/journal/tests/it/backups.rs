//! Backups of a journal that goes on, over storages that stop, fail, fill up and flip.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use journal::backup::{
    BackedUp, BackupError, Restored, Taken, Until, back_up, remove_obsolete, restore,
};
use journal::faulty::FaultyStorage;
use journal::{
    Durability, FileStorage, Head, Journal, JournalOptions, OpenError, Storage, scan, scan_retired,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::workload::{Frame, History, SEGMENT_BYTES, append, for_seeds, open, options};

/// A journal, and what was appended to it.
struct Source {
    storage: FaultyStorage,
    random: StdRng,
    history: History,
}

impl Source {
    fn new(seed: u64) -> Self {
        Self {
            storage: FaultyStorage::new(seed),
            random: StdRng::seed_from_u64(seed),
            history: History::default(),
        }
    }

    fn append(&mut self, frames: usize) {
        let (mut journal, _, _) = open(&self.storage).unwrap();
        assert!(append(
            &mut journal,
            &mut self.random,
            frames,
            &mut self.history
        ));
    }

    fn back_up(
        &self,
        target: &FaultyStorage,
        known: Option<&BackedUp>,
    ) -> Result<Taken, BackupError> {
        back_up(&self.storage, target, false, known, &mut |_| {})
    }
}

fn restored(
    backup: &FaultyStorage,
    backed_up: &BackedUp,
    until: Until,
) -> Result<(Restored, Vec<Frame>), BackupError> {
    let target = FaultyStorage::new(1);
    let restored = restore(backup, backed_up, &target, until, &mut |_| {})?;
    // Everything is durable, and the journal can be written on.
    let target = target.crash();
    let (mut journal, opened, frames) = open(&target).unwrap();
    assert_eq!((opened.cut, opened.head), (None, restored.head));
    assert_eq!(opened.segments, restored.segments);
    journal.begin(3, 1).unwrap();
    journal.push(|bytes| bytes.extend_from_slice(b"new"));
    journal.commit(u64::MAX).unwrap();
    Ok((restored, frames))
}

/// The backup holds exactly so many of the source's frames.
fn assert_holds(backup: &FaultyStorage, backed_up: &BackedUp, source: &Source) {
    let (_, frames) = restored(backup, backed_up, Until::End).unwrap();
    let count = usize::try_from(backed_up.head.sequence).unwrap();
    assert_eq!(frames, source.history.answered[..count]);
    let last = frames.last().map(|frame| frame.time_ns);
    assert_eq!(backed_up.last_frame_ns, last);
}

#[test]
fn each_backup_copies_only_what_is_new() {
    for_seeds(30, |seed| {
        let mut source = Source::new(seed);
        let target = FaultyStorage::new(seed + 1);
        source.append(12);
        let mut known: Option<BackedUp> = None;
        for frames in [0, 9, 0, 1, 25] {
            source.append(frames);
            let taken = source.back_up(&target, known.as_ref()).unwrap();
            let count = source.history.answered.len() as u64;
            assert_eq!(taken.backed_up.head.sequence, count);
            // The last one of before is copied again, unless it was full.
            let news = known.map_or(taken.backed_up.last_segment + 1, |known| {
                taken.backed_up.last_segment - known.last_segment
            });
            let again = taken.segments_copied - news;
            assert!(again <= u64::from(known.is_some()), "{taken:?}");
            remove_obsolete(&target, &taken.backed_up).unwrap();
            assert_holds(&target, &taken.backed_up, &source);
            known = Some(taken.backed_up);
        }
        // The copy is the journal, byte for byte.
        let last = known.unwrap().last_segment;
        for number in 0..=last {
            let name = format!("{number:010}.segment");
            assert_eq!(target.bytes(&name), source.storage.bytes(&name));
        }
    });
}

/// Wherever a backup stops, the one before is there, and the next one goes on.
#[test]
fn every_operation_of_a_backup_is_a_crash_point() {
    for_seeds(12, |seed| {
        let mut source = Source::new(seed);
        source.append(14);
        let first = FaultyStorage::new(seed);
        let known = source.back_up(&first, None).unwrap().backed_up;
        source.append(20);
        let whole = first.copy();
        source.back_up(&whole, Some(&known)).unwrap();
        for (before, known) in [(FaultyStorage::new(seed), None), (first, Some(known))] {
            for number in 0.. {
                let target = before.copy();
                target.crash_after_operation(number);
                let taken = source.back_up(&target, known.as_ref());
                if !target.is_stopped() {
                    taken.unwrap();
                    break;
                }
                let target = if number % 2 == 0 {
                    target.crash()
                } else {
                    target.kill()
                };
                if let Some(known) = &known {
                    assert_holds(&target, known, &source);
                }
                let taken = source.back_up(&target, known.as_ref()).unwrap();
                remove_obsolete(&target, &taken.backed_up).unwrap();
                assert_holds(&target, &taken.backed_up, &source);
                let names = target.list().unwrap();
                assert_eq!(names.len() as u64, taken.backed_up.last_segment + 1);
            }
        }
    });
}

#[test]
fn an_operation_that_fails_leaves_the_backup_before() {
    for_seeds(12, |seed| {
        let mut source = Source::new(seed);
        source.append(14);
        let before = FaultyStorage::new(seed);
        let known = source.back_up(&before, None).unwrap().backed_up;
        source.append(20);
        for number in 1.. {
            let target = before.copy();
            target.fail_operation(number);
            let taken = source.back_up(&target, Some(&known));
            if target.operations() < number {
                break;
            }
            // That the rest of a failed copy cannot be removed is no failure.
            if let Err(error) = taken {
                assert!(matches!(error, BackupError::Target { .. }), "{error}");
            }
            let target = target.crash();
            assert_holds(&target, &known, &source);
            let taken = source.back_up(&target, Some(&known)).unwrap();
            assert_holds(&target, &taken.backed_up, &source);
        }
    });
}

#[test]
fn a_full_disk_is_named_and_leaves_the_backup_before() {
    let mut source = Source::new(5);
    source.append(14);
    let target = FaultyStorage::new(5);
    let known = source.back_up(&target, None).unwrap().backed_up;
    source.append(30);
    let used = (known.last_segment + 1) * SEGMENT_BYTES;
    for room in [0, 100, SEGMENT_BYTES, SEGMENT_BYTES + 1] {
        target.set_capacity(Some(used + room));
        let error = source.back_up(&target, Some(&known)).unwrap_err();
        assert!(matches!(error, BackupError::Full { .. }), "{error}");
        assert!(error.to_string().contains("free space and run it again"));
        assert_holds(&target, &known, &source);
    }
    target.set_capacity(None);
    let taken = source.back_up(&target, Some(&known)).unwrap();
    assert_holds(&target, &taken.backed_up, &source);
}

#[test]
fn a_backup_is_restored_to_each_frame_and_to_each_time() {
    for_seeds(6, |seed| {
        let mut source = Source::new(seed);
        source.append(40);
        let target = FaultyStorage::new(seed);
        let backed_up = source.back_up(&target, None).unwrap().backed_up;
        let all = &source.history.answered;
        for (index, frame) in all.iter().enumerate() {
            let sequence = index as u64 + 1;
            let (found, frames) = restored(&target, &backed_up, Until::Frame(sequence)).unwrap();
            assert_eq!(found.head.sequence, sequence);
            assert_eq!(frames, all[..=index]);
            // The times of this workload are drawn: the end is before the first that is too late.
            for time_ns in [frame.time_ns, frame.time_ns - 1] {
                let is_early = |frame: &&Frame| frame.time_ns <= time_ns;
                let expected: Vec<Frame> = all.iter().take_while(is_early).cloned().collect();
                match restored(&target, &backed_up, Until::Time(time_ns)) {
                    Ok((found, frames)) => {
                        assert_eq!(frames.len(), expected.len());
                        assert_eq!(frames, expected);
                        assert_eq!(
                            found.last_frame_ns,
                            frames.last().map(|frame| frame.time_ns)
                        );
                    }
                    Err(BackupError::NothingBefore) => assert!(expected.is_empty()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let last = all.len() as u64;
        for (until, expected) in [
            (
                Until::Frame(last + 1),
                format!(
                    "the backup ends with frame {last}: it has no frame {}",
                    last + 1
                ),
            ),
            (
                Until::Frame(0),
                "nothing is restored: the backup has no frame as early as that".to_owned(),
            ),
        ] {
            let error = restored(&target, &backed_up, until).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    });
}

/// Whatever is flipped: the restore says so, or what it made is right.
#[test]
fn a_flipped_bit_in_a_backup_is_found() {
    let mut source = Source::new(9);
    source.append(75);
    let target = FaultyStorage::new(9);
    let backed_up = source.back_up(&target, None).unwrap().backed_up;
    assert!(backed_up.last_segment >= 3);
    let (mut refused, mut restored_count) = (0, 0);
    for number in 0..=backed_up.last_segment {
        let name = format!("{number:010}.segment");
        for byte in (0..SEGMENT_BYTES).step_by(7) {
            let flipped = target.copy();
            flipped.flip_bit(&name, byte * 8 + byte % 8);
            match restored(&flipped, &backed_up, Until::End) {
                Ok((_, frames)) => {
                    assert_eq!(frames, source.history.answered);
                    // Only behind the last frame does a bit not matter.
                    assert_eq!(number, backed_up.last_segment, "byte {byte} of {name}");
                    restored_count += 1;
                }
                Err(error @ BackupError::Source { .. }) => {
                    let BackupError::Source { source, .. } = &error else {
                        unreachable!()
                    };
                    assert!(source.to_string().contains(&name), "{source}");
                    refused += 1;
                }
                Err(BackupError::Short { .. }) => refused += 1,
                Err(error) => panic!("byte {byte} of {name}: {error}"),
            }
        }
    }
    assert!(
        refused > 1000 && restored_count > 0,
        "{refused}, {restored_count}"
    );
}

#[test]
fn nothing_can_be_opened_where_a_restore_did_not_finish() {
    let mut source = Source::new(4);
    source.append(40);
    let backup = FaultyStorage::new(4);
    let backed_up = source.back_up(&backup, None).unwrap().backed_up;
    for number in 1.. {
        let target = FaultyStorage::new(number);
        target.crash_after_operation(number);
        let result = restore(&backup, &backed_up, &target, Until::End, &mut |_| {});
        if !target.is_stopped() {
            break;
        }
        let target = if number % 2 == 0 {
            target.crash()
        } else {
            target.kill()
        };
        let is_empty = !target
            .list()
            .unwrap()
            .iter()
            .any(|name| name.contains(".segment"));
        match open(&target) {
            Ok((journal, opened, _)) if result.is_err() && opened.created => {
                assert!(is_empty, "{journal:?}");
            }
            // All of it was in place, and only the last sync was not answered.
            Ok((_, opened, _)) => assert_eq!(opened.head, backed_up.head),
            Err(OpenError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A ledger that was restored to an earlier moment and goes on is not what the backup is of.
#[test]
fn a_ledger_that_went_on_from_an_earlier_moment_is_refused() {
    for_seeds(10, |seed| {
        let mut source = Source::new(seed);
        source.append(30);
        let target = FaultyStorage::new(seed);
        let backed_up = source.back_up(&target, None).unwrap().backed_up;
        for (sequence, more) in [(5, 0), (20, 3), (29, 1), (29, 30)] {
            let forked = FaultyStorage::new(seed + 7);
            restore(
                &target,
                &backed_up,
                &forked,
                Until::Frame(sequence),
                &mut |_| {},
            )
            .unwrap();
            let (mut journal, _, _) = open(&forked).unwrap();
            for number in 0..more {
                journal.begin(300, 1).unwrap();
                journal.push(|bytes| bytes.resize(bytes.len() + 300, 77));
                journal.commit(1_000_000 + number).unwrap();
            }
            drop(journal);
            let copy = target.copy();
            let error = back_up(&forked, &copy, false, Some(&backed_up), &mut |_| {}).unwrap_err();
            let expected = format!(
                "ends with frame {}, and that frame is not in this ledger",
                backed_up.head.sequence
            );
            assert!(error.to_string().contains(&expected), "{error}");
            assert_holds(&copy, &backed_up, &source);
        }
        // The whole of it goes on, and so does the original.
        let same = FaultyStorage::new(seed + 8);
        restore(&target, &backed_up, &same, Until::End, &mut |_| {}).unwrap();
        back_up(&same, &target, false, Some(&backed_up), &mut |_| {}).unwrap();
    });
}

#[test]
fn what_cannot_be_backed_up_is_named() {
    let mut source = Source::new(2);
    let target = FaultyStorage::new(3);
    let error = source.back_up(&target, None).unwrap_err();
    assert!(
        error.to_string().starts_with("there is no ledger in "),
        "{error}"
    );
    source.append(30);
    let backed_up = source.back_up(&target, None).unwrap().backed_up;
    // Another journal's, with what the backup says of itself and without.
    let mut other = Source::new(77);
    other.append(3);
    for known in [Some(&backed_up), None] {
        let error = other.back_up(&target, known).unwrap_err();
        assert!(matches!(error, BackupError::OtherJournal { .. }), "{error}");
    }
    // Damage in the source is the source's.
    let damaged = source.storage.copy();
    damaged.flip_bit("0000000001.segment", 8 * 300);
    let fresh = FaultyStorage::new(3);
    let error = back_up(&damaged, &fresh, false, None, &mut |_| {}).unwrap_err();
    let BackupError::Source { source: damage, .. } = error else {
        panic!("{error}");
    };
    assert!(
        damage
            .to_string()
            .starts_with("0000000001.segment is damaged"),
        "{damage}"
    );
    // What was copied before is not read again.
    let again = back_up(&damaged, &target, false, Some(&backed_up), &mut |_| {}).unwrap();
    assert_eq!(again.segments_copied, 1);
    // A write that went elsewhere is the target's.
    let mut found = 0;
    for number in 2..8 {
        let astray = FaultyStorage::new(number);
        astray.misdirect_operation(number);
        match source.back_up(&astray, None) {
            Ok(taken) => assert_holds(&astray, &taken.backed_up, &source),
            Err(BackupError::CopyDiffers { .. }) => found += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(found > 0);
}

#[test]
fn a_segment_that_was_lost_from_the_backup_is_copied_again() {
    let mut source = Source::new(6);
    source.append(40);
    let target = FaultyStorage::new(6);
    let backed_up = source.back_up(&target, None).unwrap().backed_up;
    target.remove("0000000001.segment").unwrap();
    let taken = source.back_up(&target, Some(&backed_up)).unwrap();
    assert_eq!(taken.segments_copied, 2);
    assert_holds(&target, &taken.backed_up, &source);
}

/// What a backup holds, a power cut cannot take from the source.
#[test]
fn frames_are_synced_before_they_are_backed_up() {
    for_seeds(20, |seed| {
        let storage = FaultyStorage::new(seed);
        let options = JournalOptions {
            durability: Durability::Os,
            ..options()
        };
        let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
        let (mut journal, _) = Journal::open(storage.clone(), options.clone(), nothing).unwrap();
        for number in 0..9 {
            journal.begin(100, 1).unwrap();
            journal.push(|bytes| bytes.resize(bytes.len() + 100, 1));
            journal.commit(number + 1).unwrap();
        }
        let target = FaultyStorage::new(seed);
        let backed_up = back_up(&storage, &target, false, None, &mut |_| {})
            .unwrap()
            .backed_up;
        assert_eq!(backed_up.head.sequence, 9);
        drop(journal);
        let after = storage.crash();
        assert_eq!(scan(&after, nothing).unwrap().head, backed_up.head);
        back_up(&after, &target, false, Some(&backed_up), &mut |_| {}).unwrap();
    });
}

#[test]
fn a_journal_that_retires_segments_is_backed_up_from_its_oldest() {
    let storage = FaultyStorage::new(8);
    let options = JournalOptions {
        retires: true,
        ..options()
    };
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let (mut journal, _) = Journal::open(storage.clone(), options, nothing).unwrap();
    let target = FaultyStorage::new(8);
    let mut known: Option<BackedUp> = None;
    for round in 0..6_u64 {
        let mut address = None;
        for number in 0..30 {
            journal.begin(400, 1).unwrap();
            address = Some(journal.push(|bytes| bytes.resize(bytes.len() + 400, 1)));
            journal.commit(1 + round * 100 + number).unwrap();
        }
        if round % 2 == 1 {
            journal.retire_before(address.unwrap()).unwrap();
        }
        let taken = back_up(&storage, &target, true, known.as_ref(), &mut |_| {}).unwrap();
        assert_eq!(taken.backed_up.head, journal.head());
        assert_eq!(taken.backed_up.first_segment, journal.first_segment());
        remove_obsolete(&target, &taken.backed_up).unwrap();
        let made = FaultyStorage::new(8);
        restore(&target, &taken.backed_up, &made, Until::End, &mut |_| {}).unwrap();
        let scanned = scan_retired(&made, nothing).unwrap();
        assert_eq!(scanned.head, journal.head());
        known = Some(taken.backed_up);
    }
}

/// Over real files, beside a writer that rolls all the time.
#[test]
fn backups_are_taken_beside_a_writer() {
    const BACKUPS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let options = JournalOptions {
        segment_bytes: 64 << 10,
        frame_bytes_max: 8 << 10,
        durability: Durability::Os,
        ..JournalOptions::default()
    };
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let storage = FileStorage::open(&path).unwrap();
    let (mut journal, _) = Journal::open(storage, options, nothing).unwrap();
    let done = AtomicBool::new(false);
    let heads = thread::scope(|scope| {
        let backups = scope.spawn(|| {
            let source = FileStorage::open_existing(&path).unwrap();
            let target = FileStorage::open(folder.path().join("backup")).unwrap();
            let mut known: Option<BackedUp> = None;
            let mut heads: Vec<Head> = Vec::new();
            while heads.len() < BACKUPS {
                let taken = back_up(&source, &target, false, known.as_ref(), &mut |_| {});
                let backed_up = match taken {
                    Ok(taken) => taken.backed_up,
                    Err(BackupError::NoJournal { .. }) => continue,
                    Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
                };
                let made = folder.path().join(format!("restored-{}", heads.len()));
                let made = FileStorage::open(made).unwrap();
                restore(&target, &backed_up, &made, Until::End, &mut |_| {}).unwrap();
                assert_eq!(scan(&made, nothing).unwrap().head, backed_up.head);
                heads.push(backed_up.head);
                known = Some(backed_up);
            }
            done.store(true, Ordering::Release);
            heads
        });
        let mut time_ns = 0;
        while !done.load(Ordering::Acquire) && !backups.is_finished() {
            time_ns += 1;
            let length = usize::try_from(time_ns * 37 % 3000).unwrap();
            journal.begin(length, 1).unwrap();
            journal.push(|bytes| bytes.resize(bytes.len() + length, 5));
            journal.commit(time_ns).unwrap();
            thread::sleep(Duration::from_micros(400));
        }
        backups.join().unwrap()
    });
    // Each was a moment of this chain.
    let mut left = heads.iter().peekable();
    while left.next_if(|head| head.sequence == 0).is_some() {}
    scan(&FileStorage::open_existing(&path).unwrap(), |visited| {
        let frame = visited.frame;
        while left
            .next_if(|head| head.sequence == frame.sequence && head.hash == frame.hash)
            .is_some()
        {}
        Ok::<(), Infallible>(())
    })
    .unwrap();
    assert_eq!(left.next(), None);
    assert!(heads.last().unwrap().sequence > heads[0].sequence);
}
