//! What tables of all kinds have in common: pages that check, a footer, and which of them are merged.

use std::ops::Range;

use journal::{Hash, Head, JournalId, SegmentStart};

/// Length of a page in bytes.
pub(crate) const PAGE_BYTES: usize = 4_096;
const PAGE_CRC_AT: usize = PAGE_BYTES - 4;
pub(crate) const FOOTER_BYTES: usize = 256;
/// What a footer says beyond its coverage, in bytes.
pub(crate) const FOOTER_BODY_BYTES: usize = FOOTER_BODY_END - FOOTER_BODY_AT;
const FOOTER_BODY_AT: usize = 96;
const FOOTER_BODY_END: usize = 208;
const FOOTER_HASH_AT: usize = 224;

/// Which segments of which journal a table covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// The first one.
    pub(crate) first: u64,
    /// The one behind the last, and what its header says of all before it.
    pub(crate) end: SegmentStart,
}

impl Coverage {
    /// The name of a table of this kind.
    pub(crate) fn name(&self, kind: &str) -> String {
        file_name(kind, self.first, self.end.number)
    }

    /// From the first segment up to and without the second.
    pub(crate) const fn segments(&self) -> (u64, u64) {
        (self.first, self.end.number)
    }

    fn crc_seed(&self) -> u32 {
        let seed = crc32c::crc32c(&self.end.id.0);
        let seed = crc32c::crc32c_append(seed, &self.first.to_le_bytes());
        crc32c::crc32c_append(seed, &self.end.number.to_le_bytes())
    }
}

/// What checks a table's pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSeal(u32);

impl PageSeal {
    /// `kind` tells tables of the same segments apart.
    pub(crate) fn new(coverage: &Coverage, kind: &[u8]) -> Self {
        Self(crc32c::crc32c_append(coverage.crc_seed(), kind))
    }

    pub(crate) fn seal(self, page: &mut [u8; PAGE_BYTES], number: u64) {
        let crc = self.crc(page, number);
        page[PAGE_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    }

    pub(crate) fn checks(self, page: &[u8; PAGE_BYTES], number: u64) -> bool {
        page[PAGE_CRC_AT..] == self.crc(page, number).to_le_bytes()
    }

    fn crc(self, page: &[u8; PAGE_BYTES], number: u64) -> u32 {
        let seed = crc32c::crc32c_append(self.0, &number.to_le_bytes());
        crc32c::crc32c_append(seed, &page[..PAGE_CRC_AT])
    }
}

/// How footers of one kind of tables begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FooterKind {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
}

impl FooterKind {
    pub(crate) fn encode(
        self,
        coverage: &Coverage,
        body: &[u8; FOOTER_BODY_BYTES],
    ) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        let Coverage { first, end } = coverage;
        bytes[..8].copy_from_slice(&self.magic);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..32].copy_from_slice(&end.id.0);
        bytes[32..40].copy_from_slice(&first.to_le_bytes());
        bytes[40..48].copy_from_slice(&end.number.to_le_bytes());
        bytes[48..56].copy_from_slice(&end.head.sequence.to_le_bytes());
        bytes[56..88].copy_from_slice(&end.head.hash.0);
        bytes[88..96].copy_from_slice(&end.head.records.to_le_bytes());
        bytes[FOOTER_BODY_AT..FOOTER_BODY_END].copy_from_slice(body);
        bytes[208..216].copy_from_slice(&end.segment_bytes.to_le_bytes());
        let hash = blake3::hash(&bytes[..FOOTER_HASH_AT]);
        bytes[FOOTER_HASH_AT..].copy_from_slice(hash.as_bytes());
        bytes
    }

    /// `None` for what is no footer of this kind and version.
    pub(crate) fn decode(
        self,
        bytes: &[u8; FOOTER_BYTES],
    ) -> Option<(Coverage, [u8; FOOTER_BODY_BYTES])> {
        let hash = blake3::hash(&bytes[..FOOTER_HASH_AT]);
        let is_whole = hash.as_bytes() == &bytes[FOOTER_HASH_AT..]
            && bytes[..8] == self.magic
            && bytes[8..12] == self.version.to_le_bytes();
        if !is_whole {
            return None;
        }
        let end = SegmentStart {
            number: u64_at(bytes, 40),
            id: JournalId(array_at(bytes, 16)),
            segment_bytes: u64_at(bytes, 208),
            head: Head {
                sequence: u64_at(bytes, 48),
                hash: Hash(array_at(bytes, 56)),
                records: u64_at(bytes, 88),
            },
        };
        let coverage = Coverage {
            first: u64_at(bytes, 32),
            end,
        };
        (coverage.first < end.number).then(|| (coverage, array_at(bytes, FOOTER_BODY_AT)))
    }
}

/// The name of a table of the segments from `first` up to and without `end`.
pub(crate) fn file_name(kind: &str, first: u64, end: u64) -> String {
    format!("{kind}-{first:010}-{end:010}.table")
}

/// The numbers in such a name; `None` for any other file.
pub(crate) fn covered(kind: &str, name: &str) -> Option<(u64, u64)> {
    let numbers = name.strip_prefix(kind)?.strip_prefix('-')?;
    let (first, end) = numbers.strip_suffix(".table")?.split_once('-')?;
    let (first, end) = (first.parse().ok()?, end.parse().ok()?);
    let is_ours = file_name(kind, first, end) == name;
    (is_ours && first < end).then_some((first, end))
}

