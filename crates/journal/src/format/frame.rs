//! The frame header: 120 bytes before a frame's records.

use super::{Hash, Seal, hash_at, u32_at, u64_at};
use crate::address::Address;

/// Length of a frame's header in bytes.
pub const FRAME_HEADER_BYTES: usize = 120;

/// The first byte never occurs in UTF-8 text.
pub(crate) const FRAME_MAGIC: [u8; 8] = [0xF5, b'L', b'F', b'R', b'A', b'M', b'E', 0x0A];

const CRC_AT: usize = 80;
const HASH_AT: usize = 88;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// 1 for the journal's first frame, then without gaps.
    pub sequence: u64,
    /// Where the frame begins.
    pub address: Address,
    /// The time that `commit` was given, in nanoseconds.
    pub time_ns: u64,
    /// Records in all frames before this one.
    pub records_before: u64,
    /// Records in this frame.
    pub count: u32,
    /// Length of the frame's records with their headers, in bytes; without the frame's own header.
    pub body_bytes: u32,
    /// Hash of the frame before this one; zeros for the first.
    pub previous_hash: Hash,
    /// This frame's own hash, over its header (the hash before it included) and its records.
    pub hash: Hash,
}

impl FrameInfo {
    /// Length of the whole frame in bytes.
    pub fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }

    /// Fills in the header of `frame` (header and body) and its hash.
    pub(crate) fn seal(&mut self, seal: &Seal, frame: &mut [u8]) {
        frame[..8].copy_from_slice(&FRAME_MAGIC);
        frame[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        frame[16..24].copy_from_slice(&self.address.to_u64().to_le_bytes());
        frame[24..32].copy_from_slice(&self.time_ns.to_le_bytes());
        frame[32..40].copy_from_slice(&self.records_before.to_le_bytes());
        frame[40..44].copy_from_slice(&self.count.to_le_bytes());
        frame[44..48].copy_from_slice(&self.body_bytes.to_le_bytes());
        frame[48..80].copy_from_slice(&self.previous_hash.0);
        let crc = seal.crc(&frame[..CRC_AT]);
        frame[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        frame[CRC_AT + 4..HASH_AT].fill(0);
        self.hash = hash_of(seal, frame);
        frame[HASH_AT..FRAME_HEADER_BYTES].copy_from_slice(&self.hash.0);
    }

    /// Reads a header; `None` unless the magic and the header's checksum match. The body is not
    /// looked at: see [`frame_is_whole`].
    pub(crate) fn decode(seal: &Seal, header: &[u8]) -> Option<Self> {
        let whole = header.len() >= FRAME_HEADER_BYTES
            && header[..8] == FRAME_MAGIC
            && u32_at(header, CRC_AT) == seal.crc(&header[..CRC_AT]);
        if !whole {
            return None;
        }
        Some(Self {
            sequence: u64_at(header, 8),
            address: Address::from_u64(u64_at(header, 16))?,
            time_ns: u64_at(header, 24),
            records_before: u64_at(header, 32),
            count: u32_at(header, 40),
            body_bytes: u32_at(header, 44),
            previous_hash: hash_at(header, 48),
            hash: hash_at(header, HASH_AT),
        })
    }
}

/// Whether the hash in the frame's header is that of its header and body.
pub(crate) fn frame_is_whole(seal: &Seal, frame: &[u8]) -> bool {
    hash_at(frame, HASH_AT) == hash_of(seal, frame)
}

fn hash_of(seal: &Seal, frame: &[u8]) -> Hash {
    let mut hasher = seal.hasher();
    hasher.update(&frame[..HASH_AT]);
    hasher.update(&frame[FRAME_HEADER_BYTES..]);
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::JournalId;
    use super::*;

    fn sealed() -> (Seal, FrameInfo, Vec<u8>) {
        let seal = Seal::new(JournalId([5; 16]));
        let mut frame = vec![0xAB; FRAME_HEADER_BYTES + 50];
        let mut info = FrameInfo {
            sequence: 3,
            address: Address::at(4096),
            time_ns: 77,
            records_before: 12,
            count: 1,
            body_bytes: 50,
            previous_hash: Hash([1; 32]),
            hash: Hash::default(),
        };
        info.seal(&seal, &mut frame);
        (seal, info, frame)
    }

    #[test]
    fn goes_round() {
        let (seal, info, frame) = sealed();
        assert_eq!(FrameInfo::decode(&seal, &frame), Some(info));
        assert!(frame_is_whole(&seal, &frame));
        assert_eq!(info.frame_bytes(), frame.len() as u64);
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (seal, _, frame) = sealed();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let good =
                FrameInfo::decode(&seal, &flipped).is_some() && frame_is_whole(&seal, &flipped);
            assert!(!good, "bit {bit}");
        }
    }

    #[test]
    fn another_journals_frame_is_none() {
        let (_, _, frame) = sealed();
        let other = Seal::new(JournalId([6; 16]));
        assert_eq!(FrameInfo::decode(&other, &frame), None);
        assert!(!frame_is_whole(&other, &frame));
    }
}
