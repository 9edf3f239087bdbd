//! Reading forward from a place: every record behind it, in order, up to an end that is committed.
//!
//! A [`Place`] points right behind a record and names the frame that it is in or behind, by the beginning of that frame's
//! hash. What follows has to match: within a frame the next record's checksum, behind it the next frame or segment,
//! whose header repeats the hash. So a place that this journal never gave is found out with one small read, one of
//! another copy of the journal that went on differently too, no reading begins at a segment's beginning to find it, and
//! no frame is passed over.
//!
//! Memory holds [`PIECE_BYTES`] of the journal at a time, or one record where that is longer.

use std::sync::Arc;

use crate::address::Address;
use crate::error::ReadError;
use crate::format::{
    FRAME_HEADER_BYTES, FrameInfo, Hash, RECORD_HEADER_BYTES, RecordAt, SEGMENT_HEADER_BYTES,
    SegmentHeader, record_at,
};
use crate::reader::Reader;
use crate::segments::Segments;
use crate::storage::{Storage, StorageFile, read_full, read_full_by, segment_name};

/// Bytes read at once.
const PIECE_BYTES: u64 = 64 << 10;

/// A place between two records of a journal, or at its beginning or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The global byte position that is read next.
    position: u64,
    /// How many records of the frame are left there; 0 between frames.
    left: u32,
    /// The beginning of the hash of the frame that it is in or behind; 0 before the first.
    frame: u32,
    /// The next record's checksum; 0 between frames.
    record: u32,
}

impl Place {
    /// Length of a place as bytes.
    pub const BYTES: usize = 24;

    /// Before the first record of any journal.
    pub const BEGINNING: Self = Self {
        position: SEGMENT_HEADER_BYTES as u64,
        left: 0,
        frame: 0,
        record: 0,
    };

    /// The place at the end of a frame.
    pub(crate) fn behind_frame(position: u64, hash: &Hash) -> Self {
        Self {
            position,
            left: 0,
            frame: beginning_of(hash),
            record: 0,
        }
    }
}

impl FrameInfo {
    /// The place behind the frame's last record.
    #[must_use]
    pub fn end(&self) -> Place {
        Place::behind_frame(self.address.to_u64() + self.frame_bytes(), &self.hash)
    }
}

fn beginning_of(hash: &Hash) -> u32 {
    let [first, second, third, fourth, ..] = hash.0;
    u32::from_le_bytes([first, second, third, fourth])
}

impl<S: Storage> Reader<S> {
    /// The place as bytes, which are of this journal alone; [`Reader::place_of`] gives it back.
    #[must_use]
    pub fn place_to_bytes(&self, place: Place) -> [u8; Place::BYTES] {
        let mut bytes = [0; Place::BYTES];
        let (content, checksum) = bytes.split_at_mut(20);
        content[..8].copy_from_slice(&place.position.to_le_bytes());
        content[8..12].copy_from_slice(&place.left.to_le_bytes());
        content[12..16].copy_from_slice(&place.frame.to_le_bytes());
        content[16..].copy_from_slice(&place.record.to_le_bytes());
        checksum.copy_from_slice(&self.segments().seal.crc(content).to_le_bytes());
        bytes
    }

    /// The place of these bytes; `None` where they were not made for this journal.
    #[must_use]
    pub fn place_of(&self, bytes: &[u8; Place::BYTES]) -> Option<Place> {
        let (content, checksum) = bytes.split_at(20);
        if self.segments().seal.crc(content).to_le_bytes() != *checksum {
            return None;
        }
        let (position, rest) = content.split_first_chunk()?;
        let (left, rest) = rest.split_first_chunk()?;
        let (frame, rest) = rest.split_first_chunk()?;
        let (record, _) = rest.split_first_chunk()?;
        Some(Place {
            position: u64::from_le_bytes(*position),
            left: u32::from_le_bytes(*left),
            frame: u32::from_le_bytes(*frame),
            record: u32::from_le_bytes(*record),
        })
    }

    /// Begins to read forward from a place, up to `end`, which must be the end of a committed frame. `None`
    /// where the place does not belong to this journal, or is behind the end.
    ///
    /// # Errors
    ///
    /// When the storage cannot read.
    pub fn onward(&self, from: Place, end: Place) -> Result<Option<Onward<'_, S>>, ReadError> {
        let mut onward = Onward {
            segments: self.segments(),
            waits: self.waits(),
            place: from,
            end,
            piece: None,
        };
        if from.position > end.position || !onward.is_behind_header(from) {
            return Ok(None);
        }
        let is_here = match onward.is_here() {
            // Whatever lies there was never behind a record.
            Err(ReadError::Damaged { .. }) => false,
            read => read?,
        };
        Ok(is_here.then_some(onward))
    }
}

