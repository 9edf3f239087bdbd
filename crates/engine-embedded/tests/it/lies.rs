//! A disk that lies: flipped bits and writes that land elsewhere are told or cut, never believed.

use std::time::Instant;

use engine_embedded::{EmbeddedEngine, OpenError, Recovery, verify};
use journal::faulty::{FaultyStorage, OperationKind};
use ledger::{Engine, State, Unavailable};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

use crate::bank::{PATIENCE, wait};
use crate::model::ids;
use crate::workload::{Again, Workload, options};

/// Enough for several segments.
const STEPS: usize = 80;

/// The storage's files that hold the journal, with their sizes.
fn segments(storage: &FaultyStorage) -> Vec<(String, u64)> {
    (0..)
        .map(|number| format!("{number:010}.segment"))
        .map_while(|name| {
            let size = storage.bytes(&name)?.len() as u64;
            Some((name, size))
        })
        .collect()
}

#[test]
fn a_flipped_bit_is_told_or_cut_with_the_last_frame() {
    for seed in Seeds::from_env(40) {
        let mut again = Again::new(seed);
        let mut workload = Workload::new(seed);
        let storage = FaultyStorage::new(seed);
        workload.run(&storage, STEPS);
        let segments = segments(&storage);
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..8 {
            let (file, size) = &segments[random.random_range(0..segments.len())];
            let bit = random.random_range(0..size * 8);
            again.point = format!("bit {bit} of {file}");
            let damaged = storage.copy();
            damaged.flip_bit(file, bit);
            check_flip(&workload, &damaged, file, bit);
        }
    }
}

fn check_flip(workload: &Workload, storage: &FaultyStorage, file: &str, bit: u64) {
    let before = storage.bytes(file);
    let opened = EmbeddedEngine::open(storage.clone(), options(), workload.clock.clone());
    let (engine, recovery) = match opened {
        Ok(opened) => opened,
        Err(OpenError::Journal(journal::OpenError::Damaged {
            file: told, offset, ..
        })) => {
            assert_eq!(told, file);
            assert!(offset <= bit / 8, "damage at {} told at {offset}", bit / 8);
            assert_eq!(storage.bytes(file), before, "damage is not touched");
            return;
        }
        // The format version of a segment is not under its checksum alone.
        Err(OpenError::Journal(journal::OpenError::Version { file: told, .. })) => {
            assert_eq!(told, file);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let Some(cut) = recovery.journal.cut else {
        // It is before the newest snapshot, from where on the journal was read.
        never_wrong(&engine, &recovery, workload);
        drop(engine);
        let told = verify(storage.clone(), options().journal, true).unwrap_err();
        let journal::OpenError::Damaged {
            file: told, offset, ..
        } = told
        else {
            // The format version of a segment is not under its checksum alone.
            assert!(matches!(told, journal::OpenError::Version { file: told, .. } if told == file));
            return;
        };
        assert!(told == file && offset <= bit / 8);
        return;
    };
    assert!(cut.file == file && cut.offset <= bit / 8);
    drop(engine);
    let last_frame_only = 1;
    workload.check_beginning(storage, last_frame_only);
}

/// Whatever is asked of the ids is answered as it was, or as damaged; of a last frame that is lost,
/// there is nothing.
fn never_wrong(engine: &EmbeddedEngine<FaultyStorage>, recovery: &Recovery, workload: &Workload) {
    let count = usize::try_from(recovery.journal.head.records).unwrap();
    let books = workload.model.beginning(count, 1);
    let ids = ids(&workload.model.books);
    for id in &ids.transfers {
        match wait(engine.transfer(*id, Instant::now() + PATIENCE)) {
            Ok(used) => assert_eq!(used, books.state().transfer(*id)),
            Err(unavailable) => assert_eq!(unavailable, Unavailable::StorageDamaged),
        }
    }
}

#[test]
fn a_misdirected_write_is_never_believed() {
    for seed in Seeds::from_env(60) {
        let mut again = Again::new(seed);
        let writes = writes(seed);
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..4 {
            let number = writes[random.random_range(0..writes.len())];
            again.point = format!("write {number} goes elsewhere");
            let storage = FaultyStorage::new(seed);
            storage.misdirect_operation(number);
            let mut workload = Workload::new(seed);
            workload.may_be_misled = true;
            workload.run(&storage, STEPS);
            let storage = storage.kill();
            match EmbeddedEngine::open(storage.clone(), options(), workload.clock.clone()) {
                // All that was answered, or all but a last frame that was written elsewhere.
                Ok((engine, recovery)) => {
                    match verify(storage.clone(), options().journal, true) {
                        Ok(_) => {
                            assert!(!workload.is_misled, "an answer was wrong, and nothing is");
                            drop(engine);
                            workload.check_beginning(&storage, 1);
                        }
                        // It is before the newest snapshot.
                        Err(journal::OpenError::Damaged { file, .. }) => {
                            assert!(file.ends_with(".segment"));
                            never_wrong(&engine, &recovery, &workload);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                Err(OpenError::Journal(journal::OpenError::Damaged { file, .. })) => {
                    assert!(file.ends_with(".segment"));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The numbers of a workload's operations that write to a segment.
fn writes(seed: u64) -> Vec<u64> {
    let storage = FaultyStorage::new(seed);
    Workload::new(seed).run(&storage, STEPS);
    let log = storage.operation_log();
    let writes = (1..)
        .zip(&log)
        .filter(|(_, done)| done.kind == OperationKind::Write && done.file.ends_with(".segment"));
    writes.map(|(number, _)| number).collect()
}
