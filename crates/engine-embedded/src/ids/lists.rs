//! What the records of one segment add to lists, in memory: 24 bytes a place.
//!
//! A place is the list's hash and the time by which the list is in order. The newest few thousand places are as they
//! came; those before them are in sorted runs. So a place costs the writer little, and a page few looks at each run.

use std::sync::Arc;

use journal::Address;
use ledger::{ListName, REFERENCE_LENGTH_MAX, Timestamp};

/// The longest name of a list: a reference of characters of four bytes.
const NAME_BYTES_MAX: usize = 32 + 4 * REFERENCE_LENGTH_MAX;
/// How many places a run has.
const RUN_PLACES: usize = 4_096;

/// The key of a place in a list: half of it the list's hash, half the time. Two lists may have one hash: a reader
/// looks at the record.
pub(crate) fn list_key(name: ListName<'_>, at: Timestamp) -> u128 {
    list_keys(name, at, at).0
}

/// The keys of the places of a list between two times, from the first to the last.
pub(crate) fn list_keys(name: ListName<'_>, oldest: Timestamp, newest: Timestamp) -> (u128, u128) {
    let (kind, of) = name.parts();
    // No kind of list has a zero in its name. In one piece it is hashed twice as fast.
    let mut text = [0; NAME_BYTES_MAX];
    let end = kind.len() + 1 + of.len();
    text[..kind.len()].copy_from_slice(kind.as_bytes());
    text[kind.len() + 1..end].copy_from_slice(of.as_bytes());
    let mut hash = [0; 8];
    hash.copy_from_slice(&blake3::hash(&text[..end]).as_bytes()[..8]);
    let list = u128::from(u64::from_le_bytes(hash)) << 64;
    let key = |at: Timestamp| list | u128::from(at.as_nanos());
    (key(oldest), key(newest))
}

/// The part of a key that all places of a list have.
pub(super) const fn list_of(key: u128) -> u128 {
    key >> 64 << 64
}

/// A key in two halves, which take 8 bytes less than a `u128` beside an address.
type Place = ([u64; 2], Address);

#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

const fn key(halves: [u64; 2]) -> u128 {
    (halves[0] as u128) << 64 | halves[1] as u128
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct ListPlaces {
    /// The oldest first.
    runs: Vec<Arc<[Place]>>,
    newest: Vec<Place>,
}

impl ListPlaces {
    pub(super) fn insert(&mut self, key: u128, address: Address) {
        self.newest.push((halves(key), address));
        if self.newest.len() == RUN_PLACES {
            self.newest.sort_unstable();
            self.runs.push(self.newest.as_slice().into());
            self.newest.clear();
        }
    }

    /// The newest record of one place.
    pub(super) fn get(&self, key: u128) -> Option<Address> {
        let mut page = PlacesPage::new(PlacesQuery {
            keys: (key, key),
            newest_first: true,
            limit: 1,
        });
        self.add_to(&mut page);
        page.finish().first().map(|(_, address)| *address)
    }

    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum::<usize>() + self.newest.len()
    }

    /// All places, sorted, each with its newest record.
    pub(super) fn sorted(&self) -> Vec<(u128, Address)> {
        let runs = self.runs.iter().flat_map(|run| run.iter());
        let mut places: Vec<Place> = runs.chain(&self.newest).copied().collect();
        places.sort_unstable();
        let newest = places.chunk_by(|one, next| one.0 == next.0);
        let newest = newest.filter_map(<[Place]>::last);
        newest
            .map(|(halves, address)| (key(*halves), *address))
            .collect()
    }

    /// What a page may have of them, to be looked through without them: runs are shared, and few places are copied.
    pub(super) fn of_page(&self, query: &PlacesQuery) -> Self {
        let newest = self.newest.iter();
        let newest = newest.filter(|(halves, _)| query.asks_for(key(*halves)));
        Self {
            runs: self.runs.clone(),
            newest: newest.copied().collect(),
        }
    }

    /// Adds what the page asks for.
    pub(super) fn add_to(&self, page: &mut PlacesPage) {
        for (halves, address) in &self.newest {
            page.add(key(*halves), *address);
        }
        let (first, last) = (halves(page.query.keys.0), halves(page.query.keys.1));
        let between = |run: &'_ Arc<[Place]>| {
            let from = run.partition_point(|(key, _)| *key < first);
            let to = run.partition_point(|(key, _)| *key <= last);
            from..to.max(from)
        };
        // Runs are about in order of time: once a page is full, most have nothing that it wants.
        if page.query.newest_first {
            for run in self.runs.iter().rev() {
                let places = run[between(run)].iter().rev();
                page.add_while_wanted(places.map(|(halves, address)| (key(*halves), *address)));
            }
        } else {
            for run in &self.runs {
                let places = run[between(run)].iter();
                page.add_while_wanted(places.map(|(halves, address)| (key(*halves), *address)));
            }
        }
    }
}

/// What is not in the layers of sealed segments, as one page needs it.
pub(crate) struct NewestPlaces(pub(super) ListPlaces);