/// So many neighbours of about the same size become one table: a look-up asks at most three of
/// each size, and each entry is written again once for each fourfold growth of the ledger.
const MERGED_AT_ONCE: usize = 4;

/// The neighbours to be merged next, if any are; `covered` says which segments each table covers, from
/// the first up to and without the second, the oldest first. Where a segment between two is covered by no
/// table they are not neighbours: the merged one would cover what it does not have. A table that is smaller
/// than a newer one counts as one of that size.
pub(crate) fn next_merge(covered: &[(u64, u64)]) -> Option<Range<usize>> {
    let mut first = covered.len();
    let runs = covered.chunk_by(|one, next| one.1 == next.0);
    runs.rev().find_map(|run| {
        first -= run.len();
        let merged = next_merge_of(run)?;
        Some(first + merged.start..first + merged.end)
    })
}

fn next_merge_of(run: &[(u64, u64)]) -> Option<Range<usize>> {
    let size = |(first, end): &(u64, u64)| (end - first).ilog2() / MERGED_AT_ONCE.ilog2();
    let mut sizes: Vec<u32> = run.iter().map(size).collect();
    for place in (1..sizes.len()).rev() {
        sizes[place - 1] = sizes[place - 1].max(sizes[place]);
    }
    // The newest are the smallest: they are merged first.
    let mut groups = sizes.chunk_by(|one, next| one == next).rev();
    let mut end = sizes.len();
    let group = groups.find(|group| {
        end -= group.len();
        group.len() >= MERGED_AT_ONCE
    });
    group.map(|_| end..end + MERGED_AT_ONCE)
}

pub(crate) fn array_at<const LENGTH: usize>(bytes: &[u8], at: usize) -> [u8; LENGTH] {
    let mut array = [0; LENGTH];
    array.copy_from_slice(&bytes[at..at + LENGTH]);
    array
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As for tables that follow upon each other, each of so many segments.
    fn next_merge_of_spans(spans: &[u64]) -> Option<Range<usize>> {
        let mut end = 0;
        let covered = spans.iter().map(|span| {
            end += span;
            (end - span, end)
        });
        next_merge(&covered.collect::<Vec<_>>())
    }

    /// Whatever is missing between two tables, no table is made that would say that it has it.
    #[test]
    fn tables_are_not_merged_across_a_segment_that_none_covers() {
        let covered = [(0, 1), (1, 2), (4, 8), (8, 12)];
        assert_eq!(next_merge(&covered), None);
        let covered = [(0, 4), (4, 8), (20, 24), (24, 28)];
        assert_eq!(next_merge(&covered), None);
        let covered = [(0, 1), (1, 2), (2, 3), (3, 4), (6, 7), (7, 8)];
        assert_eq!(next_merge(&covered), Some(0..4));
        let covered = [(0, 1), (5, 6), (6, 7), (7, 8), (8, 9)];
        assert_eq!(next_merge(&covered), Some(1..5));
    }

    #[test]
    fn tables_stay_few_and_each_entry_is_written_few_times() {
        let mut spans: Vec<u64> = Vec::new();
        let mut written = 0;
        for segments in 1..=5_000_u64 {
            spans.push(1);
            while let Some(merged) = next_merge_of_spans(&spans) {
                let span = spans[merged.clone()].iter().sum();
                written += span;
                spans.splice(merged, [span]);
            }
            assert_eq!(spans.iter().sum::<u64>(), segments);
            let sizes = segments.ilog(4) as usize + 1;
            assert!(spans.len() <= 3 * sizes, "{spans:?}");
            assert!(written <= segments * u64::from(segments.ilog(4)));
        }
    }

    /// Where single tables cover many segments, too.
    #[test]
    fn tables_of_any_sizes_stay_few() {
        for period in 1..9_u64 {
            let mut spans: Vec<u64> = Vec::new();
            let (mut segments, mut written) = (0, 0);
            for number in 0..4_000_u64 {
                let span = 1 + number % period * 5;
                segments += span;
                spans.push(span);
                while let Some(merged) = next_merge_of_spans(&spans) {
                    let span = spans[merged.clone()].iter().sum();
                    written += span;
                    spans.splice(merged, [span]);
                }
                let sizes = u64::from(segments.ilog(4)) + 1;
                assert!(spans.len() as u64 <= 3 * sizes, "{spans:?}");
                assert!(written <= 4 * segments * sizes, "{written} of {segments}");
            }
        }
    }

    /// However sizes have come about, what is merged are neighbours.
    #[test]
    fn uneven_tables_are_merged_too() {
        assert_eq!(next_merge_of_spans(&[]), None);
        assert_eq!(next_merge_of_spans(&[1, 1, 1]), None);
        assert_eq!(next_merge_of_spans(&[7, 1, 1, 1, 1]), Some(1..5));
        assert_eq!(next_merge_of_spans(&[5, 6, 4, 7, 1]), Some(0..4));
        assert_eq!(next_merge_of_spans(&[1, 16, 1, 1, 1]), None);
        assert_eq!(next_merge_of_spans(&[1, 4, 1, 4]), Some(0..4));
    }
}
