//! Writes an outbox of the current record layout to a new directory, to be kept as a fixture.

#![expect(clippy::unwrap_used, reason = "made by hand, once for each layout")]

use std::error::Error;
use std::fs;
use std::time::Duration;

use journal::FileStorage;
use ledger::Unavailable;
use outbox::verify;

#[path = "../tests/it/bank.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod bank;
#[path = "../tests/it/script.rs"]
mod script;

use bank::{Ledger, Manner, accept, drained, open, small};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: operations_fixture <new directory>")?;
    fs::create_dir(&path)?;
    // Enough that a segment is retired.
    let ledger = Ledger::start(Manner::Well).await;
    let outbox = open(FileStorage::open(&path)?, &small(), &ledger);
    for operation in script::applied() {
        accept(&outbox, operation).await?;
        drained(&outbox).await;
    }
    outbox.stop(Duration::from_secs(10)).await;
    drop(outbox);
    ledger.behave(Manner::Away(Unavailable::LedgerUnavailable));
    let outbox = open(FileStorage::open(&path)?, &small(), &ledger);
    for operation in script::queued() {
        accept(&outbox, operation).await?;
    }
    drop(outbox);
    // Only the segments are the journal.
    for name in ["spare", "spare.partial", "lock"] {
        let _ = fs::remove_file(format!("{path}/{name}"));
    }
    println!(
        "head {}",
        verify(FileStorage::open(&path)?, true)?.head.hash
    );
    Ok(())
}
