//! Checks a journal from the first record to the last: the chain, and every rule that the records
//! must keep, by books of its own that share nothing with the engine but the rules of an account.

mod accounts;
mod audit;
mod auditor;
mod payments;
#[cfg(test)]
mod tests;
mod transfers;

use std::convert::Infallible;

use journal::{Head, Journal, Opened, Scanned, Storage, Visited};

use auditor::Auditor;

pub use audit::{Audit, Finding};

/// The result of [`verify`].
#[derive(Debug, Clone)]
pub struct Verified {
    /// What the records say.
    pub audit: Audit,
    /// The end of the chain, to be kept elsewhere: a later chain must go through it.
    pub head: Head,
    /// What the opening found, where the lock was taken.
    pub opened: Option<Opened>,
    /// What the scan found, where it was read only.
    pub scanned: Option<Scanned>,
    /// The size of each frame in bytes, in order: what a benchmark compares with.
    pub frame_bytes: Vec<u64>,
}

impl Verified {
    /// Whether no rule is broken.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.audit.findings_count == 0
    }
}

/// Walks the journal in `storage`, checks its chain and audits its records.
///
/// With `read_only` it takes no lock and changes nothing, and goes up to the last whole frame;
/// otherwise it opens the journal as the engine does, which cuts a torn end.
///
/// # Errors
///
/// When the journal cannot be opened or its chain is damaged. Broken rules are findings.
pub fn verify<S: Storage>(
    storage: S,
    options: journal::JournalOptions,
    read_only: bool,
) -> Result<Verified, journal::OpenError<Infallible>> {
    let mut auditor = Auditor::default();
    let mut frame_bytes = Vec::new();
    let visit = |visited: Visited<'_>| {
        if visited.last_in_frame {
            frame_bytes.push(visited.frame.frame_bytes());
        }
        auditor.record(visited.address, visited.payload, visited.index_in_frame);
        Ok(())
    };
    let (head, opened, scanned) = if read_only {
        let scanned = journal::scan(&storage, visit)?;
        (scanned.head, None, Some(scanned))
    } else {
        let (_, opened) = Journal::open(storage, options, visit)?;
        (opened.head, Some(opened), None)
    };
    Ok(Verified {
        audit: auditor.finish(),
        head,
        opened,
        scanned,
        frame_bytes,
    })
}
