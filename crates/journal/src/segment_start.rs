//! Where a segment takes up the chain.

use std::io;

use crate::format::{JournalId, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::head::Head;
use crate::storage::{Storage, read_full, segment_name};

/// What a segment's header says of everything before it. A program that has kept it can tell
/// later whether the journal still is the one it was at that point: the head stands for every byte
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStart {
    /// The segment's number, from 0.
    pub number: u64,
    /// The journal's identity.
    pub id: JournalId,
    /// Size of its segments in bytes.
    pub segment_bytes: u64,
    /// The end of the chain before this segment.
    pub head: Head,
}

impl SegmentStart {
    pub(crate) fn of(header: &SegmentHeader) -> Option<Self> {
        Some(Self {
            number: header.number,
            id: header.id,
            segment_bytes: header.segment_bytes,
            head: Head {
                sequence: header.first_sequence.checked_sub(1)?,
                hash: header.previous_hash,
                records: header.records_before,
            },
        })
    }
}

/// What the header of this segment says; `None` if there is no such file, or no whole header of
/// this segment in it. Takes no lock.
///
/// # Errors
///
/// When the storage cannot open or read a file that is there.
pub fn read_segment_start<S: Storage>(
    storage: &S,
    number: u64,
) -> io::Result<Option<SegmentStart>> {
    let file = match storage.open_read_only(&segment_name(number)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    if read_full(&file, &mut bytes, 0)? < bytes.len() {
        return Ok(None);
    }
    let header = SegmentHeader::decode(&bytes).ok();
    Ok(header
        .filter(|header| header.number == number)
        .and_then(|header| SegmentStart::of(&header)))
}
