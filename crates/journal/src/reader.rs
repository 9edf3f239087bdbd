//! Reading one record back by its address.

use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::error::ReadError;
use crate::format::{RECORD_HEADER_BYTES, RecordAt, SEGMENT_HEADER_BYTES, record_at};
use crate::segments::Segments;
use crate::storage::{Storage, StorageFile, read_full, read_full_by, segment_name};

/// Bytes read at first: most records are shorter, and a page holds it all the same.
const GUESS_BYTES: u64 = 512;

/// Reads committed records, from any thread, while the writer writes. Cheap to clone; lives on
/// after the journal is dropped.
pub struct Reader<S: Storage> {
    segments: Arc<Segments<S>>,
    waits: bool,
}

impl<S: Storage> Clone for Reader<S> {
    fn clone(&self) -> Self {
        Self {
            segments: Arc::clone(&self.segments),
            waits: self.waits,
        }
    }
}

impl<S: Storage> fmt::Debug for Reader<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<S: Storage> Reader<S> {
    pub(crate) fn new(segments: Arc<Segments<S>>) -> Self {
        Self {
            segments,
            waits: true,
        }
    }

    /// A reader of what is in memory: whatever would have to be waited for fails
    /// ([`ReadError::has_to_wait`]).
    #[must_use]
    pub fn at_hand(&self) -> Self {
        Self {
            segments: Arc::clone(&self.segments),
            waits: false,
        }
    }

    /// Whether it waits for what is not in memory.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    pub(crate) fn segments(&self) -> &Segments<S> {
        &self.segments
    }

    /// Puts the payload of the record at `address` into `buffer`, replacing what was there.
    ///
    /// One positioned read of at most 512 bytes, a second one only for a longer record. The
    /// record's checksum covers its address: bytes that belong elsewhere are never returned.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] if no whole record is at this address (none was committed there, or
    /// it changed since); [`ReadError::Io`] if the storage cannot read. `buffer` is then empty.
    pub fn record(&self, address: Address, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let (number, offset) = address.split(self.segments.segment_bytes);
        let read = self.read(address, number, offset, buffer);
        if read.is_err() {
            buffer.clear();
        }
        read
    }

    fn read(
        &self,
        address: Address,
        number: u64,
        offset: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let io = |source| ReadError::Io {
            file: segment_name(number),
            source,
        };
        let damaged = || ReadError::Damaged {
            file: segment_name(number),
            offset,
        };
        let left = self.segments.segment_bytes - offset;
        if offset < SEGMENT_HEADER_BYTES as u64 {
            return Err(damaged());
        }
        let file = if self.waits {
            self.segments.file(number).map_err(io)?
        } else {
            let file = self.segments.open_file(number);
            file.ok_or_else(|| io(std::io::ErrorKind::WouldBlock.into()))?
        };
        let mut wanted = GUESS_BYTES.min(left);
        loop {
            // A segment's size, and so the record's, was checked to be far below the limits.
            buffer.resize(usize::try_from(wanted).map_err(|_| damaged())?, 0);
            let filled = if self.waits {
                read_full(&*file, buffer, offset)
            } else {
                let at_hand = |buffer: &mut [u8], offset| file.read_at_hand(buffer, offset);
                read_full_by(at_hand, buffer, offset)
            };
            let filled = filled.map_err(io)?;
            let needed = match record_at(&self.segments.seal, address, &buffer[..filled]) {
                RecordAt::Whole(payload) => {
                    let end = RECORD_HEADER_BYTES + payload.len();
                    buffer.truncate(end);
                    buffer.drain(..RECORD_HEADER_BYTES);
                    return Ok(());
                }
                RecordAt::Bad => return Err(damaged()),
                RecordAt::Longer(needed) => needed as u64,
            };
            // A length that passes the segment, or a file that ends early, is no record.
            if needed > left || filled as u64 != wanted || needed <= wanted {
                return Err(damaged());
            }
            wanted = needed;
        }
    }
}
