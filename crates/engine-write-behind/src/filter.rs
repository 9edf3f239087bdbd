//! The filter of used ids: what it does not know was never used, what it may know the database is
//! asked for.
//!
//! An id sets four bits in each of two words of 32 bits. A filter takes two ids a word, 16 bits an
//! id; full, it is followed by one twice as large. About one unused id in a thousand is taken for
//! a used one.

use ledger::{BatchId, TransferId};

use crate::layout::{FILTER_DOUBLINGS, FILTER_WORDS};

/// Where an id's bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash {
    words: [u32; 2],
    masks: [u32; 2],
}

impl Hash {
    fn of(space: &str, id: [u8; 16]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(space);
        hasher.update(&id);
        let mut bytes = [0; 32];
        hasher.finalize_xof().fill(&mut bytes);
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mask = |at: usize| {
            let bits = &bytes[at..at + 4];
            bits.iter().fold(0, |mask, bit| mask | 1_u32 << (bit % 32))
        };
        Self {
            words: [word(0), word(4)],
            masks: [mask(8), mask(12)],
        }
    }

    pub(crate) fn of_transfer(id: TransferId) -> Self {
        Self::of(
            "lastro 2026 write-behind filter of transfers",
            id.to_bytes(),
        )
    }

    pub(crate) fn of_batch(id: BatchId) -> Self {
        Self::of("lastro 2026 write-behind filter of batches", id.to_bytes())
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let numbers = self.words.into_iter().chain(self.masks);
        for (part, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            part.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

/// Filters in the making, as the library would make them.
pub(crate) struct Filters {
    filters: Vec<Vec<u32>>,
    used: usize,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            filters: vec![vec![0; FILTER_WORDS]],
            used: 0,
        }
    }
}

impl Filters {
    pub(crate) fn add(&mut self, hash: Hash) {
        let last = self.filters.len() - 1;
        let words = &mut self.filters[last];
        let count = words.len();
        for (word, mask) in hash.words.into_iter().zip(hash.masks) {
            words[word as usize % count] |= mask;
        }
        self.used += 1;
        if self.used >= count * 2 {
            let doublings = self.filters.len().min(FILTER_DOUBLINGS);
            self.filters.push(vec![0; FILTER_WORDS << doublings]);
            self.used = 0;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.filters.len()
    }

    /// How many ids the newest one has.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// The parts that have a bit: which filter, at which byte, what.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, usize, Vec<u8>)> + '_ {
        const WORDS: usize = 16_384;
        let parts = self.filters.iter().enumerate().flat_map(|(number, words)| {
            let parts = words.chunks(WORDS).enumerate();
            parts.map(move |(part, words)| (number, part * WORDS * 4, words))
        });
        parts
            .filter(|(_, _, words)| words.iter().any(|word| *word != 0))
            .map(|(number, at, words)| {
                let bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                (number, at, bytes)
            })
    }
}

/// Filters as Redis has them.
#[derive(Default)]
pub(crate) struct Known(Vec<(usize, Vec<u8>)>);

impl Known {
    /// Adds the next filter. Redis has its bytes only up to the last one that was set.
    pub(crate) fn add(&mut self, bytes: Vec<u8>) {
        let words = FILTER_WORDS << self.0.len().min(FILTER_DOUBLINGS);
        self.0.push((words, bytes));
    }

    /// Whether a filter knows the id.
    pub(crate) fn has(&self, hash: Hash) -> bool {
        self.0.iter().any(|(words, bytes)| {
            let mut both = hash.words.into_iter().zip(hash.masks);
            both.all(|(word, mask)| {
                let at = word as usize % words * 4;
                let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
                // Past the last byte that was set all are zero.
                word.map_or(0, |word| u32::from_be_bytes(*word)) & mask == mask
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_unused_ids_are_taken_for_used_ones() {
        let mut filters = Filters::default();
        let count = (FILTER_WORDS * 2) as u128;
        for number in 0..count - 1 {
            filters.add(Hash::of_transfer(TransferId::from_u128(number)));
        }
        assert_eq!(filters.count(), 1);
        let mut kept = Known::default();
        kept.add(filters.parts().flat_map(|(_, _, bytes)| bytes).collect());
        let known = |id: TransferId| kept.has(Hash::of_transfer(id));
        assert!((0..1_000).all(|number| known(TransferId::from_u128(number))));
        let unused = (count..count + 100_000).map(TransferId::from_u128);
        let mistaken = unused.filter(|id| known(*id)).count();
        assert!(mistaken < 500, "{mistaken} of 100000");
        filters.add(Hash::of_transfer(TransferId::from_u128(count)));
        assert_eq!((filters.count(), filters.used()), (2, 0));
    }
}
