//! Outboxes of every record layout so far, as they were written then.

use std::fs;
use std::time::Instant;

use journal::FileStorage;
use ledger::{Engine, UsedTransfer};
use outbox::{is_outbox, verify};

use crate::bank::{Ledger, Manner, drained, open, small};
use crate::script;

const RECORDS_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records-1");
const RECORDS_1_HEAD: &str = "c1be27bf8acdf9fb5a16a12677267ea93abb1b9ba9ecb8a542c8a152ce8eaab2";

#[tokio::test]
async fn records_1_are_applied_as_they_were_accepted() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(RECORDS_1).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let storage = || FileStorage::open_existing(folder.path()).unwrap();
    assert!(is_outbox(&storage()));
    let verified = verify(storage(), true).unwrap();
    assert_eq!(verified.head.hash.to_string(), RECORDS_1_HEAD);
    let ledger = Ledger::start(Manner::Well).await;
    let outbox = open(storage(), &small(), &ledger);
    drained(&outbox).await;
    for operation in script::queued() {
        let used = ledger.transfer(operation.id(), Instant::now()).await;
        let first = match used.unwrap().unwrap() {
            UsedTransfer::Created(transfer, _) => transfer.command().unwrap(),
            UsedTransfer::Refused(command, _) => command,
            UsedTransfer::Payment(id) => panic!("{id}"),
        };
        assert_eq!(&first, operation.command());
    }
    let applied = script::applied().next().unwrap().id();
    let used = ledger.transfer(applied, Instant::now()).await.unwrap();
    assert_eq!(used, None, "it was applied before");
}
