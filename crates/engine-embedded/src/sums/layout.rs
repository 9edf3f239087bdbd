//! The bytes of a sum table, as `docs/sum-tables.md` maps them.

use ledger::ProcessorName;
use serde::{Deserialize, Serialize};

use super::Sum;
use crate::beside::{
    Coverage, FOOTER_BODY_BYTES, FOOTER_BYTES, FooterKind, PAGE_BYTES, PageSeal, array_at, u64_at,
    u128_at,
};

pub(super) const ENTRY_BYTES: usize = 32;
pub(super) const ENTRIES_PER_PAGE: usize = 127;
/// At most so many first milliseconds of a processor are in memory.
pub(super) const GUIDE_MAX: u64 = 4_096;

const FOOTER: FooterKind = FooterKind {
    magic: [0xF5, b'L', b'S', b'U', b'M', b'T', b'B', 0x0A],
    version: 1,
};

/// What the names of these tables begin with.
pub(super) const KIND: &str = "sums";
/// The table that is being written from sealed sums, and the one from a merge.
pub(super) const PARTIAL: &str = "sums.partial";
pub(super) const MERGE_PARTIAL: &str = "sums-merge.partial";

/// What checks the pages of a table of this coverage.
pub(super) fn page_seal(coverage: &Coverage) -> PageSeal {
    PageSeal::new(coverage, KIND.as_bytes())
}

/// A millisecond, and what everything up to and with it sums to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) millis: u64,
    pub(super) until: Sum,
}

impl Entry {
    /// The entry at a place of a page; the page was checked.
    pub(super) fn read(page: &[u8; PAGE_BYTES], place: usize) -> Self {
        let at = place * ENTRY_BYTES;
        Self {
            millis: u64_at(page, at),
            until: Sum {
                payments_count: u64_at(page, at + 8),
                amount: u128_at(page, at + 16),
            },
        }
    }

    pub(super) fn write(self, page: &mut [u8; PAGE_BYTES], place: usize) {
        let at = place * ENTRY_BYTES;
        page[at..at + 8].copy_from_slice(&self.millis.to_le_bytes());
        page[at + 8..at + 16].copy_from_slice(&self.until.payments_count.to_le_bytes());
        page[at + 16..at + 32].copy_from_slice(&self.until.amount.to_le_bytes());
    }
}

/// What a table says of one processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub(super) processor: ProcessorName,
    pub(super) entries_count: u64,
    /// The last entry's millisecond.
    pub(super) last: u64,
    pub(super) payments_count: u64,
    pub(super) amount: u128,
    /// The first millisecond of every so many pages.
    pub(super) guide: Vec<u64>,
}

impl Indexed {
    pub(super) const fn pages(&self) -> u64 {
        self.entries_count.div_ceil(ENTRIES_PER_PAGE as u64)
    }

    /// From one item of the guide to the next: so many pages.
    pub(super) const fn stride(&self) -> u64 {
        stride_of(self.pages())
    }

    /// The entry that was counted last is the first one of a page: the guide keeps what stays in
    /// memory.
    pub(super) fn begin_page(&mut self, millis: u64) {
        let number = self.pages() - 1;
        let stride = self.stride();
        if number > 0 && stride > stride_of(number) {
            let mut place = 0;
            self.guide.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        if number.is_multiple_of(stride) {
            self.guide.push(millis);
        }
    }

    /// Of all entries.
    pub(super) const fn total(&self) -> Sum {
        Sum {
            payments_count: self.payments_count,
            amount: self.amount,
        }
    }

    /// Whether it can be what was written.
    pub(super) fn is_sound(&self) -> bool {
        let guided = self.pages().div_ceil(self.stride());
        self.entries_count > 0
            && self.guide.len() as u64 == guided
            && self.guide.is_sorted_by(|one, next| one < next)
            && self.guide.last().is_some_and(|last| *last <= self.last)
    }
}

/// Every so many of these pages has its first millisecond in the guide.
const fn stride_of(pages: u64) -> u64 {
    pages.div_ceil(GUIDE_MAX).next_power_of_two()
}

/// What a table says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) coverage: Coverage,
    /// Length of the index in bytes.
    pub(super) index_length: u64,
    pub(super) index_hash: [u8; 32],
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut body = [0; FOOTER_BODY_BYTES];
        body[..8].copy_from_slice(&self.index_length.to_le_bytes());
        body[8..40].copy_from_slice(&self.index_hash);
        FOOTER.encode(&self.coverage, &body)
    }

    /// `None` for what is no footer of this version.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let (coverage, body) = FOOTER.decode(bytes)?;
        Some(Self {
            coverage,
            index_length: u64_at(&body, 0),
            index_hash: array_at(&body, 8),
        })
    }
}
