//! The durable log: an append-only chain of frames of opaque records.
//!
//! - One writer ([`Journal`]) gathers records into a frame, writes it with one write and syncs once.
//! - Any number of readers ([`Reader`]) fetch one record by its [`Address`] with one small read.
//! - It also reads forward from a [`Place`], record by record ([`Reader::onward`]).
//! - Opening walks the chain, hands every record to a visitor, and cuts a torn end.
//! - [`scan`] is the same walk without the lock and without changing a byte.
//! - [`backup`] copies a journal that is being written, and makes a journal of such a copy.
//! - Where [`JournalOptions::retires`] allows it, the oldest segments can be removed once they are not
//!   needed any more ([`Journal::retire_before`]); the chain is checked from the oldest one kept.
//!
//! | step | cost |
//! |---|---|
//! | `push` | the copy of the payload and its hardware CRC32C; no allocation once the buffer is warm |
//! | `commit` | one BLAKE3 over the frame, one write, one sync ([`Durability::Disk`]) or none |
//! | `seal`, then `complete` | the same, but the write and the sync may be another thread's |
//! | `begin` | nothing, or at the end of a segment: one rename, two small syncs |
//! | `Reader::record` | one read of 512 bytes; two for a longer record |
//! | `Reader::onward`, `Onward::next` | one read of 64 KiB for all records in it |
//!
//! After a failed write or sync the journal writes nothing more, and never retries the sync: a
//! second `fsync` may answer well although the pages of the first were dropped.
//!
//! The bytes are described in `docs/journal-format.md`.
//!
//! **Architecture Invariant:** the journal knows bytes, not money.

mod address;
pub mod backup;
mod cut;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
mod file_storage;
mod format;
mod head;
mod journal;
mod onward;
mod open;
mod open_frame;
mod options;
mod reader;
mod retire;
mod scan;
mod sealed_frame;
mod segment_start;
mod segments;
mod spare;
mod storage;
mod tail;
mod walk;
mod window;

pub use address::Address;
pub use error::{BeginError, CommitError, OpenError, ReadError, RetireError, StorageFailure};
pub use file_storage::{FileLock, FileStorage};
pub use format::{FORMAT_VERSION, FRAME_HEADER_BYTES, FrameInfo, Hash, JournalId, NotHexadecimal};
pub use format::{RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};
pub use head::Head;
pub use journal::Journal;
pub use onward::{Onward, Place};
pub use open::{Cut, Locked, Opened};
pub use options::{Durability, JournalOptions, UnknownDurability};
pub use reader::Reader;
pub use scan::{Scanned, Tail, scan, scan_from, scan_retired, scan_sealed};
pub use sealed_frame::{SealedFrame, Written};
pub use segment_start::{SegmentStart, read_segment_start};
pub use storage::{LockAttempt, Storage, StorageFile, is_shortage, segment_number};
pub use walk::Visited;
