//! What can go wrong, by the call that answers it.

use std::io;
use std::sync::Arc;

use crate::storage::is_shortage;

/// Why a journal could not be opened or scanned. Nothing has been appended.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E> {
    /// Another process (or another journal of this process) holds the lock.
    #[error("{place} is in use by {}", holder(*.pid))]
    Locked {
        /// The directory.
        place: String,
        /// The holder's process id, if it could be read.
        pid: Option<u32>,
    },
    /// There is no journal, and the options do not allow making one.
    #[error("there is no journal in {place}")]
    Missing {
        /// The directory.
        place: String,
    },
    /// The options contradict each other or the journal found.
    #[error("the journal's options cannot work: {0}")]
    Options(String),
    /// The files are of a format that this build does not read.
    #[error(
        "{file} has journal format {found}; this build reads {supported}: use the build that \
             wrote it, or convert it"
    )]
    Version {
        /// The segment file.
        file: String,
        /// The version in its header.
        found: u32,
        /// The version that this build reads.
        supported: u32,
    },
    /// Bytes that were once answered for are missing or changed. Nothing was cut or repaired.
    #[error("{file} is damaged at byte {offset}: {what}; {advice}")]
    Damaged {
        /// The segment file.
        file: String,
        /// Where in the file the damage begins, in bytes.
        offset: u64,
        /// What was found there.
        what: String,
        /// What an operator can do.
        advice: String,
    },
    /// The storage refused a call.
    #[error("could not {doing} {file}")]
    Io {
        /// What was being done, such as "read".
        doing: &'static str,
        /// The file, or the directory.
        file: String,
        /// The storage's own error.
        source: io::Error,
    },
    /// The visitor refused a record.
    #[error("{0}")]
    Visit(E),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl<E> OpenError<E> {
    pub(crate) fn io(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            doing,
            file,
            source,
        }
    }

    /// What is wrong, unless it is only that the visitor ended the walk.
    pub(crate) fn unless_ended(self) -> Result<(), OpenError<std::convert::Infallible>> {
        Err(match self {
            Self::Visit(_) => return Ok(()),
            Self::Locked { place, pid } => OpenError::Locked { place, pid },
            Self::Missing { place } => OpenError::Missing { place },
            Self::Options(what) => OpenError::Options(what),
            Self::Version {
                file,
                found,
                supported,
            } => OpenError::Version {
                file,
                found,
                supported,
            },
            Self::Damaged {
                file,
                offset,
                what,
                advice,
            } => OpenError::Damaged {
                file,
                offset,
                what,
                advice,
            },
            Self::Io {
                doing,
                file,
                source,
            } => OpenError::Io {
                doing,
                file,
                source,
            },
        })
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            offset,
            what: what.into(),
            advice: "stop here, keep a copy of the whole directory, and restore this file from a \
                     backup or from another copy of the journal"
                .to_owned(),
        }
    }
}

/// Why [`Journal::begin`](crate::Journal::begin) made no room. Nothing was written for the frame.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The disk is full: nothing was done, and the call may be tried again once space is freed.
    #[error("the disk is full: no room for the journal's next segment")]
    Full,
    /// The next segment is not ready yet: nothing was done, and the call may be tried again.
    #[error("the journal's next segment is not ready yet: the disk is slow")]
    Late,
    /// There was no descriptor or memory to create the next segment with: nothing was done, and the
    /// call may be tried again.
    #[error(
        "the journal's next segment cannot be created now: {cause}; it is tried again. Close what \
         this machine does not need, or raise the limit that is named"
    )]
    Short {
        /// The storage's own words.
        cause: Arc<str>,
    },
    /// Such a frame is never possible with these options.
    #[error("a frame of {bytes} bytes is larger than the journal allows ({bytes_max})")]
    TooLarge {
        /// What the frame would take, headers included.
        bytes: usize,
        /// `frame_bytes_max`.
        bytes_max: usize,
    },
    /// A write or a sync failed, now or before. The journal takes nothing more until reopened.
    #[error(transparent)]
    Failed(StorageFailure),
}

/// Why [`Journal::commit`](crate::Journal::commit) did not answer for the frame.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A write or a sync failed, now or before: whether the frame is kept is unknown until the
    /// journal is opened again.
    #[error(transparent)]
    Failed(StorageFailure),
}

/// Why [`Journal::retire_before`](crate::Journal::retire_before) did not remove all it could.
/// Nothing that is kept was touched.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// A segment could not be removed. It may be tried again.
    #[error("could not remove {file}")]
    Io {
        /// The segment file.
        file: String,
        /// The storage's own error.
        source: io::Error,
    },
    /// A sync failed, now or before. The journal takes nothing more until reopened.
    #[error(transparent)]
    Failed(StorageFailure),
}

/// The write or sync that failed first; every later call repeats it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal stopped writing: could not {doing} {file}: {cause}")]
pub struct StorageFailure {
    doing: &'static str,
    file: Arc<str>,
    cause: Arc<str>,
}

impl StorageFailure {
    pub(crate) fn new(doing: &'static str, file: &str, cause: &impl ToString) -> Self {
        Self {
            doing,
            file: file.into(),
            cause: cause.to_string().into(),
        }
    }
}

impl ReadError {
    /// Whether nothing is wrong: the record has to be fetched from the disk, and the reader was to
    /// wait for nothing.
    #[must_use]
    pub fn has_to_wait(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether nothing is wrong with the record: there was no descriptor or memory to read it with,
    /// and the call may be tried again.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_shortage(source))
    }
}

/// Why a record could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no whole record at this address: its checksum does not match.
    #[error("{file} is damaged at byte {offset}: no whole record is there")]
    Damaged {
        /// The segment file.
        file: String,
        /// Where the record should begin, in bytes.
        offset: u64,
    },
    /// The storage refused the read.
    #[error("could not read {file}")]
    Io {
        /// The segment file.
        file: String,
        /// The storage's own error.
        source: io::Error,
    },
}
