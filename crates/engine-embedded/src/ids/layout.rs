//! The bytes of a table, as `docs/id-tables.md` maps them.

use crate::beside::{
    Coverage, FOOTER_BODY_BYTES, FOOTER_BYTES, FooterKind, PAGE_BYTES, PageSeal, array_at, u64_at,
    u128_at,
};
use crate::ids::Space;

pub(super) const ENTRY_BYTES: usize = 24;
pub(super) const ENTRIES_PER_PAGE: usize = 170;
pub(super) const FIRST_ID_BYTES: usize = 16;
/// The largest ids are kept of so many spaces: of those that most look-ups ask.
pub(super) const LAST_IDS: usize = 2;

const FOOTER: FooterKind = FooterKind {
    magic: [0xF4, b'L', b'I', b'D', b'S', b'T', b'B', 0x0A],
    version: 3,
};

/// What the names of these tables begin with.
pub(super) const KIND: &str = "ids";
/// The table that is being written from a segment's ids, and the one from a merge.
pub(super) const PARTIAL: &str = "table.partial";
pub(super) const MERGE_PARTIAL: &str = "merge.partial";

/// What checks the pages of a table of this coverage.
pub(super) fn page_seal(coverage: &Coverage) -> PageSeal {
    PageSeal::new(coverage, b"")
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
    /// The largest id of each of the first two spaces; 0 where there is none.
    pub(super) last_ids: [u128; LAST_IDS],
    pub(super) filter_blocks: u64,
    /// How many different ids and lists are in the filter.
    pub(super) filter_keys: u64,
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
        let mut body = [0; FOOTER_BODY_BYTES];
        for (place, count) in self.counts.iter().enumerate() {
            body[8 * place..][..8].copy_from_slice(&count.to_le_bytes());
        }
        for (place, id) in self.last_ids.iter().enumerate() {
            body[32 + 16 * place..][..16].copy_from_slice(&id.to_le_bytes());
        }
        body[64..72].copy_from_slice(&self.filter_blocks.to_le_bytes());
        body[72..80].copy_from_slice(&self.filter_keys.to_le_bytes());
        body[80..112].copy_from_slice(&self.index_hash);
        FOOTER.encode(&self.coverage, &body)
    }

    /// `None` for what is no footer of this version.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let (coverage, body) = FOOTER.decode(bytes)?;
        Some(Self {
            coverage,
            counts: std::array::from_fn(|place| u64_at(&body, 8 * place)),
            last_ids: std::array::from_fn(|place| u128_at(&body, 32 + 16 * place)),
            filter_blocks: u64_at(&body, 64),
            filter_keys: u64_at(&body, 72),
            index_hash: array_at(&body, 80),
        })
    }
}
