//! A frame between its sealing and its place on the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::StorageFailure;
use crate::format::FrameInfo;
use crate::open_frame::payload_at;
use crate::options::Durability;
use crate::storage::{Storage, StorageFile, segment_name};

/// A frame to be written, by whichever thread: see [`Journal::seal`](crate::Journal::seal).
#[must_use = "the journal waits for what became of it"]
pub struct SealedFrame<S: Storage> {
    pub(crate) file: Arc<S::File>,
    pub(crate) segment_number: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) durability: Durability,
}

/// What became of a [`SealedFrame`]; for [`Journal::complete`](crate::Journal::complete).
#[derive(Debug)]
#[must_use = "the journal waits for it"]
pub struct Written {
    pub(crate) result: Result<(), StorageFailure>,
    started: Instant,
    elapsed: Duration,
}

impl<S: Storage> SealedFrame<S> {
    /// Writes the frame with one write and syncs once ([`Durability::Disk`]).
    pub fn write(self) -> Written {
        let started = Instant::now();
        let mut written = self.file.write_at(&self.bytes, self.offset);
        let mut doing = "write";
        if written.is_ok() && self.durability == Durability::Disk {
            written = self.file.sync();
            doing = "sync";
        }
        let name = || segment_name(self.segment_number);
        Written {
            result: written.map_err(|error| StorageFailure::new(doing, &name(), &error)),
            started,
            elapsed: started.elapsed(),
        }
    }
}

impl<S: Storage> std::fmt::Debug for SealedFrame<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SealedFrame")
            .field("segment_number", &self.segment_number)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Written {
    /// When the write began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// How long the write and the sync took.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// What the journal keeps of a frame that is being written: its records may be asked for.
pub(crate) struct InFlight {
    pub(crate) info: FrameInfo,
    pub(crate) bytes: Arc<Vec<u8>>,
}

impl InFlight {
    pub(crate) fn pushed(&self, address: crate::Address) -> Option<&[u8]> {
        payload_at(&self.bytes, self.info.address.to_u64(), address)
    }
}
