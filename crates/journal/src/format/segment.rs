//! The segment header: 128 bytes at the start of every segment file.

use super::{FORMAT_VERSION, Hash, JournalId, hash_at, u32_at, u64_at};

/// Length of a segment's header in bytes: the first frame begins here.
pub const SEGMENT_HEADER_BYTES: usize = 128;

/// The first byte never occurs in UTF-8 text.
const SEGMENT_MAGIC: [u8; 8] = [0xF6, b'L', b'A', b'S', b'T', b'R', b'O', 0x0A];

/// Where the checksum lies; it covers all bytes before it.
const CHECKSUM_AT: usize = 96;

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) id: JournalId,
    /// The sequence that its first frame has or will have.
    pub(crate) first_sequence: u64,
    /// Records in all segments before it.
    pub(crate) records_before: u64,
    /// Hash of the last frame before it; zeros where there is none.
    pub(crate) previous_hash: Hash,
}

/// Why bytes are no segment header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// A header of another format version.
    Version(u32),
    /// Torn or damaged.
    Checksum,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.segment_bytes.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.id.0);
        bytes[48..56].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.records_before.to_le_bytes());
        bytes[64..96].copy_from_slice(&self.previous_hash.0);
        let checksum = blake3::hash(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        // Magic, version and checksum keep their places in every version of the format: a header
        // that does not check is torn or damaged, whatever version it claims.
        let checksum = blake3::hash(&bytes[..CHECKSUM_AT]);
        if checksum.as_bytes() != &bytes[CHECKSUM_AT..] || bytes[..8] != SEGMENT_MAGIC {
            return Err(HeaderFault::Checksum);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[32..48]);
        Ok(Self {
            number: u64_at(bytes, 16),
            segment_bytes: u64_at(bytes, 24),
            id: JournalId(id),
            first_sequence: u64_at(bytes, 48),
            records_before: u64_at(bytes, 56),
            previous_hash: hash_at(bytes, 64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            number: 7,
            segment_bytes: 65_536,
            id: JournalId([9; 16]),
            first_sequence: 1000,
            records_before: 123_456,
            previous_hash: Hash([3; 32]),
        }
    }

    #[test]
    fn goes_round() {
        assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                SegmentHeader::decode(&bytes),
                Err(HeaderFault::Checksum),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let checksum = blake3::hash(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Version(2)));
    }

    #[test]
    fn zeros_are_no_header() {
        assert_eq!(SegmentHeader::decode(&[0; 128]), Err(HeaderFault::Checksum));
    }
}
