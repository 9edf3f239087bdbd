//! Which ids have been used, and where the record is that says how.
//!
//! The index is a look-up from an id to the newest record about it, and can be made anew from the
//! journal alone. It is held in memory for now, about 42 bytes an id; nothing outside this file
//! knows that.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use journal::Address;
use ledger::{BatchId, PaymentId, TransferId};

use crate::shards::Shards;

/// The ids of all spaces but the accounts'.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) transfers: IdIndex<TransferId>,
    pub(crate) payments: IdIndex<PaymentId>,
    pub(crate) batches: IdIndex<BatchId>,
}

/// One id space.
pub(crate) struct IdIndex<K> {
    shards: Shards<(K, Address)>,
    hasher: DefaultHashBuilder,
}

impl<K: Id> IdIndex<K> {
    /// Where the newest record about this id is.
    pub(crate) fn get(&self, id: K) -> Option<Address> {
        let hash = self.hasher.hash_one(id.number());
        let shard = self.shards.of(hash);
        shard
            .find(hash, |(key, _)| *key == id)
            .map(|(_, address)| *address)
    }

    /// Says where the newest record about this id is.
    pub(crate) fn insert(&mut self, id: K, address: Address) {
        let Self { shards, hasher } = self;
        let hash = hasher.hash_one(id.number());
        let rehash = |(key, _): &(K, Address)| hasher.hash_one(key.number());
        let shard = shards.of_mut(hash);
        shard
            .entry(hash, |(key, _)| *key == id, rehash)
            .insert((id, address));
    }

    /// How many ids there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }
}

impl<K> Default for IdIndex<K> {
    fn default() -> Self {
        Self {
            shards: Shards::default(),
            hasher: DefaultHashBuilder::default(),
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
    fn an_id_takes_about_42_bytes_at_any_count() {
        let mut index = IdIndex::default();
        for number in 1..=300_000_u64 {
            let address = Address::from_u64(number).unwrap();
            index.insert(TransferId::from_u128(number.into()), address);
            if number >= 100_000 && number % 20_000 == 0 {
                let bytes = index.shards.allocated_bytes() as u64 / number;
                assert!((38..=46).contains(&bytes), "{bytes} bytes at {number}");
            }
        }
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
