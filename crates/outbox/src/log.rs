//! The outbox's journal: operations and marks, and removing what is not needed any more.
//!
//! Records are numbered through the whole journal. A mark says before which number everything is
//! applied. Segments are removed only behind the segment of a durable mark, and only those that the
//! mark covers: so what is there always says that what is not there was applied.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use journal::{
    Address, BeginError, CommitError, Journal, Opened, Reader, RetireError, Storage,
    StorageFailure, Visited,
};
use ledger::{Timestamp, TransferId};

use crate::operation;
use crate::options::{OptionsInvalid, OutboxOptions, reserve_bytes};
use crate::record::{MARK_BYTES, Record, RecordError, decode, of_mark};

#[cfg(test)]
mod tests;

/// So many repetitions after a crash are worth a frame.
const MARKED_OPERATIONS: u64 = 1_000;

/// Why the outbox could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OutboxOpenError {
    /// The directory could not be made or opened.
    #[error("cannot open the directory")]
    Directory(#[source] std::io::Error),
    /// The journal could not be opened.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<ReplayError>),
    /// The quota does not suit the outbox.
    #[error(transparent)]
    OutboxOptions(#[from] OptionsInvalid),
    /// Segments are missing whose operations are not known to be applied.
    #[error(
        "operations are missing: the oldest segment begins with record {first}, and only those \
         before record {applied_before} are known to be applied; restore the older segments from \
         a copy of the folder"
    )]
    Missing {
        /// The number of the first record there is.
        first: u64,
        /// What the newest mark says.
        applied_before: u64,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the thread of the outbox")]
    Thread(#[source] std::io::Error),
}

/// A whole record that could not be taken in.
#[derive(Debug, thiserror::Error)]
#[error("{cause}, at journal address {address}: this build of Lastro cannot read this outbox")]
pub struct ReplayError {
    /// Where the record is.
    pub address: u64,
    /// What is wrong with it.
    pub cause: RecordError,
}

/// What was found at the opening.
#[derive(Debug, Clone)]
pub struct OutboxRecovery {
    /// What the journal says of itself.
    pub journal: Opened,
    /// How many operations are queued.
    pub operations_count: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// Where an accepted operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: TransferId,
    pub(crate) address: Address,
    pub(crate) number: u64,
    pub(crate) accepted: Timestamp,
}

/// What is not known to be applied, in the order it was accepted.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) operations: VecDeque<Stored>,
    pub(crate) applied_before: u64,
    /// The number of the first record there is.
    first: Option<u64>,
    last_number: u64,
}

impl Replayed {
    /// Takes the next record in.
    pub(crate) fn visit(&mut self, visited: Visited<'_>) -> Result<(), ReplayError> {
        let address = visited.address;
        let replay_error = |cause| ReplayError {
            address: address.to_u64(),
            cause,
        };
        let number = visited.frame.records_before + u64::from(visited.index_in_frame);
        self.first.get_or_insert(number);
        self.last_number = number;
        match decode(visited.payload).map_err(replay_error)? {
            Record::Operation(command) => {
                let id =
                    operation::id(&command).ok_or_else(|| replay_error(RecordError::Malformed))?;
                self.operations.push_back(Stored {
                    id,
                    address,
                    number,
                    accepted: Timestamp::from_nanos(visited.frame.time_ns),
                });
            }
            Record::Applied { before } => {
                self.applied_before = self.applied_before.max(before);
                let is_applied = |stored: &Stored| stored.number < before;
                while self.operations.front().is_some_and(is_applied) {
                    self.operations.pop_front();
                }
            }
        }
        Ok(())
    }

    /// Whether all that is not there is known to be applied. `records` is how many there ever were.
    pub(crate) fn check(&self, records: u64) -> Result<(), OutboxOpenError> {
        let first = self.first.unwrap_or(records);
        if first > self.applied_before {
            return Err(OutboxOpenError::Missing {
                first,
                applied_before: self.applied_before,
            });
        }
        Ok(())
    }
}

/// Why there is no room for an operation now.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// The quota is used up.
    Quota,
    /// The disk is full.
    Full,
    /// The next segment is not ready yet.
    Late,
    /// There is no descriptor or memory for the next segment.
    Short,
    /// A write or a sync failed, now or before.
    Failed(StorageFailure),
}

/// A mark that was written in the open frame, and what it makes needless once it is durable.
#[derive(Debug, Clone, Copy)]
struct Mark {
    before: u64,
    retire_before: Address,
}

/// The outbox's journal, as its one writer has it.
pub(crate) struct Log<S: Storage> {
    journal: Journal<S>,
    bytes_max: u64,
    /// What the newest durable mark says.
    marked_before: u64,
    mark: Option<Mark>,
    /// Whether the open frame may take records.
    is_begun: bool,
}

impl<S: Storage> Log<S> {
    pub(crate) fn open(
        storage: S,
        options: &OutboxOptions,
    ) -> Result<(Self, Replayed, OutboxRecovery), OutboxOpenError> {
        let started = Instant::now();
        options.check(options.segment_bytes)?;
        let mut replayed = Replayed::default();
        let visit = |visited: Visited<'_>| replayed.visit(visited);
        let (journal, opened) = Journal::open(storage, options.journal(), visit)?;
        options.check(opened.segment_bytes)?;
        replayed.check(opened.head.records)?;
        let recovery = OutboxRecovery {
            journal: opened,
            operations_count: replayed.operations.len(),
            elapsed: started.elapsed(),
        };
        let log = Self {
            journal,
            bytes_max: options.bytes_max,
            marked_before: replayed.applied_before,
            mark: None,
            is_begun: false,
        };
        Ok((log, replayed, recovery))
    }

