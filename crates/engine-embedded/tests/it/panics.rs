//! A panic of the writer stops the process: nobody is answered from what may not be durable.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::FileStorage;
use ledger::{Clock, Timestamp};
use testkit::ManualClock;

use crate::bank::{Bank, deposit, open_engine, small_overlapping, submit};

const CHILD: &str = "LASTRO_TEST_PANIC_IN";
const SIGABRT: i32 = 6;

/// The writer alone asks it.
struct BrokenClock;

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        panic!("the clock is broken")
    }
}

fn bank(place: &Path) -> Bank<FileStorage> {
    let storage = FileStorage::open(place).unwrap();
    Bank::open_at(
        storage,
        small_overlapping(64, 32),
        Arc::<ManualClock>::default(),
    )
}

/// Not a test of its own: the process that [`a_panic_of_the_writer_stops_the_process`] starts.
#[test]
fn panic_in_the_writer_when_asked() {
    let Some(place) = std::env::var_os(CHILD) else {
        return;
    };
    let storage = FileStorage::open(&place).unwrap();
    let engine = open_engine(storage, small_overlapping(64, 32), Arc::new(BrokenClock));
    let deadline = Instant::now() + Duration::from_secs(20);
    let answer = submit(&*engine, vec![deposit(2, "a", 1)], deadline);
    panic!("the process went on, with {answer:?}");
}

#[test]
fn a_panic_of_the_writer_stops_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let before = bank(folder.path());
    before.open_accounts(&["a"]);
    before.give(deposit(1, "a", 1));
    drop(before);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::panic_in_the_writer_when_asked"])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(SIGABRT), "{said}");
    let after = bank(folder.path());
    assert_eq!(after.account("a").balance(), 1);
    assert_eq!(after.give(deposit(2, "a", 1)).code(), "created");
}
