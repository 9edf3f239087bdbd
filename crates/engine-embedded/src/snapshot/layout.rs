//! The bytes around a snapshot's blocks, as `docs/snapshots.md` maps them.

use journal::{Hash, Head, JournalId, SegmentStart};

use crate::beside::{array_at, u64_at};

const MAGIC: [u8; 8] = [0xF3, b'L', b'B', b'O', b'O', b'K', b'S', 0x0A];
/// What is written. Version 1, which has the sums of payments in itself, is read as well.
pub(super) const VERSION: u32 = 2;
pub(super) const HEADER_BYTES: usize = 128;
const HEADER_HASH_AT: usize = 96;
pub(super) const BLOCK_HEADER_BYTES: usize = 8;
pub(super) const HASH_BYTES: usize = 32;
/// No block is longer. Those that are written have a few thousand rows.
pub(super) const BLOCK_BYTES_MAX: usize = 1 << 30;

/// The snapshot that is being written.
pub(crate) const PARTIAL: &str = "snapshot.partial";

/// The name of the snapshot of the state before this segment.
pub(crate) fn file_name(segment: u64) -> String {
    format!("books-{segment:010}.snapshot")
}

/// The segment's number in a snapshot file's name; `None` for any other file.
pub(crate) fn numbered(name: &str) -> Option<u64> {
    let number = name.strip_prefix("books-")?.strip_suffix(".snapshot")?;
    let number = number.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

pub(super) fn header(start: &SegmentStart) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&start.id.0);
    bytes[32..40].copy_from_slice(&start.number.to_le_bytes());
    bytes[40..48].copy_from_slice(&start.segment_bytes.to_le_bytes());
    bytes[48..56].copy_from_slice(&start.head.sequence.to_le_bytes());
    bytes[56..88].copy_from_slice(&start.head.hash.0);
    bytes[88..96].copy_from_slice(&start.head.records.to_le_bytes());
    let hash = blake3::hash(&bytes[..HEADER_HASH_AT]);
    bytes[HEADER_HASH_AT..].copy_from_slice(hash.as_bytes());
    bytes
}

/// The version of a header that can be read, and what it says; `None` for anything else.
pub(super) fn start_of(bytes: &[u8; HEADER_BYTES]) -> Option<(u32, SegmentStart)> {
    let hash = blake3::hash(&bytes[..HEADER_HASH_AT]);
    let version = u32::from_le_bytes(array_at(bytes, 8));
    let is_ours = hash.as_bytes() == &bytes[HEADER_HASH_AT..]
        && bytes[..8] == MAGIC
        && (1..=VERSION).contains(&version);
    let start = SegmentStart {
        number: u64_at(bytes, 32),
        id: JournalId(array_at(bytes, 16)),
        segment_bytes: u64_at(bytes, 40),
        head: Head {
            sequence: u64_at(bytes, 48),
            hash: Hash(array_at(bytes, 56)),
            records: u64_at(bytes, 88),
        },
    };
    is_ours.then_some((version, start))
}

/// What checks a snapshot's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSeal(u32);

impl BlockSeal {
    pub(super) fn new(start: &SegmentStart) -> Self {
        let seed = crc32c::crc32c(&start.id.0);
        Self(crc32c::crc32c_append(seed, &start.number.to_le_bytes()))
    }

    pub(super) fn crc(self, number: u64, payload: &[u8]) -> u32 {
        let seed = crc32c::crc32c_append(self.0, &number.to_le_bytes());
        crc32c::crc32c_append(seed, payload)
    }
}
