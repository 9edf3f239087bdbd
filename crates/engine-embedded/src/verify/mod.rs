//! Checks a journal from the first record to the last: the chain, and every rule that the records
//! must keep, by books of its own that share nothing with the engine but the rules of an account.

mod accounts;
mod audit;
mod auditor;
mod beside;
mod payments;
mod since;
mod sums;
#[cfg(test)]
mod tests;
mod transfers;
mod used;

use journal::{Hash, Head, Locked, Opened, Scanned, Storage, Visited};

use auditor::Auditor;
use beside::Beside;

pub use audit::{Audit, Finding};
pub use since::{VerifiedSince, verify_since};
pub use used::SortError;

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
    /// How many snapshots were found to be what the records before them lead to.
    pub snapshots_count: u64,
    /// How many tables were found to have the ids that their segments' records use, or the sums that
    /// they lead to, and no others.
    pub tables_count: u64,
    /// Snapshots and tables that are damaged, or not of this journal or version. The next start
    /// makes what it needs anew.
    pub unusable: Vec<String>,
    /// What became of the head that was kept elsewhere, if one was given.
    pub expected: Option<Expected>,
}

/// Whether a chain goes through the head that was kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It does.
    Met,
    /// That frame has another hash, this one.
    Other(Hash),
    /// The chain ends before that frame.
    Beyond,
}

/// Looks for one frame on a walk.
#[derive(Debug, Clone, Copy)]
struct Search {
    sequence: u64,
    hash: Hash,
    found: Expected,
}

impl Search {
    fn new((sequence, hash): (u64, Hash), before: Head) -> Self {
        let mut search = Self {
            sequence,
            hash,
            found: Expected::Beyond,
        };
        search.at(before.sequence, before.hash);
        search
    }

    fn at(&mut self, sequence: u64, hash: Hash) {
        if sequence == self.sequence {
            self.found = match hash == self.hash {
                true => Expected::Met,
                false => Expected::Other(hash),
            };
        }
    }
}

impl Verified {
    /// Whether no rule is broken, and the chain goes through the head that was kept elsewhere.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        let is_met = matches!(self.expected, None | Some(Expected::Met));
        self.audit.findings_count == 0 && is_met
    }
}

/// Walks the journal in `storage`, checks its chain, audits its records, and compares the snapshots
/// and tables beside it with them.
///
/// With `read_only` it takes no lock and changes nothing, and goes up to the last whole frame;
/// otherwise it opens the journal as the engine does, which cuts a torn end.
///
/// It takes memory for the accounts, the pending and the reversed transfers and the open payments, for the ids of one
/// segment, a tenth of a byte for each id of the largest table, and 26 MB. From the first million ids on it writes 25 bytes an id to the folder for
/// temporary files (`TMPDIR`).
///
/// # Errors
///
/// When the journal cannot be opened, its chain is damaged, or there is no room for the temporary
/// file. Broken rules are findings.
pub fn verify<S: Storage>(
    storage: S,
    options: journal::JournalOptions,
    read_only: bool,
) -> Result<Verified, journal::OpenError<SortError>> {
    verify_expecting(storage, options, read_only, None)
}

/// As [`verify`], and looks whether the chain goes through a head that was kept elsewhere: a frame's
/// sequence and its hash.
///
/// # Errors
///
/// As for [`verify`].
pub fn verify_expecting<S: Storage>(
    storage: S,
    options: journal::JournalOptions,
    read_only: bool,
    expected: Option<(u64, Hash)>,
) -> Result<Verified, journal::OpenError<SortError>> {
    let mut search = expected.map(|expected| Search::new(expected, Head::default()));
    let mut auditor = Auditor::default();
    let locked = if read_only {
        Place::Open(storage)
    } else {
        Place::Locked(Locked::lock(storage, options)?)
    };
    let place = locked.storage();
    let beside = Beside::open(place).map_err(|source| journal::OpenError::Io {
        doing: "read what is kept beside the journal in",
        file: place.place(),
        source,
    });
    let mut beside = beside?;
    let visit = |visited: Visited<'_>| {
        if visited.last_in_frame
            && let Some(search) = &mut search
        {
            search.at(visited.frame.sequence, visited.frame.hash);
        }
        auditor.record(visited.address, visited.payload, visited.index_in_frame)?;
        beside.record(visited);
        Ok(())
    };
    let (head, opened, scanned, reader) = match locked {
        Place::Open(storage) => {
            let scanned = journal::scan(&storage, visit)?;
            let reader = scanned.reader(storage);
            (scanned.head, None, Some(scanned), reader)
        }
        Place::Locked(locked) => {
            let (journal, opened) = locked.open(None, visit)?;
            (opened.head, Some(opened), None, Some(journal.reader()))
        }
    };
    if let Some(reader) = reader {
        auditor.check_reversed(&reader);
    }
    let segments = opened
        .as_ref()
        .map(|opened| (opened.segments, opened.segment_bytes));
    let scanned_segments = scanned
        .as_ref()
        .map(|scanned| (scanned.segments, scanned.segment_bytes));
    if let Some((segments, segment_bytes)) = segments.or(scanned_segments) {
        let last = segments.saturating_sub(1);
        beside.reach(last, last * segment_bytes);
    }
    for (address, what) in beside.findings {
        auditor.find_at(address, what);
    }
    Ok(Verified {
        audit: auditor.finish().map_err(journal::OpenError::Visit)?,
        head,
        opened,
        scanned,
        snapshots_count: beside.snapshots_count,
        tables_count: beside.tables_count,
        unusable: beside.unusable,
        expected: search.map(|search| search.found),
    })
}

/// Where the journal is, with or without its lock.
enum Place<S: Storage> {
    Open(S),
    Locked(Locked<S>),
}

impl<S: Storage> Place<S> {
    fn storage(&self) -> &S {
        match self {
            Self::Open(storage) => storage,
            Self::Locked(locked) => locked.storage(),
        }
    }
}
