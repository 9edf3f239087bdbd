//! A hash table in shards.
//!
//! It grows shard by shard, so that no insertion waits for the whole of it to be moved; and the
//! shards are of different sizes, so that they do not all grow at the same time.

use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

use hashbrown::{DefaultHashBuilder, HashTable};

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

/// See the module.
pub(crate) struct Shards<T> {
    tables: Box<[HashTable<T>]>,
    shard_of: &'static [u8],
}

impl<T> Shards<T> {
    /// The table of the values with this hash.
    pub(crate) fn of(&self, hash: u64) -> &HashTable<T> {
        &self.tables[self.shard(hash)]
    }

    /// The table of the values with this hash.
    pub(crate) fn of_mut(&mut self, hash: u64) -> &mut HashTable<T> {
        let shard = self.shard(hash);
        &mut self.tables[shard]
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }

    /// The values, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.tables.iter().flatten()
    }

    fn shard(&self, hash: u64) -> usize {
        // The table itself takes the lowest and the highest bits.
        let place = (hash >> 32) as usize % PLACES;
        usize::from(self.shard_of[place])
    }
}

/// A map in shards.
#[derive(Debug)]
pub(crate) struct ShardMap<K, V> {
    shards: Shards<(K, V)>,
    hasher: DefaultHashBuilder,
}

impl<K, V> Default for ShardMap<K, V> {
    fn default() -> Self {
        Self {
            shards: Shards::default(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<K: Copy + Eq + Hash, V> ShardMap<K, V> {
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let found = self.shards.of(hash).find(hash, |(other, _)| *other == key);
        found.map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(key);
        let rehash = |(key, _): &(K, V)| self.hasher.hash_one(key);
        let shard = self.shards.of_mut(hash);
        shard
            .entry(hash, |(other, _)| *other == key, rehash)
            .insert((key, value));
    }

    pub(crate) fn remove(&mut self, key: K) {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.of_mut(hash);
        if let Ok(found) = shard.find_entry(hash, |(other, _)| *other == key) {
            found.remove();
        }
    }

    /// The value of this key; a default one if there was none.
    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let hash = self.hasher.hash_one(key);
        let rehash = |(key, _): &(K, V)| self.hasher.hash_one(key);
        let shard = self.shards.of_mut(hash);
        let entry = shard.entry(hash, |(other, _)| *other == key, rehash);
        &mut entry.or_insert_with(|| (key, V::default())).into_mut().1
    }
}

impl<K: Copy + Eq + Hash, V: PartialEq> PartialEq for ShardMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let mut entries = self.shards.iter();
        self.shards.len() == other.shards.len()
            && entries.all(|(key, value)| other.get(*key) == Some(value))
    }
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        let tables = std::iter::repeat_with(HashTable::new).take(SHARDS);
        Self {
            tables: tables.collect(),
            shard_of: &SHARD_OF,
        }
    }
}

impl<T> std::fmt::Debug for Shards<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shards").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
impl<T> Shards<T> {
    /// What the tables take in memory.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.tables.iter().map(HashTable::allocation_size).sum()
    }

    /// The number of values in the fullest table: all of them are moved at once when it grows.
    pub(crate) fn fullest(&self) -> usize {
        self.tables.iter().map(HashTable::len).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is put in and taken out, and however many there are: no growth moves many at once.
    #[test]
    fn a_map_in_shards_is_a_map() {
        let mut map = ShardMap::default();
        let mut expected = std::collections::HashMap::new();
        for number in 0..60_000_u64 {
            let key = number * 7_919 % 40_000;
            if number % 5 == 4 {
                map.remove(key);
                expected.remove(&key);
            } else {
                map.insert(key, number);
                expected.insert(key, number);
            }
            *map.get_or_default(key / 2) += 1;
            *expected.entry(key / 2).or_default() += 1;
        }
        assert_eq!(map.shards.len(), expected.len());
        assert!(
            expected
                .iter()
                .all(|(key, value)| map.get(*key) == Some(value))
        );
        assert!(map.shards.fullest() < expected.len() / 100);
        let mut other = ShardMap::default();
        expected
            .iter()
            .for_each(|(key, value)| other.insert(*key, *value));
        assert!(map == other);
        other.insert(1, 0);
        assert!(map != other);
    }

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
}
