//! Checks an outbox: the chain, every record, and that nothing is missing that was not applied.

use journal::{Head, Journal, Opened, Scanned, Storage, Visited, scan_retired};

use crate::log::{OutboxOpenError, Replayed};
use crate::options::OutboxOptions;
use crate::record::is_record;

/// How often a scan is tried while a running outbox removes segments.
const SCANS_MAX: u32 = 5;

/// A whole outbox.
#[derive(Debug)]
pub struct VerifiedOutbox {
    /// How many operations are not known to be applied.
    pub operations_count: usize,
    /// The end of the chain.
    pub head: Head,
    /// What opening it found and, with a torn end, cut; `None` where it was only read.
    pub opened: Option<Opened>,
    /// What reading it found; `None` where it was opened.
    pub scanned: Option<Scanned>,
}

/// Whether the journal there is an outbox's: the first record says so. `false` where there is none
/// or it cannot be read.
pub fn is_outbox<S: Storage>(storage: &S) -> bool {
    let mut found = None;
    // Any error means the same: the visitor stops the scan by one.
    let _ = scan_retired(storage, |visited| {
        found = Some(is_record(visited.payload));
        Err::<(), &str>("one record is enough")
    });
    found == Some(true)
}

/// Checks the outbox there. With `read_only` nothing is locked or changed, and a process may be
/// using it meanwhile.
///
/// # Errors
///
/// What is wrong with it.
pub fn verify<S: Storage>(storage: S, read_only: bool) -> Result<VerifiedOutbox, OutboxOpenError> {
    if !read_only {
        let mut replayed = Replayed::default();
        let options = OutboxOptions::default().journal();
        let visit = |visited: Visited<'_>| replayed.visit(visited);
        let (journal, opened) = Journal::open(storage, options, visit)?;
        replayed.check(opened.head.records)?;
        return Ok(VerifiedOutbox {
            operations_count: replayed.operations.len(),
            head: journal.head(),
            opened: Some(opened),
            scanned: None,
        });
    }
    let mut scans_count = 0;
    loop {
        scans_count += 1;
        let mut replayed = Replayed::default();
        match scan_retired(&storage, |visited| replayed.visit(visited)) {
            Ok(scanned) => {
                replayed.check(scanned.head.records)?;
                return Ok(VerifiedOutbox {
                    operations_count: replayed.operations.len(),
                    head: scanned.head,
                    opened: None,
                    scanned: Some(scanned),
                });
            }
            // The running outbox has removed a segment that the scan was about to open.
            Err(journal::OpenError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && scans_count < SCANS_MAX => {}
            Err(error) => return Err(error.into()),
        }
    }
}
