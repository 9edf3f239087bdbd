//! The node's outbox: opened beside the ledger or in an API node's data folder, drained at the stop.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use journal::Durability;
use ledger::{Clock, Engine};
use outbox::{Operations, Outbox, OutboxOptions, OutboxRecovery, OutboxStatus};
use server::{Health, Readiness};
use stdx::whole_millis;

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
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Outbox>> {
    let place = config.directory.display();
    let options = OutboxOptions {
        durability: config.durability,
        ..OutboxOptions::within(config.bytes_max).context("--outbox-bytes-max")?
    };
    let (outbox, recovery) = Outbox::open_in(
        &config.directory,
        &options,
        Arc::clone(engine),
        Arc::clone(clock),
    )
    .with_context(|| {
        format!("cannot open the outbox in {place} (each node needs a --data-dir of its own)")
    })?;
    report(&recovery);
    Ok(Arc::new(outbox))
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
    decides: bool,
    ledger: Arc<dyn Health>,
}

impl OutboxHealth {
    pub(super) fn new(
        outbox: &Arc<Outbox>,
        config: &OutboxConfig,
        ledger: Arc<dyn Health>,
    ) -> Self {
        Self {
            outbox: Arc::downgrade(outbox),
            decides: config.decides_readiness,
            ledger,
        }
    }
}

impl Health for OutboxHealth {
    fn readiness(&self) -> Readiness {
        let status = self.outbox.upgrade().map(|outbox| outbox.status());
        let operations = status.map_or("stopped", OutboxStatus::as_str);
        let readiness = if self.decides && status != Some(OutboxStatus::Ready) {
            Readiness::not_ready(operations)
        } else {
            self.ledger.readiness()
        };
        readiness.with("operations", operations)
    }
}
