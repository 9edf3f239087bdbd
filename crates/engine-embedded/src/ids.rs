//! Which ids have been used, and where the record is that says how.
//!
//! The index is a look-up from an id to the newest record about it, and can be made anew from the
//! journal alone. It is held in memory for now, about 30 bytes an id; nothing outside this file
//! knows that.
//!
//! It grows shard by shard, so that no insertion waits for the whole of it to be moved; and the
//! shards are of different sizes, so that they do not all grow at the same time.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::{DefaultHashBuilder, HashTable};
use journal::Address;
use ledger::{BatchId, PaymentId, TransferId};

const SHARDS: usize = 256;
/// How finely hashes are dealt out to shards.
const PLACES: usize = 1 << 14;

/// The shard of each place. A table grows when it has doubled, and shard `i` gets a share of the
/// ids in proportion to `2^(i / SHARDS)`: so one after the other doubles, evenly over time.
static SHARD_OF: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the logarithm of 1.0 .. 2.0, times 256, is 0.0 .. 256.0"
    )]
    let shard = |place: usize| {
        let share = f64::from(u32::try_from(place).unwrap_or(0)) / PLACES as f64;
        ((1.0 + share).log2() * SHARDS as f64) as u8
    };
    (0..PLACES).map(shard).collect()
});

/// The ids of all spaces but the accounts'.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) transfers: IdIndex<TransferId>,
    pub(crate) payments: IdIndex<PaymentId>,
    pub(crate) batches: IdIndex<BatchId>,
}

/// One id space.
pub(crate) struct IdIndex<K> {
    shards: Box<[Shard<K>]>,
    hasher: DefaultHashBuilder,
    shard_of: &'static [u8],
}

type Shard<K> = HashTable<(K, Address)>;

impl<K: Id> IdIndex<K> {
    /// Where the newest record about this id is.
    pub(crate) fn get(&self, id: K) -> Option<Address> {
        let hash = self.hasher.hash_one(id.number());
        let shard = &self.shards[self.shard(hash)];
        shard
            .find(hash, |(key, _)| *key == id)
            .map(|(_, address)| *address)
    }

    /// Says where the newest record about this id is.
    pub(crate) fn insert(&mut self, id: K, address: Address) {
        let hash = self.hasher.hash_one(id.number());
        let shard = self.shard(hash);
        let Self { shards, hasher, .. } = self;
        let rehash = |(key, _): &(K, Address)| hasher.hash_one(key.number());
        shards[shard]
            .entry(hash, |(key, _)| *key == id, rehash)
            .insert((id, address));
    }

    /// How many ids there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }

    fn shard(&self, hash: u64) -> usize {
        // The table itself takes the lowest and the highest bits.
        let place = (hash >> 32) as usize % PLACES;
        usize::from(self.shard_of[place])
    }
}

impl<K> Default for IdIndex<K> {
    fn default() -> Self {
        let shards = std::iter::repeat_with(HashTable::new)
            .take(SHARDS)
            .collect();
        Self {
            shards,
            hasher: DefaultHashBuilder::default(),
            shard_of: &SHARD_OF,
        }
    }
}

impl<K: Id> std::fmt::Debug for IdIndex<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdIndex").field("len", &self.len()).finish()
    }
}

/// A 128-bit id.
pub(crate) trait Id: Copy + Eq {
    fn number(self) -> u128;
}

impl Id for TransferId {
    fn number(self) -> u128 {
        self.to_u128()
    }
}

impl Id for PaymentId {
    fn number(self) -> u128 {
        self.to_u128()
    }
}

impl Id for BatchId {
    fn number(self) -> u128 {
        self.to_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_differ_in_size_by_half_at_the_most() {
        let mut sizes = [0_u32; SHARDS];
        for shard in SHARD_OF.iter() {
            sizes[usize::from(*shard)] += 1;
        }
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(*least > 40 && *most < 2 * least + 10, "{least} to {most}");
        assert!(sizes[0] + 30 < sizes[SHARDS - 1]);
    }

    #[test]
    fn the_newest_record_wins() {
        let mut index = IdIndex::default();
        let at = |position| Address::from_u64(position).unwrap();
        for number in 0..10_000_u64 {
            index.insert(TransferId::from_u128(number.into()), at(number + 1));
        }
        index.insert(TransferId::from_u128(7), at(70_000));
        assert_eq!(index.get(TransferId::from_u128(7)), Some(at(70_000)));
        assert_eq!(index.get(TransferId::from_u128(8)), Some(at(9)));
        assert_eq!(index.get(TransferId::from_u128(10_000)), None);
        assert_eq!(index.len(), 10_000);
    }
}
