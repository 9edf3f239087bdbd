//! Whether a table may have an id, without asking the disk.
//!
//! A split block Bloom filter: each id sets eight bits of one block of 32 bytes, so a look-up waits
//! for one line of memory. Its source is the Apache Parquet format's "Bloom filter" page, with a
//! hash of our own that is keyed by the journal: nobody outside can choose ids that collide.

/// Odd numbers that spread 32 bits of a hash over the eight words of a block; Parquet's.
const SALTS: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Length of a block in bytes.
pub(super) const BLOCK_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
struct Block([u32; 8]);

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Filter {
    blocks: Box<[Block]>,
}

impl Filter {
    /// An empty filter for so many ids. The smaller a table, the more bits each of its ids gets: a
    /// look-up asks all tables, and the large ones take nearly all of the memory.
    pub(super) fn for_ids(ids_count: u64) -> Self {
        let bits = match ids_count {
            0..4_000_000 => 20,
            4_000_000..16_000_000 => 16,
            _ => 12,
        };
        let blocks_count = (ids_count * bits).div_ceil(8 * BLOCK_BYTES as u64);
        // Blocks are chosen by 32 bits of the hash.
        let blocks_count = blocks_count.clamp(1, u64::from(u32::MAX));
        let blocks_count = usize::try_from(blocks_count).unwrap_or_else(|_| panic!("64-bit only"));
        Self {
            blocks: vec![Block::default(); blocks_count].into_boxed_slice(),
        }
    }

    /// One that may have any id.
    pub(super) fn of_anything() -> Self {
        Self {
            blocks: Box::new([Block([u32::MAX; 8])]),
        }
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let Probe { place, mask } = Probe::of(hash);
        let place = self.place(place);
        for (word, bit) in self.blocks[place].0.iter_mut().zip(mask) {
            *word |= bit;
        }
    }

    /// Whether the id may have been inserted; `false` is certain.
    #[inline]
    pub(super) fn may_have(&self, probe: &Probe) -> bool {
        let block = &self.blocks[self.place(probe.place)].0;
        let missing = block
            .iter()
            .zip(probe.mask)
            .fold(0, |missing, (word, bit)| missing | (bit & !word));
        missing == 0
    }

    pub(super) fn blocks_count(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Its bytes as they are stored.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let words = self.blocks.iter().flat_map(|block| block.0);
        words.flat_map(u32::to_le_bytes).collect()
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` if there is no whole block.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let (words, _) = bytes.as_chunks::<4>();
            let mut block = Block::default();
            for (word, bytes) in block.0.iter_mut().zip(words) {
                *word = u32::from_le_bytes(*bytes);
            }
            block
        };
        let is_whole = rest.is_empty() && !blocks.is_empty();
        is_whole.then(|| Self {
            blocks: blocks.iter().map(block).collect(),
        })
    }

    #[inline]
    fn place(&self, place: u32) -> usize {
        ((u64::from(place) * self.blocks.len() as u64) >> 32) as usize
    }
}

/// What is looked for in a filter: the same in all filters of a journal, whatever their sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    /// Chooses the block.
    place: u32,
    /// The bits that an inserted id has set there.
    mask: [u32; 8],
}

impl Probe {
    /// Looks for nothing.
    pub(super) const NOTHING: Self = Self {
        place: 0,
        mask: [0; 8],
    };

    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub(super) fn of(hash: u64) -> Self {
        let low = hash as u32;
        Self {
            place: (hash >> 32) as u32,
            mask: SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)),
        }
    }
}

/// How ids of one journal are hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdHasher {
    keys: [u64; 2],
}

impl IdHasher {
    pub(super) fn new(journal_id: [u8; 16]) -> Self {
        let key = blake3::derive_key("lastro id table 1 filter", &journal_id);
        let (words, _) = key.as_chunks::<8>();
        Self {
            keys: [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])],
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub(super) const fn hash(self, space: u8, id: u128) -> u64 {
        const SPACE: u64 = 0x9e37_79b9_7f4a_7c15;
        let low = id as u64 ^ self.keys[0];
        let high = (id >> 64) as u64 ^ self.keys[1] ^ SPACE.wrapping_mul(space as u64 + 1);
        folded(folded(low, high) ^ self.keys[1], SPACE)
    }
}

/// Both halves of the product, together: every bit of the factors reaches most bits of it.
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn folded(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids as they come: random, or counted, or with a time in front.
    fn ids(kind: u8, count: u64) -> impl Iterator<Item = u128> {
        (0..u128::from(count)).map(move |number| match kind {
            0 => u128::from_le_bytes(
                blake3::hash(&number.to_le_bytes()).as_bytes()[..16]
                    .try_into()
                    .unwrap(),
            ),
            1 => number,
            _ => ((0x0190_0000_0000_u128 + number / 1_000) << 80) | (0x7 << 76) | (number % 1_000),
        })
    }

    #[test]
    fn what_was_inserted_is_there_and_little_else_is() {
        let hasher = IdHasher::new([7; 16]);
        for kind in 0..3 {
            let count = 200_000;
            let mut filter = Filter::for_ids(count);
            for id in ids(kind, count) {
                filter.insert(hasher.hash(0, id));
            }
            assert!(ids(kind, count).all(|id| filter.may_have(&Probe::of(hasher.hash(0, id)))));
            // The same ids in another space are others.
            let wrong =
                ids(kind, count).filter(|id| filter.may_have(&Probe::of(hasher.hash(1, *id))));
            let wrong = wrong.count();
            assert!(wrong < 400, "kind {kind}: {wrong} of {count} by mistake");
        }
    }

    #[test]
    fn bytes_go_round() {
        let hasher = IdHasher::new([1; 16]);
        let mut filter = Filter::for_ids(1_000);
        for id in ids(0, 1_000) {
            filter.insert(hasher.hash(2, id));
        }
        let bytes = filter.to_bytes();
        let read = Filter::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes(), bytes);
        assert!(ids(0, 1_000).all(|id| read.may_have(&Probe::of(hasher.hash(2, id)))));
        assert!(Filter::from_bytes(&bytes[1..]).is_none());
        assert!(Filter::from_bytes(&[]).is_none());
    }

    /// Filters are kept on disk: the hash never changes.
    #[test]
    fn the_hash_stays() {
        let hash = IdHasher::new([3; 16]).hash(0, 42);
        assert_eq!(hash, IdHasher::new([3; 16]).hash(0, 42));
        assert_ne!(hash, IdHasher::new([4; 16]).hash(0, 42));
        assert_ne!(hash, IdHasher::new([3; 16]).hash(1, 42));
    }
}
