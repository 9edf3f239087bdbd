//! Any frames, closed and opened at any points, over real files.

use std::convert::Infallible;

use journal::{Durability, FileStorage, Journal, JournalOptions};
use proptest::collection::vec;
use proptest::prelude::*;

fn frames() -> impl Strategy<Value = Vec<(Vec<Vec<u8>>, u64, bool)>> {
    let record = prop_oneof![6 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 900..1500)];
    // A frame's records, its time, and whether the journal is closed after it.
    vec(
        (vec(record, 0..5), any::<u64>(), prop::bool::weighted(0.1)),
        0..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_goes_in_comes_out(frames in frames(), disk in any::<bool>()) {
        let durability = if disk { Durability::Disk } else { Durability::Os };
        let options = JournalOptions { segment_bytes: 12_288, frame_bytes_max: 8192, durability, ..JournalOptions::default() };
        let directory = tempfile::tempdir().unwrap();
        let mut written: Vec<(u64, u64, Vec<u8>)> = Vec::new();
        let open = |written: &[(u64, u64, Vec<u8>)]| {
            let mut found = Vec::new();
            let storage = FileStorage::open(directory.path()).unwrap();
            let (journal, opened) = Journal::open(storage, options.clone(), |visited| {
                let time_ns = visited.frame.time_ns;
                found.push((visited.address.to_u64(), time_ns, visited.payload.to_vec()));
                Ok::<(), Infallible>(())
            })
            .unwrap();
            assert_eq!(found, written);
            assert_eq!(opened.cut, None);
            assert_eq!(opened.head, journal.head());
            journal
        };
        let mut journal = open(&written);
        for (records, time_ns, close) in frames {
            journal.begin(records.iter().map(Vec::len).sum(), records.len()).unwrap();
            for record in records {
                prop_assert!(journal.fits(record.len(), 1));
                let address = journal.push(|buffer| buffer.extend_from_slice(&record));
                written.push((address.to_u64(), time_ns, record));
            }
            journal.commit(time_ns).unwrap();
            if close {
                drop(journal);
                journal = open(&written);
            }
        }
        drop(journal);
        open(&written);
    }
}
