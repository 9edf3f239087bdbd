//! Copies of a journal: [`back_up`] makes one of a journal that may be written meanwhile, and
//! [`restore`] makes a journal of it again, whole or up to a frame or a time.
//!
//! - A backup is the journal's segment files under their own names, in another [`Storage`]. What it
//!   holds for certain is what [`back_up`] returned last ([`BackedUp`]): the caller keeps that beside
//!   the files and gives it to the next call. Files may go further, after a call that did not finish.
//! - A sealed segment never changes: it is copied once. Of the last one, the frames that are whole are
//!   copied, anew each time, and are synced in the source first: what a backup holds, a power cut
//!   cannot take from the source.
//! - Each file is written as `<name>.partial`, checked against the chain, synced and only then renamed.
//!   Whatever stops a call, the files are a backup as before, and the next call goes on from there.
//!
//! | step | cost |
//! |---|---|
//! | a segment that the backup has | two reads of a header |
//! | a segment that is copied | one read, one write, one sync, one walk over the copy |
//! | restoring | the same for every segment up to the end, or the cut |

mod copy;
mod restore;
mod take;

use std::convert::Infallible;
use std::io;

use crate::error::OpenError;
use crate::format::JournalId;
use crate::head::Head;
use crate::storage::{Storage, StorageFile, is_full};

pub use restore::{Restored, Until, restore};
pub use take::{Taken, back_up, remove_obsolete};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The journal's identity.
    pub id: JournalId,
    /// Size of its segments in bytes.
    pub segment_bytes: u64,
    /// Number of the oldest segment: 0, unless older ones were retired.
    pub first_segment: u64,
    /// Number of the newest one.
    pub last_segment: u64,
    /// The end of the chain.
    pub head: Head,
    /// The time of the last frame, as its writer gave it, in nanoseconds; `None` if there is none.
    pub last_frame_ns: Option<u64>,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Segments that were looked at or copied.
    pub segments: u64,
    /// Segments in all.
    pub segments_all: u64,
    /// Bytes that were read to be copied.
    pub bytes: u64,
}

/// Why a backup was not taken or not restored. A backup that was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing to copy.
    #[error("there is no ledger in {place}")]
    NoJournal {
        /// Where it was looked for.
        place: String,
    },
    /// The target has a copy of something else.
    #[error(
        "{place} has a backup of another journal, {theirs}; this one is {ours}: give each its own \
         folder"
    )]
    OtherJournal {
        /// The target.
        place: String,
        /// The identity there.
        theirs: JournalId,
        /// The source's identity.
        ours: JournalId,
    },
    /// The head of the backup is not on the source's chain.
    #[error(
        "the backup in {place} ends with frame {sequence}, and that frame is not in this ledger: \
         this ledger was restored from an earlier moment, or lost frames that the backup still has. \
         The backup is left as it is: back up into a new folder"
    )]
    Forked {
        /// The target.
        place: String,
        /// The last frame of the backup.
        sequence: u64,
    },
    /// The files to be copied are damaged, or cannot be read.
    #[error("{place} cannot be copied")]
    Source {
        /// The place that was read.
        place: String,
        /// What is wrong there.
        source: OpenError<Infallible>,
    },
    /// What was written does not read back as it was read.
    #[error(
        "the copy of {file} in {place} is not what was copied: do not trust that disk, or this \
         machine's memory"
    )]
    CopyDiffers {
        /// The place that was written.
        place: String,
        /// The file.
        file: String,
    },
    /// The target has no room.
    #[error("the disk of {place} is full: {file} could not be copied; free space and run it again")]
    Full {
        /// The place that was written.
        place: String,
        /// The file.
        file: String,
    },
    /// The target refused a call.
    #[error("could not {doing} {file} in {place}")]
    Target {
        /// What was being done, such as "write".
        doing: &'static str,
        /// The file.
        file: String,
        /// The place that was written.
        place: String,
        /// The storage's own error.
        source: io::Error,
    },
    /// The files of a backup end before the backup does.
    #[error(
        "{place} is damaged: its files end with frame {found}, and it is a backup up to frame \
         {expected}; use another backup"
    )]
    Short {
        /// The backup.
        place: String,
        /// The last frame there is.
        found: u64,
        /// The last frame there should be.
        expected: u64,
    },
    /// The backup's head is another frame than the one in its files.
    #[error(
        "{place} is damaged: frame {sequence} in it is not the one that the backup ended with; use \
         another backup"
    )]
    NotItsHead {
        /// The backup.
        place: String,
        /// The frame.
        sequence: u64,
    },
    /// The backup has no such frame yet.
    #[error("the backup ends with frame {last}: it has no frame {sequence}")]
    Beyond {
        /// The frame that was asked for.
        sequence: u64,
        /// The last frame there is.
        last: u64,
    },
    /// No frame is early enough.
    #[error("nothing is restored: the backup has no frame as early as that")]
    NothingBefore,
}

impl BackupError {
    fn target<T: Storage>(
        target: &T,
        doing: &'static str,
        file: &str,
    ) -> impl FnOnce(io::Error) -> Self {
        let (place, file) = (target.place(), file.to_owned());
        move |source| {
            if is_full(&source) {
                return Self::Full { place, file };
            }
            Self::Target {
                doing,
                file,
                place,
                source,
            }
        }
    }

    fn source<S: Storage>(storage: &S) -> impl FnOnce(OpenError<Infallible>) -> Self {
        let place = storage.place();
        move |source| Self::Source { place, source }
    }
}

/// The name of a file while it is written.
fn partial(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

pub(crate) const PARTIAL: &str = ".partial";

/// Replaces a small file as a whole: after a crash either the one before or this one is there.
///
/// # Errors
///
/// When the storage refuses a call; the file before is as it was, or replaced.
pub fn replace_file<T: Storage>(target: &T, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
    let written_as = partial(name);
    let file = create_anew(target, &written_as)?;
    file.write_at(bytes, 0)
        .map_err(BackupError::target(target, "write", &written_as))?;
    file.sync()
        .map_err(BackupError::target(target, "sync", &written_as))?;
    put_in_place(target, &written_as, name)
}

fn create_anew<T: Storage>(target: &T, name: &str) -> Result<T::File, BackupError> {
    match target.remove(name) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BackupError::target(target, "remove", name)(error)),
    }
    target
        .create(name)
        .map_err(BackupError::target(target, "create", name))
}

fn put_in_place<T: Storage>(target: &T, from: &str, to: &str) -> Result<(), BackupError> {
    target
        .rename(from, to)
        .map_err(BackupError::target(target, "rename", from))?;
    target
        .sync_directory()
        .map_err(BackupError::target(target, "sync the folder of", to))
}
