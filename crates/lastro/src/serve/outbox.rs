//! The node's outbox: opened beside the ledger or in an API node's data folder, drained at the stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use journal::Durability;
use ledger::{Clock, Engine};
use outbox::{Operations, Outbox, OutboxOptions, OutboxRecovery, OutboxStatus};
use server::{Health, Readiness};
use stdx::whole_millis;

use super::opened::LedgerIs;
use super::outbox_owner::{OnlyOwn, Owner};

/// How long the ledger may take for what is queued once the server was told to stop. What it does
/// not get by then stays on the disk.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Where an outbox is kept, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxConfig {
    pub(crate) directory: PathBuf,
    pub(crate) bytes_max: u64,
    pub(crate) durability: Durability,
    /// Whether the node is for nothing if it takes no operations.
    pub(crate) decides_readiness: bool,
}

/// Opens the outbox; needs to be in a runtime.
pub(super) fn open(
    config: &OutboxConfig,
    engine: &Arc<dyn Engine>,
    ledger: &LedgerIs,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<OpenOutbox> {
    let place = config.directory.display();
    let owner = Owner::of(&config.directory)?;
    if let LedgerIs::Known(id) = ledger {
        owner.check(*id)?;
    }
    let options = OutboxOptions {
        durability: config.durability,
        ..OutboxOptions::within(config.bytes_max).context("--outbox-bytes-max")?
    };
    let open = |engine| {
        let opened = Outbox::open_in(&config.directory, &options, engine, Arc::clone(clock));
        opened.with_context(|| {
            format!("cannot open the outbox in {place} (each node needs a --data-dir of its own)")
        })
    };
    let ((outbox, recovery), is_of_other) = match ledger {
        LedgerIs::Known(id) => {
            let opened = open(Arc::clone(engine))?;
            owner.claim(*id)?;
            (opened, Arc::default())
        }
        LedgerIs::Asked(_) => {
            let own = OnlyOwn::new(Arc::clone(engine), ledger.clone(), owner);
            let is_other = own.is_other();
            (open(Arc::new(own))?, is_other)
        }
    };
    report(&recovery);
    Ok(OpenOutbox {
        outbox: Arc::new(outbox),
        is_of_other,
    })
}

/// An outbox that is open.
pub(super) struct OpenOutbox {
    pub(super) outbox: Arc<Outbox>,
    /// Whether the ledger that is connected is not the one that its operations are for.
    is_of_other: Arc<AtomicBool>,
}

fn report(recovery: &OutboxRecovery) {
    if let Some(cut) = &recovery.journal.cut {
        tracing::warn!(
            file = cut.file,
            offset = cut.offset,
            bytes = cut.bytes,
            saved_as = cut.saved_as,
            "cut an incomplete write at the end of the outbox; it had not been answered, and its bytes are kept"
        );
    }
    tracing::info!(
        operations_count = recovery.operations_count,
        elapsed_ms = whole_millis(recovery.elapsed),
        "the outbox is open, {} operations are queued",
        recovery.operations_count
    );
}

/// Lets the ledger have what is queued, within a bound, and closes the outbox.
pub(super) async fn stop(outbox: &Outbox) {
    let left_count = outbox.stop(DRAIN_TIMEOUT).await;
    if left_count > 0 {
        tracing::warn!(
            left_count,
            "{left_count} operations stay queued on the disk; the next start applies them"
        );
    }
}

/// What `/readyz` says of the ledger and of the outbox.
pub(super) struct OutboxHealth {
    /// Weak, so that the outbox can be closed while somebody still asks.
    outbox: Weak<Outbox>,
    is_of_other: Arc<AtomicBool>,
    decides: bool,
    ledger: Arc<dyn Health>,
}

impl OutboxHealth {
    pub(super) fn new(open: &OpenOutbox, config: &OutboxConfig, ledger: Arc<dyn Health>) -> Self {
        Self {
            outbox: Arc::downgrade(&open.outbox),
            is_of_other: Arc::clone(&open.is_of_other),
            decides: config.decides_readiness,
            ledger,
        }
    }
}

impl Health for OutboxHealth {
    fn readiness(&self) -> Readiness {
        let status = self.outbox.upgrade().map(|outbox| outbox.status());
        let is_of_other = self.is_of_other.load(Ordering::Relaxed);
        let operations = match is_of_other {
            true => "other_ledger",
            false => status.map_or("stopped", OutboxStatus::as_str),
        };
        let is_usable = status == Some(OutboxStatus::Ready) && !is_of_other;
        let readiness = if self.decides && !is_usable {
            Readiness::not_ready(operations)
        } else {
            self.ledger.readiness()
        };
        readiness.with("operations", operations)
    }
}
