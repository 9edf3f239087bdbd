//! The accounts in the byte order of their ids: slots in leaves, each leaf under an id that none of its
//! ids comes before.
//!
//! 4 to 8 bytes an account. The writer knows nothing of it: who lists accounts takes in first what was opened
//! since somebody did so before. That looks at some 8 names for each and moves at most a leaf's slots, however
//! many accounts there are.

use std::collections::BTreeMap;
use std::ops::Bound;

use ledger::AccountId;

use crate::accounts::{Accounts, Slot};

/// How many slots a leaf has, at most.
const LEAF_SLOTS_MAX: usize = 256;
/// How many it has where all accounts are put in order at once: the rest is for what is opened later.
const LEAF_SLOTS_AT_FIRST: usize = 192;
/// How much of a name is compared without a look at the account.
const KEY_WORDS: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct NameOrder {
    leaves: BTreeMap<AccountId, Vec<Slot>>,
    /// The first so many accounts are in order.
    len: usize,
}

/// The beginning of a name, as numbers in the order of the names.
type Key = [u64; KEY_WORDS];

fn key(id: &AccountId) -> Key {
    let name = id.as_str().as_bytes();
    let mut bytes = [0; KEY_WORDS * 8];
    let length = name.len().min(bytes.len());
    bytes[..length].copy_from_slice(&name[..length]);
    let mut key = [0; KEY_WORDS];
    for (word, bytes) in key.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    key
}

impl NameOrder {
    /// Puts all accounts in order at once, in time that is small beside that of reading them.
    pub(crate) fn of(accounts: &Accounts) -> Self {
        let ids = accounts.iter().map(|(id, _)| key(id));
        let mut keyed: Vec<(Key, Slot)> = ids.zip(0..).collect();
        keyed.sort_unstable_by(|(key, slot), (other_key, other)| {
            key.cmp(other_key)
                .then_with(|| accounts.name(*slot).cmp(accounts.name(*other)))
        });
        let leaves = keyed.chunks(LEAF_SLOTS_AT_FIRST).map(|leaf| {
            let slots: Vec<Slot> = leaf.iter().map(|(_, slot)| *slot).collect();
            (accounts.name(slots[0]).clone(), slots)
        });
        Self {
            leaves: leaves.collect(),
            len: accounts.len(),
        }
    }

    /// How many accounts are in order: the first that were opened.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Takes in the accounts that were opened since, at most so many.
    pub(crate) fn extend(&mut self, accounts: &Accounts, count_max: usize) {
        let to = accounts.len().min(self.len + count_max);
        for place in self.len..to {
            let slot = Slot::try_from(place).unwrap_or_else(|_| panic!("2^32 accounts"));
            self.insert(slot, accounts);
        }
        self.len = to;
    }

    fn insert(&mut self, slot: Slot, accounts: &Accounts) {
        let new = accounts.name(slot);
        let last = self.leaves.last_key_value();
        let is_in_last = last.is_some_and(|(first, _)| first <= new);
        let Some((_, leaf)) = self.leaves.range_mut::<AccountId, _>(..=new).next_back() else {
            // It comes before all others.
            let mut leaf = match self.leaves.pop_first() {
                Some((_, leaf)) if leaf.len() < LEAF_SLOTS_MAX => leaf,
                Some((first, full)) => {
                    self.leaves.insert(first, full);
                    Vec::new()
                }
                None => Vec::new(),
            };
            leaf.insert(0, slot);
            self.leaves.insert(new.clone(), leaf);
            return;
        };
        let place = leaf.partition_point(|other| accounts.name(*other) < new);
        if leaf.len() < LEAF_SLOTS_MAX {
            leaf.insert(place, slot);
            return;
        }
        // What is opened in the order of names fills its leaves. Elsewhere than at the end of all, a leaf
        // of one could be followed by any number of others.
        if is_in_last && place == LEAF_SLOTS_MAX {
            self.leaves.insert(new.clone(), vec![slot]);
            return;
        }
        let mut upper = leaf.split_off(LEAF_SLOTS_MAX / 2);
        leaf.shrink_to_fit();
        let first = accounts.name(upper[0]).clone();
        match place.checked_sub(leaf.len()) {
            Some(place) if place > 0 => upper.insert(place, slot),
            Some(_) | None => leaf.insert(place, slot),
        }
        self.leaves.insert(first, upper);
    }

