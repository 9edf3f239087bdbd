//! The ids that the records of one segment used and the places in lists that they added, in memory.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use journal::Address;

use crate::ids::Space;
use crate::ids::lists::{ListPlaces, NewestPlaces, PlacesPage, PlacesQuery};
use crate::shards::Shards;

/// The ids of one segment, by space, and its places in lists: about 42 bytes an id, and 24 a place.
#[derive(Debug, Default)]
pub(crate) struct SegmentIds {
    spaces: [IdIndex; Space::IDS.len()],
    lists: ListPlaces,
}

impl SegmentIds {
    pub(super) fn get(&self, space: Space, key: u128) -> Option<Address> {
        match self.ids(space) {
            Some(index) => index.get(key),
            None => self.lists.get(key),
        }
    }

    /// Sets `has` of each id that is there.
    pub(super) fn has_each(&self, space: Space, ids: &[u128], has: &mut [bool]) {
        for (id, has) in ids.iter().zip(has) {
            *has |= self.get(space, *id).is_some();
        }
    }

    pub(crate) fn insert(&mut self, space: Space, key: u128, address: Address) {
        match self.spaces.get_mut(space as usize) {
            Some(index) => index.insert(key, address),
            None => self.lists.insert(key, address),
        }
    }

    /// Adds the places of a list that are asked for.
    pub(super) fn places(&self, page: &mut PlacesPage) {
        self.lists.add_to(page);
    }

    /// What a page may have of the places, to be looked through without these ids.
    pub(super) fn newest_places(&self, query: &PlacesQuery) -> NewestPlaces {
        NewestPlaces(self.lists.of_page(query))
    }

    /// The ids of a space; `None` where that is no space of ids.
    fn ids(&self, space: Space) -> Option<&IdIndex> {
        self.spaces.get(space as usize)
    }

    /// All keys of a space, sorted, each with its newest record.
    pub(crate) fn sorted(&self, space: Space) -> Vec<(u128, Address)> {
        let Some(index) = self.ids(space) else {
            return self.lists.sorted();
        };
        let entries = index.shards.iter();
        let mut ids: Vec<_> = entries.map(|(key, address)| (key.id(), *address)).collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        ids
    }

    /// How many ids and places there are in all spaces.
    pub(super) fn len(&self) -> usize {
        let ids = self.spaces.iter().map(|index| index.shards.len());
        ids.sum::<usize>() + self.lists.len()
    }
}

/// An id in two halves: together with an address it takes 24 bytes, and a `u128` would take 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u64; 2]);

impl Key {
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    const fn of(id: u128) -> Self {
        Self([(id >> 64) as u64, id as u64])
    }

    fn id(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }
}

/// One id space of one segment: from an id to the newest record about it.
#[derive(Default)]
struct IdIndex {
    shards: Shards<(Key, Address)>,
    hasher: DefaultHashBuilder,
}

impl IdIndex {
    fn get(&self, id: u128) -> Option<Address> {
        let id = Key::of(id);
        let hash = self.hasher.hash_one(id);
        let shard = self.shards.of(hash);
        shard
            .find(hash, |(key, _)| *key == id)
            .map(|(_, address)| *address)
    }

    fn insert(&mut self, id: u128, address: Address) {
        let Self { shards, hasher } = self;
        let id = Key::of(id);
        let hash = hasher.hash_one(id);
        let rehash = |(key, _): &(Key, Address)| hasher.hash_one(*key);
        let shard = shards.of_mut(hash);
        shard
            .entry(hash, |(key, _)| *key == id, rehash)
            .insert((id, address));
    }
}

impl std::fmt::Debug for IdIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdIndex")
            .field("len", &self.shards.len())
            .finish()
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
            index.insert(u128::from(number), address);
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
            index.insert(u128::from(number), at(number + 1));
        }
        index.insert(7, at(70_000));
        assert_eq!(index.get(7), Some(at(70_000)));
        assert_eq!(index.get(8), Some(at(9)));
        assert_eq!(index.get(10_000), None);
        assert_eq!(index.shards.len(), 10_000);
    }
}
