//! What the writer and the readers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use journal::{Reader, Storage, StorageFailure};
use parking_lot::RwLock;
use stdx::Throttle;

use crate::books::Books;
use crate::names::NameOrder;
use crate::published::Published;

/// Published state and how the engine is.
pub(crate) struct Shared<S: Storage> {
    pub(crate) books: Arc<RwLock<Books>>,
    /// Of the accounts of the books, those that were there when somebody last listed accounts.
    pub(crate) names: RwLock<NameOrder>,
    /// How far the journal is published, as the books are.
    pub(crate) published: Published,
    pub(crate) reader: Reader<S>,
    /// Of what is in memory.
    pub(crate) at_hand: Reader<S>,
    status: AtomicU8,
    /// How far the clock is ahead while it is not believed.
    pub(crate) clock_ahead_s: AtomicU64,
    /// How many rounds the writer has brought to an end.
    rounds_count: AtomicU64,
    pub(crate) warnings: Warnings,
}

/// What may be told with every call, and is told once in a while.
pub(crate) struct Warnings {
    /// A record that could not be read.
    pub(crate) damage: Throttle,
    /// Expiries that wait.
    pub(crate) waiting: Throttle,
    /// A frame that had no room.
    pub(crate) no_room: Throttle,
    /// A clock that is not believed.
    pub(crate) clock: Throttle,
}

impl Default for Warnings {
    fn default() -> Self {
        const INTERVAL: Duration = Duration::from_secs(10);
        Self {
            damage: Throttle::new(INTERVAL),
            waiting: Throttle::new(INTERVAL),
            no_room: Throttle::new(INTERVAL),
            clock: Throttle::new(INTERVAL),
        }
    }
}

/// Whether the engine can take writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can.
    Ready,
    /// The next segment cannot be created now, for want of descriptors or memory. Reads go on, and
    /// so do writes once it can.
    Overloaded,
    /// There is no space for the next segment. Reads go on, and so do writes once there is.
    StorageFull,
    /// The clock jumped forward and is not believed. Reads go on, and so do writes once it is right
    /// again, or was accepted at a start.
    ClockJumped,
    /// A write or a sync failed: nothing more is written until a restart. Reads go on.
    StorageFailed,
}

impl Status {
    /// The name as the API and the metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Overloaded => "overloaded",
            Self::StorageFull => "storage_full",
            Self::ClockJumped => "clock_jumped",
            Self::StorageFailed => "storage_failed",
        }
    }

    /// Whether writes go on by themselves once the cause has passed.
    pub(crate) const fn passes(self) -> bool {
        match self {
            Self::Overloaded | Self::StorageFull | Self::ClockJumped => true,
            Self::Ready | Self::StorageFailed => false,
        }
    }
}

impl<S: Storage> Shared<S> {
    pub(crate) fn new(books: Books, published: Published, reader: Reader<S>) -> Self {
        Self {
            names: RwLock::new(NameOrder::of(&books.accounts)),
            books: Arc::new(RwLock::new(books)),
            published,
            at_hand: reader.at_hand(),
            reader,
            status: AtomicU8::new(0),
            clock_ahead_s: AtomicU64::new(0),
            rounds_count: AtomicU64::new(0),
            warnings: Warnings::default(),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            0 => Status::Ready,
            1 => Status::Overloaded,
            2 => Status::StorageFull,
            3 => Status::ClockJumped,
            _ => Status::StorageFailed,
        }
    }

    /// The writer has come to the end of a round: everybody who waited for it is answered.
    pub(crate) fn round_ended(&self) {
        self.rounds_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rounds_count(&self) -> u64 {
        self.rounds_count.load(Ordering::Relaxed)
    }

    /// Nothing is written any more.
    pub(crate) fn fail(&self, failure: &StorageFailure) {
        if self.set_status(Status::StorageFailed) {
            tracing::error!(
                %failure,
                "WRITES STOPPED: a write or a sync failed, and every write is refused from now on; \
                 repair the storage, then restart"
            );
        }
    }

    /// Sets the status; a failed storage stays failed. Whether anything changed.
    pub(crate) fn set_status(&self, status: Status) -> bool {
        let before = self.status();
        if before == status || before == Status::StorageFailed {
            return false;
        }
        self.status.store(status as u8, Ordering::Relaxed);
        true
    }
}
