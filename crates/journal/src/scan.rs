//! The walk without the lock and without changing a byte.

use std::sync::Arc;

use crate::error::OpenError;
use crate::format::{FrameInfo, JournalId, Seal};
use crate::head::Head;
use crate::options::JournalOptions;
use crate::reader::Reader;
use crate::segment_start::SegmentStart;
use crate::segments::Segments;
use crate::storage::{Storage, segment_name};
use crate::walk::{Ending, Visited, Walk, walk, walk_sealed};

/// What lies after the last whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: zeros.
    Clean,
    /// Bytes that look like a tear, or like a frame that a writer is just writing.
    Torn {
        /// The segment file.
        file: String,
        /// Where it begins, in bytes.
        offset: u64,
        /// Its length, up to the last byte that is not zero.
        bytes: u64,
    },
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The journal's identity; `None` if there is no journal here yet.
    pub id: Option<JournalId>,
    /// The end of the chain.
    pub head: Head,
    /// The last whole frame; `None` if there is none.
    pub last_frame: Option<FrameInfo>,
    /// Number of segment files.
    pub segments: u64,
    /// Size of a segment in bytes; 0 if there is no journal here yet.
    pub segment_bytes: u64,
    /// What comes after the head.
    pub tail: Tail,
}

impl Scanned {
    /// A reader of what was scanned in `storage`; `None` if there is no journal there yet.
    pub fn reader<S: Storage>(&self, storage: S) -> Option<Reader<S>> {
        let seal = Seal::new(self.id?);
        let files_max = JournalOptions::default().open_files_max;
        let segments = Segments::new(Arc::new(storage), self.segment_bytes, seal, files_max);
        Some(Reader::new(Arc::new(segments)))
    }
}

/// Checks the chain and visits every record of every whole frame in order, up to the last whole
/// frame. Takes no lock and changes nothing; a writer may be appending meanwhile, and what it
/// commits after the scan began may or may not be visited.
///
/// # Errors
///
/// As for [`Journal::open`](crate::Journal::open), but never [`OpenError::Locked`].
pub fn scan<S: Storage, E>(
    storage: &S,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Scanned, OpenError<E>> {
    scan_as(storage, false, None, visit)
}

/// The same for a journal whose oldest segments may have been retired
/// ([`JournalOptions::retires`](crate::JournalOptions::retires)): from the oldest segment there is. Where the
/// writer retires one meanwhile, the scan may fail to open it: then scan again.
///
/// # Errors
///
/// As for [`scan`].
pub fn scan_retired<S: Storage, E>(
    storage: &S,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Scanned, OpenError<E>> {
    scan_as(storage, true, None, visit)
}

/// As [`scan`], but from this segment on: of those before it, no more is looked at than that their files
/// are there.
///
/// # Errors
///
/// As for [`scan`].
pub fn scan_from<S: Storage, E>(
    storage: &S,
    from: SegmentStart,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Scanned, OpenError<E>> {
    scan_as(storage, false, Some(from), visit)
}

/// Checks the chain and visits every record of sealed segments: of `from` and those after it, up to
/// and without segment `end`, whose header must continue them. Takes no lock and changes nothing.
///
/// # Errors
///
/// As for [`scan`]. Segments that are not sealed are damaged.
pub fn scan_sealed<S: Storage, E>(
    storage: &S,
    from: &SegmentStart,
    end: u64,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<(), OpenError<E>> {
    walk_sealed(storage, from, end, visit)
}

fn scan_as<S: Storage, E>(
    storage: &S,
    retires: bool,
    from: Option<SegmentStart>,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Scanned, OpenError<E>> {
    let how = Walk {
        live: true,
        retires,
        from,
    };
    let walked = walk(storage, how, visit)?;
    let (offset, bytes) = match walked.ending {
        Ending::Clean => (0, 0),
        Ending::Torn(bytes) => (walked.offset, bytes),
        Ending::NoHeader(bytes) => (0, bytes),
    };
    let file = segment_name(walked.last_segment());
    let tail = if bytes == 0 {
        Tail::Clean
    } else {
        Tail::Torn {
            file,
            offset,
            bytes,
        }
    };
    Ok(Scanned {
        id: walked.seal.map(|seal| seal.id),
        head: walked.head,
        last_frame: walked.last_frame,
        segments: walked.segments,
        segment_bytes: walked.segment_bytes,
        tail,
    })
}
