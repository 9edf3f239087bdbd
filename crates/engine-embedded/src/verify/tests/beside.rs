//! Snapshots and tables that are whole, of this journal, and wrong.

use std::sync::Arc;

use journal::faulty::FaultyStorage;
use journal::{Address, read_segment_start};
use parking_lot::RwLock;

use super::history::good_in_segments;
use crate::beside::Stop;
use crate::ids::{Sealed, SegmentIds, Space, TableSet, segments_of, segments_options};
use crate::snapshot::{Begun, Taker, newest};
use crate::verify::{Verified, verify};

fn verified(storage: &FaultyStorage, options: journal::JournalOptions) -> Verified {
    verify(storage.copy(), options, true).unwrap()
}

/// A table with an id that no record uses, and one that lacks an id.
#[test]
fn a_wrong_table_is_found() {
    let storage = FaultyStorage::new(1);
    drop(segments_of(&storage, 2));
    let (tables, _) = TableSet::open(&Arc::new(storage.clone())).unwrap();
    let mut ids = SegmentIds::default();
    ids.insert(Space::Transfers, 7, Address::from_u64(130).unwrap());
    tables.seal(Sealed { segment: 0, ids });
    tables.make_owed().unwrap();
    let verified = verified(&storage, segments_options());
    assert_eq!(verified.tables_count, 0);
    let told = verified.audit.findings.iter();
    let told = told.filter(|finding| {
        finding
            .what
            .contains("ids that no record of its segments uses")
    });
    assert_eq!(told.count(), 1);
}

#[test]
fn a_wrong_snapshot_is_found() {
    let (storage, options) = good_in_segments();
    let mut snapshot = newest(&storage).unwrap().0.unwrap();
    let segment = snapshot.start.number;
    let good = verified(&storage, options.clone());
    assert_eq!(good.audit.findings, []);
    assert_eq!(good.snapshots_count, 2);
    snapshot.books.transfer_ids_count += 1;
    let start = read_segment_start(&storage, segment).unwrap().unwrap();
    let begun = Begun::of(&mut snapshot.books, start, snapshot.newest);
    let taker = Taker {
        storage: Arc::new(storage.clone()),
        books: Arc::new(RwLock::new(snapshot.books)),
        stop: Stop::default(),
    };
    let mut pendings = snapshot.expiries;
    pendings.begin_copy();
    taker.take(begun, || Ok(pendings.copy_next(100))).unwrap();
    let told = verified(&storage, options);
    let [finding] = &told.audit.findings[..] else {
        panic!("{:?}", told.audit.findings);
    };
    assert!(
        finding.what.contains("the purges or counts differ"),
        "{finding}"
    );
    assert_eq!(told.snapshots_count, 1);
}