/// A reading in progress.
pub struct Onward<'a, S: Storage> {
    segments: &'a Segments<S>,
    waits: bool,
    place: Place,
    end: Place,
    piece: Option<Piece<S::File>>,
}

/// A part of a segment in memory.
struct Piece<F> {
    file: Arc<F>,
    segment: u64,
    /// Where it begins in the segment.
    start: u64,
    bytes: Vec<u8>,
}

/// What is between two frames.
enum Between {
    Frame(FrameInfo),
    /// The rest of the segment is empty: this one goes on.
    Segment(SegmentHeader),
}

impl Between {
    const fn previous_hash(&self) -> &Hash {
        match self {
            Self::Frame(info) => &info.previous_hash,
            Self::Segment(header) => &header.previous_hash,
        }
    }
}

impl<S: Storage> Onward<'_, S> {
    /// Where the reading has come to.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Hands the next record's address and payload to `read`; answers with what that made of it and the place
    /// behind the record. `None` at the end.
    ///
    /// # Errors
    ///
    /// When the storage cannot read, or the journal is damaged here.
    pub fn next<T>(
        &mut self,
        read: impl FnOnce(Address, &[u8]) -> T,
    ) -> Result<Option<(T, Place)>, ReadError> {
        let mut place = self.place;
        while place.left == 0 {
            if place.position == self.end.position {
                return Ok(None);
            }
            let between = self.between(place.position)?;
            if beginning_of(between.previous_hash()) != place.frame {
                let (number, offset) = self.split(place.position);
                return Err(damaged(number, offset));
            }
            match between {
                Between::Frame(info) => {
                    place.position += FRAME_HEADER_BYTES as u64;
                    place.left = info.count;
                    place.frame = beginning_of(&info.hash);
                }
                Between::Segment(header) => {
                    let start = header.number * self.segments.segment_bytes;
                    place.position = start + SEGMENT_HEADER_BYTES as u64;
                }
            }
        }
        let (number, offset) = self.split(place.position);
        let payload = self.record(number, offset, Address::at(place.position))?;
        let length = (RECORD_HEADER_BYTES + payload.len()) as u64;
        let made = read(Address::at(place.position), payload);
        place.position += length;
        place.left -= 1;
        place.record = match place.left {
            0 => 0,
            _ => self.record_checksum(place.position)?,
        };
        self.place = place;
        Ok(Some((made, place)))
    }

    /// Whether what follows the place is what followed it when it was given.
    fn is_here(&mut self) -> Result<bool, ReadError> {
        let place = self.place;
        Ok(match place.left {
            0 if place.position == self.end.position => place == self.end,
            0 => beginning_of(self.between(place.position)?.previous_hash()) == place.frame,
            _ => self.record_checksum(place.position)? == place.record,
        })
    }

    fn record_checksum(&mut self, position: u64) -> Result<u32, ReadError> {
        let (number, offset) = self.split(position);
        let header = self.bytes(number, offset, RECORD_HEADER_BYTES as u64)?;
        let checksum = header.first_chunk().copied().map(u32::from_le_bytes);
        checksum.ok_or_else(|| damaged(number, offset))
    }

    /// What comes at a place between frames that is before the end.
    fn between(&mut self, position: u64) -> Result<Between, ReadError> {
        let (number, offset) = self.split(position);
        if offset == 0 {
            // The last frame has filled its segment.
            return self.segment_begun(number).map(Between::Segment);
        }
        let (segments, end) = (self.segments, self.end.position);
        let left = (segments.segment_bytes - offset).min(FRAME_HEADER_BYTES as u64);
        let bytes = self.bytes(number, offset, left)?;
        if let Some(info) = FrameInfo::decode(&segments.seal, bytes) {
            let frame_end = position.saturating_add(info.frame_bytes());
            let is_here = info.address.to_u64() == position && frame_end <= end;
            return is_here
                .then_some(Between::Frame(info))
                .ok_or_else(|| damaged(number, offset));
        }
        let is_empty = bytes.iter().all(|byte| *byte == 0);
        let next = (number + 1).saturating_mul(segments.segment_bytes);
        if !is_empty || next >= end {
            return Err(damaged(number, offset));
        }
        self.segment_begun(number + 1).map(Between::Segment)
    }

    fn segment_begun(&mut self, number: u64) -> Result<SegmentHeader, ReadError> {
        let id = self.segments.seal.id;
        let bytes = self.bytes(number, 0, SEGMENT_HEADER_BYTES as u64)?;
        match bytes.first_chunk().map(SegmentHeader::decode) {
            Some(Ok(header)) if header.number == number && header.id == id => Ok(header),
            Some(Ok(_) | Err(_)) | None => Err(damaged(number, 0)),
        }
    }

    /// The payload of the record here.
    fn record(&mut self, number: u64, offset: u64, address: Address) -> Result<&[u8], ReadError> {
        let seal = &self.segments.seal;
        let mut wanted = RECORD_HEADER_BYTES as u64;
        let header = self.bytes(number, offset, wanted)?;
        if let RecordAt::Longer(needed) = record_at(seal, address, header) {
            wanted = needed as u64;
        }
        match record_at(seal, address, self.bytes(number, offset, wanted)?) {
            RecordAt::Whole(payload) => Ok(payload),
            RecordAt::Longer(_) | RecordAt::Bad => Err(damaged(number, offset)),
        }
    }

    /// So many bytes of a segment. What passes its end, or the end of what is committed, is damaged.
    fn bytes(&mut self, number: u64, offset: u64, length: u64) -> Result<&[u8], ReadError> {
        let segment_bytes = self.segments.segment_bytes;
        let committed = self
            .end
            .position
            .saturating_sub(number.saturating_mul(segment_bytes));
        let readable = segment_bytes.min(committed).saturating_sub(offset);
        if readable < length {
            return Err(damaged(number, offset));
        }
        let has_it = self.piece.as_ref().is_some_and(|piece| {
            let end = piece.start + piece.bytes.len() as u64;
            piece.segment == number && piece.start <= offset && offset + length <= end
        });
        if !has_it {
            self.load(number, offset, length, readable)?;
        }
        let piece = self.piece.as_ref();
        let bytes = piece.and_then(|piece| {
            let start = usize::try_from(offset - piece.start).ok()?;
            let length = usize::try_from(length).ok()?;
            piece.bytes.get(start..start.checked_add(length)?)
        });
        bytes.ok_or_else(|| damaged(number, offset))
    }

    fn load(
        &mut self,
        number: u64,
        offset: u64,
        length: u64,
        readable: u64,
    ) -> Result<(), ReadError> {
        let io = |source| ReadError::Io {
            file: segment_name(number),
            source,
        };
        let (file, mut bytes) = match self.piece.take() {
            Some(piece) if piece.segment == number => (piece.file, piece.bytes),
            before => {
                let file = if self.waits {
                    self.segments.file(number).map_err(io)?
                } else {
                    let file = self.segments.open_file(number);
                    file.ok_or_else(|| io(std::io::ErrorKind::WouldBlock.into()))?
                };
                (file, before.map_or_else(Vec::new, |piece| piece.bytes))
            }
        };
        let wanted = length.max(PIECE_BYTES).min(readable);
        bytes.resize(
            usize::try_from(wanted).map_err(|_| damaged(number, offset))?,
            0,
        );
        let filled = if self.waits {
            read_full(&*file, &mut bytes, offset)
        } else {
            let at_hand = |buffer: &mut [u8], offset| file.read_at_hand(buffer, offset);
            read_full_by(at_hand, &mut bytes, offset)
        };
        bytes.truncate(filled.map_err(io)?);
        self.piece = Some(Piece {
            file,
            segment: number,
            start: offset,
            bytes,
        });
        Ok(())
    }

    /// Whether it lies where records and frames do: behind a segment's header, or right at its end.
    fn is_behind_header(&self, place: Place) -> bool {
        let (number, offset) = self.split(place.position);
        offset >= SEGMENT_HEADER_BYTES as u64 || (offset == 0 && number > 0 && place.left == 0)
    }

    fn split(&self, position: u64) -> (u64, u64) {
        let segment_bytes = self.segments.segment_bytes;
        (position / segment_bytes, position % segment_bytes)
    }
}

fn damaged(number: u64, offset: u64) -> ReadError {
    ReadError::Damaged {
        file: segment_name(number),
        offset,
    }
}