    pub(crate) fn reader(&self) -> Reader<S> {
        self.journal.reader()
    }

    /// What it takes on the disk, the segment that is prepared ahead included.
    pub(crate) fn bytes(&self) -> u64 {
        (self.journal.segments() + 1) * self.journal.segment_bytes()
    }

    /// What the newest durable mark says.
    pub(crate) const fn marked_before(&self) -> u64 {
        self.marked_before
    }

    /// Whether the open frame has records.
    pub(crate) fn has_open_frame(&self) -> bool {
        self.is_begun && self.journal.open_frame_records() > 0
    }

    pub(crate) fn open_frame_bytes(&self) -> usize {
        self.journal.open_frame_bytes()
    }

    /// Whether an operation's record fits behind those of the open frame, and a mark too.
    pub(crate) fn fits(&self, record_bytes: usize) -> bool {
        self.is_begun && self.journal.fits(record_bytes + self.reserve(), 2)
    }

    /// Makes room for an operation's record in a new frame, within the quota.
    pub(crate) fn begin(&mut self, record_bytes: usize) -> Result<(), NoRoom> {
        let payload_bytes = record_bytes + self.reserve();
        let would_roll = !self.journal.fits(payload_bytes, 2);
        // The segment it would roll to, and one more for marks.
        if would_roll && self.bytes() + 2 * self.journal.segment_bytes() > self.bytes_max {
            return Err(NoRoom::Quota);
        }
        self.begin_any(payload_bytes, 2)
    }

    /// Adds a record to the open frame; answers with its address and number.
    pub(crate) fn push(&mut self, record: &[u8]) -> (Address, u64) {
        let number = self.next_number();
        let address = self.journal.push(|frame| frame.extend_from_slice(record));
        (address, number)
    }

    /// The bytes of a record of the open frame.
    pub(crate) fn pushed(&self, address: Address) -> Option<&[u8]> {
        self.journal.pushed(address)
    }

    /// Whether a mark is worth a frame of its own: it frees a segment, saves many repetitions, or
    /// is the last that is due. So marks stay few beside what they cover, however slow the ledger.
    pub(crate) fn is_mark_due(&self, applied_before: u64, oldest: Option<&Stored>) -> bool {
        let applied_count = applied_before.saturating_sub(self.marked_before);
        let segment = |stored: &Stored| stored.address.to_u64() / self.journal.segment_bytes();
        let frees = |oldest| segment(oldest) > self.journal.first_segment();
        applied_count > 0 && (oldest.is_none_or(frees) || applied_count >= MARKED_OPERATIONS)
    }

    /// Makes room for a mark alone: beyond the quota and up to the last byte of a segment, since
    /// marks are what frees space.
    pub(crate) fn begin_mark(&mut self) -> Result<(), NoRoom> {
        self.begin_any(MARK_BYTES, 1)
    }

    /// Adds a mark to the open frame: everything before `oldest` is applied, or everything there
    /// is where none is given.
    pub(crate) fn push_mark(&mut self, oldest: Option<&Stored>) {
        let before = oldest.map_or(self.next_number(), |oldest| oldest.number);
        let (address, _) = self.push(&of_mark(before));
        let retire_before = oldest.map_or(address, |oldest| oldest.address.min(address));
        self.mark = Some(Mark {
            before,
            retire_before,
        });
    }

    /// Writes the open frame and syncs it.
    pub(crate) fn commit(&mut self, now: Timestamp) -> Result<(), CommitError> {
        self.is_begun = false;
        let mark = self.mark.take();
        self.journal.commit(now.as_nanos())?;
        if let Some(mark) = mark {
            self.marked_before = mark.before;
            self.retire(mark.retire_before);
        }
        Ok(())
    }

    /// Removes what the mark just committed makes needless. What cannot be removed now is tried
    /// again after the next mark; a failed sync shows when room is made next.
    fn retire(&mut self, before: Address) {
        match self.journal.retire_before(before) {
            Ok(()) | Err(RetireError::Failed(_)) => {}
            Err(error @ RetireError::Io { .. }) => {
                tracing::warn!(%error, "cannot remove applied operations, the disk space stays in use: {error}");
            }
        }
    }

    fn begin_any(&mut self, payload_bytes: usize, records: usize) -> Result<(), NoRoom> {
        self.is_begun = false;
        if let Some(failure) = self.journal.failure() {
            // What was being written then is still in the frame.
            return Err(NoRoom::Failed(failure.clone()));
        }
        self.journal
            .begin(payload_bytes, records)
            .map_err(|error| match error {
                BeginError::Full => NoRoom::Full,
                BeginError::Late => NoRoom::Late,
                BeginError::Short { .. } => NoRoom::Short,
                BeginError::Failed(failure) => NoRoom::Failed(failure),
                BeginError::TooLarge { bytes, bytes_max } => {
                    unreachable!("a record is far below a frame's {bytes_max} bytes: {bytes}")
                }
            })?;
        self.is_begun = true;
        Ok(())
    }

    fn next_number(&self) -> u64 {
        self.journal.head().records + self.journal.open_frame_records() as u64
    }

    fn reserve(&self) -> usize {
        reserve_bytes(self.journal.segment_bytes())
    }
}
