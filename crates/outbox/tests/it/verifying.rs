//! Checking an outbox, beside one that runs and after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journal::FileStorage;
use journal::faulty::FaultyStorage;
use ledger::Unavailable;
use outbox::{is_outbox, verify};

use crate::bank::{Ledger, Manner, accept, open, operation, small};

const AWAY: Manner = Manner::Away(Unavailable::LedgerUnavailable);

#[tokio::test]
async fn a_whole_outbox_is_told_with_what_it_has_queued() {
    let ledger = Ledger::start(AWAY).await;
    let storage = FaultyStorage::new(1);
    assert!(!is_outbox(&storage), "there is none yet");
    let outbox = open(storage.clone(), &small(), &ledger);
    for number in 1..=40 {
        accept(&outbox, operation(number)).await.unwrap();
    }
    assert!(is_outbox(&storage));
    let read_only = verify(storage.clone(), true).unwrap();
    assert_eq!(read_only.operations_count, 40);
    assert!(verify(storage.clone(), false).is_err(), "it is in use");
    outbox.stop(Duration::ZERO).await;
    drop(outbox);
    let verified = verify(storage.clone(), true).unwrap();
    assert_eq!(verified.head, read_only.head);
    storage.flip_bit("0000000000.segment", 8 * 300);
    assert!(verify(storage, true).is_err());
}

#[tokio::test]
async fn a_ledger_is_no_outbox() {
    let storage = FaultyStorage::new(1);
    let nothing = |_: journal::Visited<'_>| Ok::<(), String>(());
    let options = small();
    let options = journal::JournalOptions {
        segment_bytes: options.segment_bytes,
        frame_bytes_max: 4096,
        ..journal::JournalOptions::default()
    };
    let (mut journal, _) = journal::Journal::open(storage.clone(), options, nothing).unwrap();
    journal.begin(3, 1).unwrap();
    journal.push(|buffer| buffer.extend_from_slice(&[1, 2, 3]));
    journal.commit(1).unwrap();
    drop(journal);
    assert!(!is_outbox(&storage));
    let error = verify(storage, true).unwrap_err().to_string();
    assert!(error.contains("does not belong to an outbox"), "{error}");
}

/// Segments come and go under the reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_outbox_can_be_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ledger = Ledger::start(Manner::Well).await;
    let outbox = open(FileStorage::open(folder.path()).unwrap(), &small(), &ledger);
    let outbox = Arc::new(outbox);
    let is_done = Arc::new(AtomicBool::new(false));
    let sender = {
        let (outbox, is_done) = (Arc::clone(&outbox), Arc::clone(&is_done));
        tokio::spawn(async move {
            for number in 1..=600 {
                accept(&outbox, operation(number)).await.unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        })
    };
    let mut checks_count = 0;
    while !is_done.load(Ordering::Relaxed) {
        let storage = FileStorage::open_existing(folder.path()).unwrap();
        let checked = tokio::task::spawn_blocking(move || verify(storage, true));
        checked.await.unwrap().unwrap();
        checks_count += 1;
    }
    sender.await.unwrap();
    assert!(checks_count > 0);
    assert_eq!(outbox.stop(Duration::from_secs(10)).await, 0);
}
