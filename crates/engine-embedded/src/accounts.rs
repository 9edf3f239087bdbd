//! The accounts, by slot: an account's place in the order of openings.
//!
//! About 130 bytes an account, and what its id takes above 24 characters; 8 more in the draft.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::DefaultHashBuilder;
use journal::Address;
use ledger::{Account, AccountId};

use crate::shards::Shards;

/// An account's place in the order of openings. Below 2^32 accounts.
pub(crate) type Slot = u32;

/// Slots are kept in chunks, so that a new account never moves the others.
const CHUNK: usize = 1 << 14;

/// What is kept of an account in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) account: Account,
    /// Its newest entry.
    pub(crate) last_entry: Option<Address>,
    /// The record that opened it; `None` for the system's own.
    pub(crate) opened: Option<Address>,
}

#[derive(Debug, Default)]
pub(crate) struct Accounts {
    chunks: Vec<Vec<(AccountId, Kept)>>,
    len: usize,
    slots: Shards<Slot>,
    hasher: DefaultHashBuilder,
    copy: Option<Copying>,
}

/// A copy that is being taken, slot by slot.
#[derive(Debug)]
struct Copying {
    /// How many accounts there were when it was begun.
    len: usize,
    /// How many of them are copied.
    copied: AtomicUsize,
    /// The others that have changed since, as they were: all there are, where the disk is slow.
    before: Shards<(Slot, Kept)>,
}

impl Copying {
    /// Keeps what an account was, if it has not changed before.
    fn keep(&mut self, hasher: &DefaultHashBuilder, slot: Slot, kept: Kept) {
        let hash = hasher.hash_one(slot);
        let rehash = |(slot, _): &(Slot, Kept)| hasher.hash_one(*slot);
        let shard = self.before.of_mut(hash);
        shard
            .entry(hash, |(other, _)| *other == slot, rehash)
            .or_insert((slot, kept));
    }

    /// What the account was, if it has changed since.
    fn before(&self, hasher: &DefaultHashBuilder, slot: Slot) -> Option<&Kept> {
        let hash = hasher.hash_one(slot);
        let found = self.before.of(hash).find(hash, |(other, _)| *other == slot);
        found.map(|(_, kept)| kept)
    }
}

impl Accounts {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn slot(&self, id: &AccountId) -> Option<Slot> {
        let hash = self.hasher.hash_one(id.as_str());
        self.slots
            .of(hash)
            .find(hash, |slot| self.at(*slot).0 == *id)
            .copied()
    }

    pub(crate) fn get(&self, id: &AccountId) -> Option<&Kept> {
        self.slot(id).map(|slot| self.kept(slot))
    }

    /// The id of the account in this slot, if there is one.
    pub(crate) fn id(&self, slot: Slot) -> Option<&AccountId> {
        let slot = slot as usize;
        self.chunks
            .get(slot / CHUNK)?
            .get(slot % CHUNK)
            .map(|(id, _)| id)
    }

    pub(crate) fn kept(&self, slot: Slot) -> &Kept {
        &self.at(slot).1
    }

    pub(crate) fn set(&mut self, slot: Slot, kept: Kept) {
        let place = slot as usize;
        let now = &mut self.chunks[place / CHUNK][place % CHUNK].1;
        let before = std::mem::replace(now, kept);
        if let Some(copy) = &mut self.copy
            && place < copy.len
            && place >= *copy.copied.get_mut()
        {
            copy.keep(&self.hasher, slot, before);
        }
    }