/// Which places of a list are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlacesQuery {
    /// From the first key to the last, both included, of one list.
    pub(crate) keys: (u128, u128),
    /// Whether those with the largest keys come first.
    pub(crate) newest_first: bool,
    /// How many at most.
    pub(crate) limit: usize,
}

impl PlacesQuery {
    /// The question for what comes behind this key; `None` where that was the last place there can be.
    pub(crate) fn behind(self, key: u128) -> Option<Self> {
        let (first, last) = self.keys;
        let keys = if self.newest_first {
            (first, key.checked_sub(1)?)
        } else {
            (key.checked_add(1)?, last)
        };
        (keys.0 <= keys.1).then_some(Self { keys, ..self })
    }

    fn asks_for(&self, key: u128) -> bool {
        (self.keys.0..=self.keys.1).contains(&key)
    }
}

/// A page that is being filled from several layers, in any order. It holds at most twice what it may have.
pub(crate) struct PlacesPage {
    pub(super) query: PlacesQuery,
    places: Vec<(u128, Address)>,
    /// The last key of a full page: what comes behind it is not wanted.
    last: Option<u128>,
}

impl PlacesPage {
    pub(crate) const fn new(query: PlacesQuery) -> Self {
        Self {
            query,
            places: Vec::new(),
            last: None,
        }
    }

    /// Whether a place may be on the page, as far as it is filled.
    pub(super) fn wants(&self, key: u128) -> bool {
        let is_before = |last| match self.query.newest_first {
            true => key >= last,
            false => key <= last,
        };
        self.query.limit > 0 && self.query.asks_for(key) && self.last.is_none_or(is_before)
    }

    pub(super) fn add(&mut self, key: u128, address: Address) {
        if !self.wants(key) {
            return;
        }
        self.places.push((key, address));
        if self.places.len() >= self.query.limit.saturating_mul(2) {
            self.prune();
        }
    }

    /// Adds places in the page's order, until one is not wanted: then none behind it is.
    fn add_while_wanted(&mut self, places: impl Iterator<Item = (u128, Address)>) {
        for (key, address) in places {
            if !self.wants(key) {
                return;
            }
            self.add(key, address);
        }
    }

    fn prune(&mut self) {
        self.places.sort_unstable();
        // Of one place the newest record counts.
        self.places.reverse();
        self.places.dedup_by_key(|(key, _)| *key);
        if !self.query.newest_first {
            self.places.reverse();
        }
        self.places.truncate(self.query.limit);
        if self.places.len() == self.query.limit {
            self.last = self.places.last().map(|(key, _)| *key);
        }
    }

    /// The places, in order, each once.
    pub(crate) fn finish(mut self) -> Vec<(u128, Address)> {
        self.prune();
        self.places
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger::AccountId;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use testkit::Seeds;

    use super::*;

    #[test]
    fn lists_of_different_kinds_have_different_keys() {
        let account_id = AccountId::new("with").unwrap();
        let at = Timestamp::from_nanos(7);
        let transfers = list_key(ListName::TransfersOf(&account_id), at);
        let payments = list_key(ListName::PaymentsOf(&account_id), at);
        assert_ne!(list_of(transfers), list_of(payments));
        assert_eq!(transfers - list_of(transfers), 7);
        // The bytes of the files: they stay as they are.
        assert_eq!(transfers, KEY_OF_TRANSFERS);
    }

    const KEY_OF_TRANSFERS: u128 = 228_988_150_185_714_039_364_303_457_001_070_919_687;

    /// What a sorted map says, for any number of places.
    #[test]
    fn every_page_is_what_is_between() {
        for seed in Seeds::from_env(4) {
            let random = &mut StdRng::seed_from_u64(seed);
            let count = random.random_range(1..4 * RUN_PLACES as u64);
            let (mut places, mut model) = (ListPlaces::default(), BTreeMap::new());
            for number in 1..=count {
                let key = random.random_range(0..3_u128) << 64
                    | random.random_range(0..2 * u128::from(count));
                let address = Address::from_u64(number).unwrap();
                places.insert(key, address);
                model.insert(key, address);
            }
            let sorted: Vec<_> = model
                .iter()
                .map(|(key, address)| (*key, *address))
                .collect();
            assert_eq!(places.sorted(), sorted, "seed {seed}");
            for _ in 0..50 {
                let list = random.random_range(0..4_u128) << 64;
                let mut key = || list | random.random_range(0..=2 * u128::from(count));
                let keys = (key(), key());
                let newest_first = random.random();
                let limit = random.random_range(0..40);
                let query = PlacesQuery {
                    keys,
                    newest_first,
                    limit,
                };
                let mut page = PlacesPage::new(query);
                places.of_page(&query).add_to(&mut page);
                assert!(page.places.len() <= 2 * limit);
                let got = page.finish();
                let between = sorted
                    .iter()
                    .filter(|(key, _)| (keys.0..=keys.1).contains(key));
                let expected: Vec<_> = if newest_first {
                    between.rev().take(limit).copied().collect()
                } else {
                    between.take(limit).copied().collect()
                };
                assert_eq!(got, expected, "seed {seed}: {query:?}");
            }
        }
    }
}
