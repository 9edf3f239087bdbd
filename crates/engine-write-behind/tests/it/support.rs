//! What the tests wait for.

use std::time::{Duration, Instant};

use engine_write_behind::WriteBehindEngine;
use ledger::{Command, TransferId, Unavailable};
use testkit::bank::{Drawer, submit_one};

/// The time that anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the database has everything.
pub(crate) async fn wait_until_persisted(engine: &WriteBehindEngine) {
    wait_for("everything to be persisted", || {
        engine.is_answering() && engine.lag().entries == 0
    })
    .await;
}

/// Waits until the database has everything, and nothing happens any more by itself.
pub(crate) async fn wait_until_quiet(engine: &WriteBehindEngine) {
    wait_until_persisted(engine).await;
    // What pends may still expire, and has to be persisted then too.
    tokio::time::sleep(Duration::from_secs(3)).await;
    wait_until_persisted(engine).await;
}

/// Waits until it is so, within a bound.
pub(crate) async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let bound = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < bound, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The outcome of a transfer with a new id.
pub(crate) async fn try_one(engine: &WriteBehindEngine, number: u128) -> Result<(), Unavailable> {
    let transfer = Drawer::new(1).transfer(TransferId::from_u128(number));
    let deadline = Instant::now() + Duration::from_secs(1);
    submit_one(engine, Command::Transfer(transfer), deadline)
        .await
        .map(drop)
}