    /// All of them, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AccountId, &Kept)> {
        self.chunks.iter().flatten().map(|(id, kept)| (id, kept))
    }

    /// The id of the account in this slot, which is there.
    pub(crate) fn name(&self, slot: Slot) -> &AccountId {
        &self.at(slot).0
    }

    /// Whether the same accounts are in the same slots.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.chunks == other.chunks
    }

    /// Begins a copy of the accounts as they are now, to be taken a part at a time.
    pub(crate) fn begin_copy(&mut self) {
        self.copy = Some(Copying {
            len: self.len,
            copied: AtomicUsize::new(0),
            before: Shards::default(),
        });
    }

    /// Hands the next accounts of the copy over, at most `count_max` of them, as they were when it
    /// was begun. Whether there were any.
    pub(crate) fn copy_next(
        &self,
        count_max: usize,
        mut visit: impl FnMut(Slot, &AccountId, &Kept),
    ) -> bool {
        let Some(copy) = &self.copy else { return false };
        let from = copy.copied.load(Ordering::Relaxed);
        let to = copy.len.min(from + count_max);
        for place in from..to {
            let slot = Slot::try_from(place).unwrap_or_else(|_| panic!("2^32 accounts"));
            let (id, now) = self.at(slot);
            visit(slot, id, copy.before(&self.hasher, slot).unwrap_or(now));
        }
        // The writer changes an account only while nobody reads: after this, or before it all.
        copy.copied.store(to, Ordering::Relaxed);
        from < to
    }

    /// The copy is complete, or not wanted any more. Gives back what it took, to be freed.
    pub(crate) fn end_copy(&mut self) -> impl Send + use<> {
        self.copy.take()
    }

    /// Adds an account in the next slot. Its id must be new.
    pub(crate) fn push(&mut self, id: AccountId, kept: Kept) {
        let slot = Slot::try_from(self.len()).unwrap_or_else(|_| panic!("2^32 accounts"));
        let hash = self.hasher.hash_one(id.as_str());
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows as any vector does: a small ledger stays small.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push((id, kept));
        }
        self.len += 1;
        let Self {
            chunks,
            slots,
            hasher,
            ..
        } = self;
        slots.of_mut(hash).insert_unique(hash, slot, |slot| {
            let slot = *slot as usize;
            hasher.hash_one(chunks[slot / CHUNK][slot % CHUNK].0.as_str())
        });
    }

    fn at(&self, slot: Slot) -> &(AccountId, Kept) {
        let slot = slot as usize;
        &self.chunks[slot / CHUNK][slot % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Currency, Limit, Timestamp};

    #[test]
    fn an_account_takes_at_most_200_bytes() {
        // A full hash table is 7/8 of its capacity; right after it has grown it is half of that.
        let table_bytes_max = (size_of::<Slot>() + 1) * 8 / 7 * 2;
        // The draft has a place for each in both of its layers.
        let places_bytes = 2 * size_of::<u32>();
        // A leaf of the order is half full at least.
        let order_bytes_max = 2 * size_of::<Slot>() + 1;
        let account_bytes = size_of::<(AccountId, Kept)>();
        assert!(account_bytes + table_bytes_max + places_bytes + order_bytes_max <= 200);
    }

    fn kept(limit: usize) -> Kept {
        let currency = Currency::new("BRL").unwrap();
        let limit = Limit::Credit(limit as u64);
        Kept {
            account: Account::new(currency, limit, Timestamp::default()),
            last_entry: None,
            opened: None,
        }
    }

    /// So many accounts, each with its slot as its limit.
    fn filled(count: usize) -> Accounts {
        let mut accounts = Accounts::default();
        for number in 0..count {
            let id = AccountId::new(&format!("users:{number}")).unwrap();
            accounts.push(id, kept(number));
        }
        accounts
    }

    /// However many change while a copy is taken, no change waits for all of them to be moved.
    #[test]
    fn what_changes_during_a_copy_is_kept_in_small_parts() {
        let count = 2 * CHUNK;
        let mut accounts = filled(count);
        accounts.begin_copy();
        for round in 0..2 {
            for slot in 0..count {
                let slot = Slot::try_from(slot).unwrap();
                accounts.set(slot, kept(count + round));
            }
        }
        let before = &accounts.copy.as_ref().unwrap().before;
        assert_eq!(before.len(), count);
        assert!(before.fullest() < count / 100, "{}", before.fullest());
        let mut copied = 0;
        while accounts.copy_next(500, |slot, _, kept| {
            assert_eq!(slot as usize, copied);
            assert_eq!(kept.account.limit, Limit::Credit(copied as u64));
            copied += 1;
        }) {}
        assert_eq!(copied, count);
    }

    #[test]
    fn accounts_are_found_across_chunks() {
        let count = 2 * CHUNK + 3;
        let accounts = filled(count);
        for number in [0, 1, CHUNK - 1, CHUNK, count - 1] {
            let id = AccountId::new(&format!("users:{number}")).unwrap();
            assert_eq!(accounts.slot(&id), Some(Slot::try_from(number).unwrap()));
            assert_eq!(
                accounts.get(&id).unwrap().account.limit,
                Limit::Credit(number as u64)
            );
        }
        assert_eq!(accounts.len(), count);
        assert_eq!(accounts.slots.len(), count);
        // Opening one never waits for all to be moved.
        assert!(accounts.slots.fullest() < count / 100);
        assert!(accounts.get(&AccountId::new("users:x").unwrap()).is_none());
    }
}
