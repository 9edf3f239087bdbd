//! The bytes of a table, as `docs/id-tables.md` maps them.

use journal::{Hash, Head, JournalId, SegmentStart};

use crate::ids::Space;

/// Length of a page in bytes.
pub(super) const PAGE_BYTES: usize = 4_096;
pub(super) const ENTRY_BYTES: usize = 24;
pub(super) const ENTRIES_PER_PAGE: usize = 170;
const PAGE_CRC_AT: usize = PAGE_BYTES - 4;
pub(super) const FIRST_ID_BYTES: usize = 16;
pub(super) const FOOTER_BYTES: usize = 256;

const MAGIC: [u8; 8] = [0xF4, b'L', b'I', b'D', b'S', b'T', b'B', 0x0A];
const VERSION: u32 = 1;
const FOOTER_HASH_AT: usize = 224;

/// The table that is being written from a segment's ids, and the one from a merge.
pub(super) const PARTIAL: &str = "table.partial";
pub(super) const MERGE_PARTIAL: &str = "merge.partial";

/// Which segments of which journal a table covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coverage {
    /// The first one.
    pub(super) first: u64,
    /// The one behind the last, and what its header says of all before it.
    pub(super) end: SegmentStart,
}

impl Coverage {
    pub(super) fn name(&self) -> String {
        file_name(self.first, self.end.number)
    }

    /// How many segments it covers.
    pub(super) const fn span(&self) -> u64 {
        self.end.number - self.first
    }

    fn crc_seed(&self) -> u32 {
        let seed = crc32c::crc32c(&self.end.id.0);
        let seed = crc32c::crc32c_append(seed, &self.first.to_le_bytes());
        crc32c::crc32c_append(seed, &self.end.number.to_le_bytes())
    }
}

/// The name of the table of the segments from `first` up to and without `end`.
pub(super) fn file_name(first: u64, end: u64) -> String {
    format!("ids-{first:010}-{end:010}.table")
}

/// The numbers in a table file's name; `None` for any other file.
pub(super) fn covered(name: &str) -> Option<(u64, u64)> {
    let numbers = name.strip_prefix("ids-")?.strip_suffix(".table")?;
    let (first, end) = numbers.split_once('-')?;
    let (first, end) = (first.parse().ok()?, end.parse().ok()?);
    let is_ours = file_name(first, end) == name;
    (is_ours && first < end).then_some((first, end))
}

/// What checks a table's pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageSeal(u32);

impl PageSeal {
    pub(super) fn new(coverage: &Coverage) -> Self {
        Self(coverage.crc_seed())
    }

    pub(super) fn seal(self, page: &mut [u8; PAGE_BYTES], number: u64) {
        let crc = self.crc(page, number);
        page[PAGE_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }

    pub(super) fn checks(self, page: &[u8; PAGE_BYTES], number: u64) -> bool {
        page[PAGE_CRC_AT..] == self.crc(page, number).to_le_bytes()
    }

    fn crc(self, page: &[u8; PAGE_BYTES], number: u64) -> u32 {
        let seed = crc32c::crc32c_append(self.0, &number.to_le_bytes());
        crc32c::crc32c_append(seed, &page[..PAGE_CRC_AT])
    }
}

/// The entry at a place of a page; the page was checked.
pub(super) fn entry(page: &[u8; PAGE_BYTES], place: usize) -> (u128, u64) {
    let at = place * ENTRY_BYTES;
    (u128_at(page, at), u64_at(page, at + 16))
}

/// What a table says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) coverage: Coverage,
    /// Entries of each space.
    pub(super) counts: [u64; Space::ALL.len()],
    /// The largest id of each space; 0 where there is none.
    pub(super) last_ids: [u128; Space::ALL.len()],
    pub(super) filter_blocks: u64,
    /// Of the filter and the first ids.
    pub(super) index_hash: [u8; 32],
}

impl Footer {
    /// Pages of each space.
    pub(super) fn pages(&self) -> [u64; Space::ALL.len()] {
        self.counts
            .map(|count| count.div_ceil(ENTRIES_PER_PAGE as u64))
    }

    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        let Coverage { first, end } = &self.coverage;
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&end.id.0);
        bytes[32..40].copy_from_slice(&first.to_le_bytes());
        bytes[40..48].copy_from_slice(&end.number.to_le_bytes());
        bytes[48..56].copy_from_slice(&end.head.sequence.to_le_bytes());
        bytes[56..88].copy_from_slice(&end.head.hash.0);
        bytes[88..96].copy_from_slice(&end.head.records.to_le_bytes());
        for (place, count) in self.counts.iter().enumerate() {
            bytes[96 + 8 * place..][..8].copy_from_slice(&count.to_le_bytes());
        }
        for (place, id) in self.last_ids.iter().enumerate() {
            bytes[120 + 16 * place..][..16].copy_from_slice(&id.to_le_bytes());
        }
        bytes[168..176].copy_from_slice(&self.filter_blocks.to_le_bytes());
        bytes[176..208].copy_from_slice(&self.index_hash);
        bytes[208..216].copy_from_slice(&end.segment_bytes.to_le_bytes());
        let hash = blake3::hash(&bytes[..FOOTER_HASH_AT]);
        bytes[FOOTER_HASH_AT..].copy_from_slice(hash.as_bytes());
        bytes
    }

    /// `None` for what is no footer of this version.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let hash = blake3::hash(&bytes[..FOOTER_HASH_AT]);
        let version = VERSION.to_le_bytes();
        let is_whole = hash.as_bytes() == &bytes[FOOTER_HASH_AT..]
            && bytes[..8] == MAGIC
            && bytes[8..12] == version;
        if !is_whole {
            return None;
        }
        let head = Head {
            sequence: u64_at(bytes, 48),
            hash: Hash(array_at(bytes, 56)),
            records: u64_at(bytes, 88),
        };
        let end = SegmentStart {
            number: u64_at(bytes, 40),
            id: JournalId(array_at(bytes, 16)),
            segment_bytes: u64_at(bytes, 208),
            head,
        };
        Some(Self {
            coverage: Coverage {
                first: u64_at(bytes, 32),
                end,
            },
            counts: std::array::from_fn(|place| u64_at(bytes, 96 + 8 * place)),
            last_ids: std::array::from_fn(|place| u128_at(bytes, 120 + 16 * place)),
            filter_blocks: u64_at(bytes, 168),
            index_hash: array_at(bytes, 176),
        })
    }
}

fn array_at<const LENGTH: usize>(bytes: &[u8], at: usize) -> [u8; LENGTH] {
    let mut array = [0; LENGTH];
    array.copy_from_slice(&bytes[at..at + LENGTH]);
    array
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array_at(bytes, at))
}
