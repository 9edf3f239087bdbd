//! The scan of a journal, on mutated segments.

use std::convert::Infallible;

use journal::faulty::FaultyStorage;
use journal::{OpenError, scan};
use testkit::fuzz;

use crate::workload::run;

#[test]
fn fuzz_segments() {
    let storage = FaultyStorage::new(1);
    run(&storage, 1);
    let name = "0000000000.segment";
    let whole = storage.copy();
    let example = whole.bytes(name).expect("the first segment");
    fuzz(&[&example], |bytes| {
        let storage = whole.copy();
        storage.alter(name, |content| *content = bytes.to_vec());
        let mut visited = 0_u64;
        let scanned = scan(&storage, |_| {
            visited += 1;
            Ok::<(), Infallible>(())
        });
        match scanned {
            Ok(scanned) => assert_eq!(scanned.head.records, visited),
            Err(OpenError::Damaged { file, offset, .. }) => {
                assert!(!file.is_empty(), "damage at {offset} of no file");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}