    /// The slots from there on, in order.
    pub(crate) fn slots_from(
        &self,
        from: Bound<&AccountId>,
        accounts: &Accounts,
    ) -> impl Iterator<Item = Slot> {
        let is_before = |other: &AccountId| match from {
            Bound::Included(from) => other < from,
            Bound::Excluded(from) => other <= from,
            Bound::Unbounded => false,
        };
        let first = match from {
            Bound::Included(from) | Bound::Excluded(from) => {
                self.leaves.range::<AccountId, _>(..=from).next_back()
            }
            Bound::Unbounded => None,
        };
        let (leaves, passed) = match first {
            Some((first, leaf)) => {
                let passed = leaf.partition_point(|slot| is_before(accounts.name(*slot)));
                (self.leaves.range::<AccountId, _>(first..), passed)
            }
            None => (self.leaves.range::<AccountId, _>(..), 0),
        };
        leaves
            .flat_map(|(_, leaf)| leaf.iter().copied())
            .skip(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Kept;
    use ledger::{Account, Currency, Limit, Timestamp};
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    /// Names that differ early, late, in length, and only behind what a key has.
    fn names(count: usize) -> Vec<AccountId> {
        let text = |number: usize| match number % 4 {
            0 => format!("users:{number}"),
            1 => format!("{number:04x}"),
            2 => format!("a-long-beginning-that-many-have:{number}"),
            _ => format!("Z{}", "_".repeat(number % 60)) + &(number / 60).to_string(),
        };
        let mut names: Vec<_> = (0..count)
            .map(|number| AccountId::new(&text(number)).unwrap())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn open(accounts: &mut Accounts, names: &[AccountId]) {
        let currency = Currency::new("BRL").unwrap();
        let account = Account::new(currency, Limit::Credit(0), Timestamp::default());
        for name in names {
            let kept = Kept {
                account,
                last_entry: None,
                opened: None,
            };
            accounts.push(name.clone(), kept);
        }
    }

    fn listed<'a>(
        order: &NameOrder,
        accounts: &'a Accounts,
        from: Bound<&AccountId>,
    ) -> Vec<&'a AccountId> {
        let slots = order.slots_from(from, accounts);
        slots.map(|slot| accounts.name(slot)).collect()
    }

    fn check(order: &NameOrder, accounts: &Accounts, sorted: &[AccountId], from: usize) {
        let bound = &sorted[from];
        for (bound, expected) in [
            (Bound::Included(bound), &sorted[from..]),
            (Bound::Excluded(bound), &sorted[from + 1..]),
            (Bound::Unbounded, sorted),
        ] {
            let expected: Vec<_> = expected.iter().collect();
            assert_eq!(listed(order, accounts, bound), expected);
        }
    }

    #[test]
    fn any_order_of_openings_leads_to_the_order_of_names() {
        let sorted = names(5_000);
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        for kind in 0..3 {
            let mut names = sorted.clone();
            match kind {
                0 => {}
                1 => names.reverse(),
                _ => names.shuffle(&mut rng),
            }
            for at_once in [0, names.len() / 3, names.len()] {
                let mut accounts = Accounts::default();
                open(&mut accounts, &names[..at_once]);
                let mut order = NameOrder::of(&accounts);
                open(&mut accounts, &names[at_once..]);
                while order.len() < accounts.len() {
                    order.extend(&accounts, 700);
                }
                for _ in 0..20 {
                    let from = rng.random_range(0..sorted.len());
                    check(&order, &accounts, &sorted, from);
                }
                let leaves = order.leaves.values();
                let fullest = leaves.clone().map(Vec::len).max();
                assert!(fullest <= Some(LEAF_SLOTS_MAX), "{fullest:?}");
                // A leaf that was split was full before.
                let is_spare = |leaf: &&Vec<Slot>| leaf.len() < LEAF_SLOTS_MAX / 2;
                let spare = leaves.filter(is_spare).count();
                assert!(spare <= 2, "{spare}");
            }
        }
        let nothing = listed(
            &NameOrder::default(),
            &Accounts::default(),
            Bound::Unbounded,
        )
        .len();
        assert_eq!(nothing, 0);
    }

    #[test]
    fn a_name_between_two_is_found_where_it_would_be() {
        let names = ["b", "d", "f"].map(|name| AccountId::new(name).unwrap());
        let mut accounts = Accounts::default();
        open(&mut accounts, &names);
        let order = NameOrder::of(&accounts);
        for (from, expected) in [("a", 3), ("c", 2), ("e", 1), ("g", 0)] {
            let from = AccountId::new(from).unwrap();
            for bound in [Bound::Included(&from), Bound::Excluded(&from)] {
                assert_eq!(listed(&order, &accounts, bound).len(), expected);
            }
        }
    }
}
