//! What the writer, the drain and the callers share.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use journal::{Address, ReadError, Reader, Storage};
use ledger::{Command, Unavailable};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::queue::Queue;
use crate::record::{Record, RecordError, decode};
use crate::status::OutboxStatus;

/// Why an operation could not be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Unreadable {
    /// What a call is answered that needed the operation.
    pub(crate) fn unavailable(&self) -> Unavailable {
        match self {
            Self::Read(error) if error.is_shortage() => Unavailable::Overloaded,
            Self::Read(_) | Self::Record(_) => Unavailable::StorageDamaged,
        }
    }
}

/// Shared state.
pub(crate) struct Shared<S: Storage> {
    pub(crate) queue: Mutex<Queue>,
    reader: Reader<S>,
    status: AtomicU8,
    /// Something was queued.
    pub(crate) arrived: Notify,
    /// Something was answered, or the writer has taken the last that was accepted.
    pub(crate) changed: Notify,
    /// Nothing more will be queued.
    pub(crate) is_sealed: AtomicBool,
}

impl<S: Storage> Shared<S> {
    pub(crate) fn new(queue: Queue, reader: Reader<S>) -> Self {
        Self {
            queue: Mutex::new(queue),
            reader,
            status: AtomicU8::new(0),
            arrived: Notify::new(),
            changed: Notify::new(),
            is_sealed: AtomicBool::new(false),
        }
    }

    pub(crate) fn status(&self) -> OutboxStatus {
        match self.status.load(Ordering::Relaxed) {
            0 => OutboxStatus::Ready,
            1 => OutboxStatus::Overloaded,
            2 => OutboxStatus::StorageFull,
            3 => OutboxStatus::StorageFailed,
            _ => OutboxStatus::StorageDamaged,
        }
    }

    /// Sets the status, unless the one in force is final. Whether anything changed.
    pub(crate) fn set_status(&self, status: OutboxStatus) -> bool {
        // Only a restart changes the last two.
        let update = |before: u8| {
            let is_final = before >= OutboxStatus::StorageFailed as u8;
            (!is_final && before != status as u8).then_some(status as u8)
        };
        let order = Ordering::Relaxed;
        self.status.fetch_update(order, order, update).is_ok()
    }

    /// The content of a queued operation.
    pub(crate) fn read(
        &self,
        address: Address,
        buffer: &mut Vec<u8>,
    ) -> Result<Command, Unreadable> {
        self.reader.record(address, buffer)?;
        match decode(buffer)? {
            Record::Operation(command) => Ok(command),
            Record::Applied { .. } => Err(RecordError::Malformed.into()),
        }
    }
}
