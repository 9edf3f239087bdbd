//! To which ledger an outbox belongs: its operations are that ledger's, and applied to no other one.
//!
//! A [file in the outbox's folder](crate::outbox_mark) names it. An outbox that has none belongs to the first
//! ledger that it meets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use ledger::{Answer, Batch, Engine, LedgerId, Millis, Outcome, ProcessorSummary, Unavailable};
use parking_lot::Mutex;
use stdx::Throttle;

use super::opened::LedgerIs;
use crate::outbox_mark;

/// How often a line says that operations wait for their own ledger.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The ledger that an outbox belongs to.
pub(super) struct Owner {
    directory: PathBuf,
    ledger: Mutex<Option<LedgerId>>,
}

impl Owner {
    /// What the outbox in this directory says of itself; the directory need not be there.
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            directory: directory.to_owned(),
            ledger: Mutex::new(outbox_mark::read(directory)?),
        })
    }

    /// Fails if the outbox belongs to another ledger.
    pub(super) fn check(&self, found: LedgerId) -> anyhow::Result<()> {
        match *self.ledger.lock() {
            Some(own) if own != found => bail!(
                "the outbox in {} has operations of ledger {own}, and this is ledger {found}: use that \
                 ledger, or another --data-dir",
                self.directory.display()
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// The same; an outbox that belongs to no ledger yet belongs to this one from now on. Its folder has
    /// to be there, and this process's.
    pub(super) fn claim(&self, found: LedgerId) -> anyhow::Result<()> {
        self.check(found)?;
        let mut ledger = self.ledger.lock();
        if ledger.is_none() {
            outbox_mark::write(&self.directory, found)?;
            *ledger = Some(found);
        }
        Ok(())
    }
}

/// The ledger of another process, as an outbox sees it: while it is another ledger, or not known to be
/// the right one, nothing is given to it.
///
/// Which ledger is connected is known for each connection, and calls name the process that they are for
/// ([`engine_remote`] names deadlines on its clock): what is given here is not applied by another ledger
/// that takes the address over meanwhile.
pub(super) struct OnlyOwn {
    engine: Arc<dyn Engine>,
    connected: LedgerIs,
    owner: Owner,
    is_other: Arc<AtomicBool>,
    lines: Throttle,
}

impl OnlyOwn {
    pub(super) fn new(engine: Arc<dyn Engine>, connected: LedgerIs, owner: Owner) -> Self {
        Self {
            engine,
            connected,
            owner,
            is_other: Arc::default(),
            lines: Throttle::new(LINE_INTERVAL),
        }
    }

    /// Whether another ledger was met last.
    pub(super) fn is_other(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_other)
    }

    fn admits(&self) -> bool {
        let Some(found) = self.connected.id() else {
            return false;
        };
        let claimed = self.owner.claim(found);
        self.is_other.store(claimed.is_err(), Ordering::Relaxed);
        if let Err(error) = &claimed
            && self.lines.pass().is_some()
        {
            tracing::error!("queued operations are not applied: {error:#}");
        }
        claimed.is_ok()
    }
}

impl Engine for OnlyOwn {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        match self.admits() {
            true => self.engine.submit(batches, deadline),
            false => Box::pin(async { Err(Unavailable::LedgerUnavailable) }),
        }
    }

    ledger::forward_reads!(engine);

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.engine.payments_summary(from, to, deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_belongs_to_the_first_ledger_that_it_meets() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [1, 2].map(|byte| LedgerId::from_bytes([byte; 16]));
        let owner = Owner::of(folder.path()).unwrap();
        owner.check(other).unwrap();
        owner.claim(one).unwrap();
        owner.claim(one).unwrap();
        for owner in [owner, Owner::of(folder.path()).unwrap()] {
            owner.check(one).unwrap();
            let error = owner.claim(other).unwrap_err().to_string();
            assert!(
                error.contains(&format!("operations of ledger {one}")),
                "{error}"
            );
        }
        std::fs::write(folder.path().join("ledger"), "nonsense").unwrap();
        assert!(Owner::of(folder.path()).is_err());
    }
}
