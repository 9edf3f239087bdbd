//! The writer: makes room, gathers a frame, seals it, answers for it.

use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::error::{BeginError, CommitError, StorageFailure};
use crate::format::{
    FRAME_HEADER_BYTES, FrameInfo, Hash, JournalId, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use crate::head::Head;
use crate::onward::Place;
use crate::open_frame::{OpenFrame, grown};
use crate::options::{Durability, JournalOptions};
use crate::reader::Reader;
use crate::sealed_frame::{InFlight, SealedFrame, Written};
use crate::segment_start::SegmentStart;
use crate::segments::Segments;
use crate::spare::{NoSpare, Spares};
use crate::storage::{SPARE, Storage, StorageFile, is_full, is_shortage, segment_name};

/// The journal's one writer. Holds the directory's lock until dropped.
///
/// For each group of records: [`begin`](Self::begin) makes room, [`push`](Self::push) adds them to
/// a frame in memory, [`commit`](Self::commit) writes it and answers for it. Where the next frame
/// is to be gathered meanwhile, [`seal`](Self::seal) and [`complete`](Self::complete) are the two
/// ends of a commit.
pub struct Journal<S: Storage> {
    pub(crate) segments: Arc<Segments<S>>,
    pub(crate) file: Arc<S::File>,
    /// The oldest segment that was not retired.
    pub(crate) first_segment: u64,
    /// Where the current segment takes up the chain.
    pub(crate) start: SegmentStart,
    /// Where the next frame goes in the segment.
    pub(crate) offset: u64,
    pub(crate) head: Head,
    pub(crate) frame: OpenFrame,
    pub(crate) in_flight: Option<InFlight>,
    /// For the frame after the open one.
    pub(crate) buffer: Vec<u8>,
    pub(crate) options: JournalOptions,
    pub(crate) failed: Option<StorageFailure>,
    // The helper stops before the lock is freed: fields are dropped in this order.
    pub(crate) spares: Spares<S>,
    pub(crate) _lock: S::Lock,
}

impl<S: Storage> fmt::Debug for Journal<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Journal")
            .field("head", &self.head)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl<S: Storage> Journal<S> {
    /// Makes room, before anything is decided, for a frame of at most that many payload bytes in
    /// that many records: moves on to the next segment if the current one has too little left.
    /// Waits for that segment to be prepared for at most 2 s.
    ///
    /// # Errors
    ///
    /// Nothing was written for the frame in any case. [`BeginError::Full`], [`BeginError::Late`] and
    /// [`BeginError::Short`] may be tried again; [`BeginError::Failed`] stays.
    ///
    /// # Panics
    ///
    /// If records were pushed since the last commit, or if a sealed frame is in flight and
    /// [`would_roll`](Self::would_roll).
    pub fn begin(
        &mut self,
        payload_bytes_max: usize,
        records_max: usize,
    ) -> Result<(), BeginError> {
        assert_eq!(
            self.frame.count(),
            0,
            "`commit` comes before the next `begin`"
        );
        if let Some(failure) = &self.failed {
            return Err(BeginError::Failed(failure.clone()));
        }
        let bytes = grown(FRAME_HEADER_BYTES, payload_bytes_max, records_max);
        let bytes_max = self.options.frame_bytes_max;
        if bytes > bytes_max {
            return Err(BeginError::TooLarge { bytes, bytes_max });
        }
        if self.would_roll(payload_bytes_max, records_max) {
            assert!(
                self.in_flight.is_none(),
                "a segment's last frame is written before the next segment begins"
            );
            self.roll()?;
        }
        self.frame.begin();
        Ok(())
    }

    /// Whether the open frame can take that much more, within its segment and `frame_bytes_max`.
    pub fn fits(&self, payload_bytes: usize, records: usize) -> bool {
        self.frame.fits(payload_bytes, records)
    }

    /// The address that the next record will get; to be asked after [`begin`](Self::begin), which
    /// may move on to another segment.
    pub fn next_address(&self) -> Address {
        self.frame.next_address()
    }

    /// Adds one record to the open frame, in memory. `write` appends the payload to the bytes it
    /// is given and touches nothing else in them. Returns the record's address.
    ///
    /// # Panics
    ///
    /// If there was no [`begin`](Self::begin) since the last commit, if the record does not fit
    /// (see [`fits`](Self::fits)), or if `write` takes bytes away.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Address {
        self.frame.push(&self.segments.seal, write)
    }

    /// The payload of a record of the open frame or of the one in flight; `None` if none of their
    /// records is there. The address must be one that [`push`](Self::push) returned.
    pub fn pushed(&self, address: Address) -> Option<&[u8]> {
        let in_flight = || self.in_flight.as_ref()?.pushed(address);
        self.frame.pushed(address).or_else(in_flight)
    }

    /// Records in the open frame.
    pub fn open_frame_records(&self) -> usize {
        self.frame.count() as usize
    }

    /// Length of the open frame in bytes, headers included.
    pub fn open_frame_bytes(&self) -> usize {
        self.frame.bytes().len()
    }

    /// Seals the open frame, writes it with one write, syncs once ([`Durability::Disk`]) and
    /// returns its header. A frame without records is written too.
    ///
    /// `time_ns` is stored as it is given.
    ///
    /// # Errors
    ///
    /// After a failed write or sync it is unknown whether the frame is kept; this and every later
    /// call answers [`CommitError::Failed`], and nothing more is written.
    ///
    /// # Panics
    ///
    /// If a sealed frame is in flight.
    pub fn commit(&mut self, time_ns: u64) -> Result<FrameInfo, CommitError> {
        let written = self.seal(time_ns)?.write();
        self.complete(written)
    }

    /// The first half of [`commit`](Self::commit): the frame is sealed, and another thread may
    /// write it while the next frame is gathered. Only one is in flight at a time: each must be
    /// [`complete`](Self::complete) before the next is sealed, and before
    /// [`begin`](Self::begin) moves on to another segment.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    ///
    /// # Panics
    ///
    /// If a sealed frame is in flight.
    pub fn seal(&mut self, time_ns: u64) -> Result<SealedFrame<S>, CommitError> {
        assert!(self.in_flight.is_none(), "one frame is written at a time");
        if let Some(failure) = &self.failed {
            return Err(CommitError::Failed(failure.clone()));
        }
        let mut info = FrameInfo {
            sequence: self.head.sequence + 1,
            address: self.frame.address(),
            time_ns,
            records_before: self.head.records,
            count: self.frame.count(),
            body_bytes: u32::try_from(self.frame.bytes().len() - FRAME_HEADER_BYTES)
                .expect("frames are below 4 GiB"),
            previous_hash: self.head.hash,
            hash: Hash::default(),
        };
        info.seal(&self.segments.seal, self.frame.bytes_mut());
        let bytes = self.frame.take(std::mem::take(&mut self.buffer));
        let bytes = Arc::new(bytes);
        let sealed = SealedFrame {
            file: Arc::clone(&self.file),
            segment_number: self.start.number,
            offset: self.offset,
            bytes: Arc::clone(&bytes),
            durability: self.options.durability,
        };
        self.offset += info.frame_bytes();
        self.move_frame();
        self.in_flight = Some(InFlight { info, bytes });
        Ok(sealed)
    }

    /// The second half of [`commit`](Self::commit): what became of the frame in flight.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    ///
    /// # Panics
    ///
    /// If no frame is in flight.
    pub fn complete(&mut self, written: Written) -> Result<FrameInfo, CommitError> {
        let InFlight { info, bytes } = self.in_flight.take().expect("a frame is in flight");
        if let Err(failure) = written.result {
            self.failed = Some(failure.clone());
            return Err(CommitError::Failed(failure));
        }
        self.head = Head {
            sequence: info.sequence,
            hash: info.hash,
            records: info.records_before + u64::from(info.count),
        };
        self.buffer = Arc::into_inner(bytes)
            .expect("the thread that wrote the frame let go of it before it reported that");
        Ok(info)
    }

    /// Whether a sealed frame is not complete yet.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether [`begin`](Self::begin) would move on to another segment for such a frame.
    pub fn would_roll(&self, payload_bytes_max: usize, records_max: usize) -> bool {
        let bytes = grown(FRAME_HEADER_BYTES, payload_bytes_max, records_max);
        bytes as u64 > self.segments.segment_bytes - self.offset
    }

    /// A reader of committed records, to be shared with other threads.
    pub fn reader(&self) -> Reader<S> {
        Reader::new(Arc::clone(&self.segments))
    }

    /// The last committed frame's sequence and hash, and the number of records so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The place behind the last committed record, where no frame is in flight.
    ///
    /// # Panics
    ///
    /// If a sealed frame is in flight.
    pub fn end(&self) -> Place {
        assert!(
            self.in_flight.is_none(),
            "a frame in flight is not committed"
        );
        let position = self.start.number * self.segments.segment_bytes + self.offset;
        Place::behind_frame(position, &self.head.hash)
    }

    /// The journal's identity, drawn at its creation.
    pub fn id(&self) -> JournalId {
        self.segments.seal.id
    }

    /// Number of the oldest segment that was not retired.
    pub fn first_segment(&self) -> u64 {
        self.first_segment
    }

    /// Number of segment files, without the one that is prepared ahead.
    pub fn segments(&self) -> u64 {
        self.start.number - self.first_segment + 1
    }

    /// Where the current segment takes up the chain: all segments before it are sealed, and durable.
    pub fn segment_start(&self) -> SegmentStart {
        self.start
    }

    /// The place, for other files that are kept beside the journal's.
    pub fn storage(&self) -> &Arc<S> {
        &self.segments.storage
    }

    /// Size of its segments in bytes, chosen at its creation.
    pub fn segment_bytes(&self) -> u64 {
        self.segments.segment_bytes
    }

    /// What `commit` waits for.
    pub fn durability(&self) -> Durability {
        self.options.durability
    }

    /// The write or sync that failed, if one did: the journal then takes nothing more.
    pub fn failure(&self) -> Option<&StorageFailure> {
        self.failed.as_ref()
    }

    /// Seals the current segment and moves on to the next one.
    fn roll(&mut self) -> Result<(), BeginError> {
        let number = self.start.number + 1;
        let file = match self.spares.take() {
            Ok(file) => file,
            Err(NoSpare::Full) => return Err(BeginError::Full),
            Err(NoSpare::Late) => return Err(BeginError::Late),
            Err(NoSpare::Short(cause)) => return Err(BeginError::Short { cause }),
            Err(NoSpare::Broken(failure)) => {
                self.failed = Some(failure.clone());
                return Err(BeginError::Failed(failure));
            }
        };
        if self.options.durability == Durability::Os {
            // Frames of a sealed segment are on the disk before any frame of the next one can be.
            let name = segment_name(self.start.number);
            self.file
                .sync()
                .map_err(|error| self.begin_fail("sync", &name, &error))?;
        }
        let name = segment_name(number);
        if let Err(error) = self.segments.storage.rename(SPARE, &name) {
            if is_full(&error) {
                self.spares.put_back(file);
                return Err(BeginError::Full);
            }
            if is_shortage(&error) {
                self.spares.put_back(file);
                let cause = error.to_string().into();
                return Err(BeginError::Short { cause });
            }
            return Err(self.begin_fail("rename", SPARE, &error));
        }
        let header = self.header(number).encode();
        let named = self.segments.storage.sync_directory();
        named.map_err(|error| self.begin_fail("sync the name of", &name, &error))?;
        file.write_at(&header, 0)
            .map_err(|error| self.begin_fail("write", &name, &error))?;
        file.sync()
            .map_err(|error| self.begin_fail("sync", &name, &error))?;
        self.file = Arc::new(file);
        self.segments.insert(number, Arc::clone(&self.file));
        self.start = SegmentStart {
            number,
            head: self.head,
            ..self.start
        };
        self.offset = SEGMENT_HEADER_BYTES as u64;
        self.move_frame();
        self.spares.want();
        Ok(())
    }

    fn header(&self, number: u64) -> SegmentHeader {
        SegmentHeader {
            number,
            segment_bytes: self.segments.segment_bytes,
            id: self.segments.seal.id,
            first_sequence: self.head.sequence + 1,
            records_before: self.head.records,
            previous_hash: self.head.hash,
        }
    }

    /// Empties the frame and puts it where the next one goes.
    pub(crate) fn move_frame(&mut self) {
        let start = self.start.number * self.segments.segment_bytes + self.offset;
        let left = self.segments.segment_bytes - self.offset;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        self.frame
            .reset(start, left.min(self.options.frame_bytes_max));
    }

    pub(crate) fn fail(
        &mut self,
        doing: &'static str,
        file: &str,
        cause: &impl ToString,
    ) -> StorageFailure {
        let failure = StorageFailure::new(doing, file, cause);
        self.failed = Some(failure.clone());
        failure
    }

    fn begin_fail(&mut self, doing: &'static str, file: &str, cause: &impl ToString) -> BeginError {
        BeginError::Failed(self.fail(doing, file, cause))
    }
}
