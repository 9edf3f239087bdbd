//! One segment of the walk: its header, against its file and against the chain so far.

use std::io;

use super::frames::Segment;
use super::{Ending, Walked};
use crate::error::OpenError;
use crate::format::{
    FORMAT_VERSION, HeaderFault, JournalId, SEGMENT_HEADER_BYTES, Seal, SegmentHeader,
};
use crate::head::Head;
use crate::storage::{StorageFile, read_full, segment_name};
use crate::tail;

impl<F: StorageFile> Segment<'_, F> {
    /// The segment's header, checked against the walk so far; `None` if the segment is the last
    /// and its header was never durable.
    pub(super) fn header<E>(
        &self,
        walked: &mut Walked,
    ) -> Result<Option<SegmentHeader>, OpenError<E>> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let filled = read_full(self.file, &mut bytes, 0).map_err(self.io("read"))?;
        let size = self.file.size().map_err(self.io("read"))?;
        if filled < bytes.len() {
            return Err(self.damaged(filled as u64, "the file ends before its header does"));
        }
        let mut decoded = SegmentHeader::decode(&bytes);
        if decoded.is_err() && self.last {
            if self.is_zero_after_header().map_err(self.io("read"))? {
                return self.no_header(&bytes, size, walked);
            }
            // A live writer may have written the header, and more, after it was read.
            read_full(self.file, &mut bytes, 0).map_err(self.io("read"))?;
            decoded = SegmentHeader::decode(&bytes);
        }
        let header = match decoded {
            Ok(header) => header,
            Err(HeaderFault::Version(found)) => {
                let file = self.name.to_owned();
                return Err(OpenError::Version {
                    file,
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            Err(HeaderFault::Checksum) => {
                return Err(self.damaged(0, "the segment's header does not check"));
            }
        };
        if header.number != self.number {
            let what = format!("its header says that it is segment {}", header.number);
            return Err(self.damaged(16, what));
        }
        self.check_size(size, header.segment_bytes, walked)?;
        self.check_chain(&header, walked)?;
        Ok(Some(header))
    }

    /// A header that does not check, with nothing after it: it was never durable.
    fn no_header<E>(
        &self,
        bytes: &[u8; SEGMENT_HEADER_BYTES],
        size: u64,
        walked: &mut Walked,
    ) -> Result<Option<SegmentHeader>, OpenError<E>> {
        if let Err(HeaderFault::Version(found)) = SegmentHeader::decode(bytes) {
            let file = self.name.to_owned();
            return Err(OpenError::Version {
                file,
                found,
                supported: FORMAT_VERSION,
            });
        }
        if walked.seal.is_some() {
            self.check_size(size, walked.segment_bytes, walked)?;
        } else if self.number > 0 {
            // Older segments are retired only once a frame lies in a later one.
            return Err(self.damaged(0, "the oldest segment has no header"));
        }
        let torn = tail::last_non_zero(bytes).map_or(0, |index| index as u64 + 1);
        walked.ending = Ending::NoHeader(torn);
        Ok(None)
    }

    fn is_zero_after_header(&self) -> io::Result<bool> {
        // Any identity serves: only the zeros are asked for.
        let seal = Seal::new(JournalId([0; 16]));
        let from = SEGMENT_HEADER_BYTES as u64;
        Ok(tail::search(self.file, &seal, from, u64::MAX)?
            .content_end
            .is_none())
    }

    fn check_size<E>(
        &self,
        size: u64,
        segment_bytes: u64,
        walked: &Walked,
    ) -> Result<(), OpenError<E>> {
        if walked.seal.is_some() && segment_bytes != walked.segment_bytes {
            let first = walked.segment_bytes;
            let what = format!("its segment size is {segment_bytes}, the journal's is {first}");
            return Err(self.damaged(24, what));
        }
        if size != segment_bytes {
            let what = format!("the file has {size} bytes, a segment has {segment_bytes}");
            return Err(self.damaged(size.min(segment_bytes), what));
        }
        Ok(())
    }

    fn begin_chain<E>(
        &self,
        header: &SegmentHeader,
        walked: &mut Walked,
    ) -> Result<(), OpenError<E>> {
        let Some(sequence) = header.first_sequence.checked_sub(1) else {
            return Err(self.damaged(48, "it begins with frame 0, and no frame has that number"));
        };
        walked.head = Head {
            sequence,
            hash: header.previous_hash,
            records: header.records_before,
        };
        Ok(())
    }

    fn check_chain<E>(
        &self,
        header: &SegmentHeader,
        walked: &mut Walked,
    ) -> Result<(), OpenError<E>> {
        if walked
            .seal
            .as_ref()
            .is_some_and(|seal| seal.id != header.id)
        {
            let what = format!("it belongs to another journal, {}", header.id);
            return Err(self.damaged(32, what));
        }
        if walked.seal.is_none() && self.number > 0 {
            // The oldest one there is, where those before it were retired: it says where the
            // chain goes on.
            return self.begin_chain(header, walked);
        }
        let head = &walked.head;
        let next = head.sequence + 1;
        if header.first_sequence > next && self.number > 0 {
            let what = format!(
                "frames {next} to {} are missing: the next segment begins after them",
                header.first_sequence - 1
            );
            let before = segment_name(self.number - 1);
            return Err(OpenError::damaged(&before, walked.offset, what));
        }
        if header.first_sequence != next {
            let what = format!("it begins with frame {}, not {next}", header.first_sequence);
            return Err(self.damaged(48, what));
        }
        if header.previous_hash != head.hash || header.records_before != head.records {
            return Err(self.damaged(56, "it does not continue the segment before it"));
        }
        Ok(())
    }
}
