//! What one frame changes.

use hashbrown::HashMap;

use journal::Address;
use ledger::{AccountId, Event, Millis, Payment, PaymentId, ProcessorName, Timestamp};

use crate::accounts::{Accounts, Kept, Slot};
use crate::ids::{Ids, Space, table_keys, uses_new_transfer_id};

/// What a frame's events change of the books.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) accounts: ChangedAccounts,
    pub(crate) ids: ChangedIds,
    pub(crate) checkpoints: Vec<(Slot, Address)>,
    pub(crate) payments: HashMap<PaymentId, Payment>,
    /// The newest resolutions.
    pub(crate) resolutions: HashMap<PaymentId, Address>,
    pub(crate) summary: Vec<SummaryChange>,
    pub(crate) purges: Vec<Timestamp>,
    /// When its newest event was decided.
    pub(crate) newest: Option<Timestamp>,
    /// When the newest payment was accepted, where one was.
    pub(crate) payment_accepted_at: Option<Timestamp>,
}

/// Where the newest records are about the ids that a frame used, and what it added to lists.
#[derive(Debug, Default)]
pub(crate) struct ChangedIds {
    by_space: [HashMap<u128, Address>; Space::IDS.len()],
    lists: Vec<(u128, Address)>,
    /// How many ids of transfers were new.
    new_transfers_count: u64,
}

impl ChangedIds {
    pub(crate) fn get(&self, space: Space, id: u128) -> Option<Address> {
        self.by_space.get(space as usize)?.get(&id).copied()
    }

    /// Takes in the ids that an event used and what it added to lists; its record is at `address`.
    pub(crate) fn take_in(&mut self, event: &Event, address: Address) {
        table_keys(event, |space, key| {
            match self.by_space.get_mut(space as usize) {
                Some(ids) => {
                    ids.insert(key, address);
                }
                None => self.lists.push((key, address)),
            }
        });
        self.new_transfers_count += u64::from(uses_new_transfer_id(event));
    }

    /// Hands all of it over. Returns how many ids of transfers were new.
    pub(crate) fn publish(&mut self, published: &mut Ids) -> u64 {
        for (space, ids) in Space::IDS.into_iter().zip(&mut self.by_space) {
            for (id, address) in ids.drain() {
                published.insert(space, id, address);
            }
        }
        for (place, address) in self.lists.drain(..) {
            published.insert(Space::Lists, place, address);
        }
        std::mem::take(&mut self.new_transfers_count)
    }
}

/// What happens to the sums of settled payments.
#[derive(Debug)]
pub(crate) enum SummaryChange {
    Settled {
        processor: ProcessorName,
        requested_at: Millis,
        amount: u64,
    },
    Purged,
}

/// Accounts that a frame opens or changes.
#[derive(Debug, Default)]
pub(crate) struct ChangedAccounts {
    changed: Vec<(Slot, Kept)>,
    /// By slot: the place in `changed`, plus 1; 0 when unchanged.
    places: Vec<u32>,
    new: Vec<AccountId>,
    new_slots: HashMap<AccountId, Slot>,
}

impl ChangedAccounts {
    /// How many it opens.
    pub(crate) const fn new_count(&self) -> usize {
        self.new.len()
    }

    /// The slot of an account that it opens.
    pub(crate) fn new_slot(&self, id: &AccountId) -> Option<Slot> {
        if self.new.is_empty() {
            return None;
        }
        self.new_slots.get(id).copied()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Kept> {
        let (_, kept) = self.changed.get(self.place(slot)?)?;
        Some(kept)
    }

    /// The account as it is changed; `before` tells what it was.
    pub(crate) fn get_mut(&mut self, slot: Slot, before: impl FnOnce() -> Kept) -> &mut Kept {
        let place = match self.place(slot) {
            Some(place) => place,
            None => self.change(slot, before()),
        };
        &mut self.changed[place].1
    }

    pub(crate) fn open(&mut self, slot: Slot, id: &AccountId, kept: Kept) {
        self.new.push(id.clone());
        self.new_slots.insert(id.clone(), slot);
        self.change(slot, kept);
    }

    /// Hands the changes over. New accounts are in `changed` in the order of their slots.
    pub(crate) fn publish(&mut self, published: &mut Accounts) {
        self.new_slots.clear();
        let mut new = self.new.drain(..);
        for (slot, kept) in self.changed.drain(..) {
            self.places[slot as usize] = 0;
            if (slot as usize) < published.len() {
                published.set(slot, kept);
            } else if let Some(id) = new.next() {
                published.push(id, kept);
            }
        }
    }

    fn place(&self, slot: Slot) -> Option<usize> {
        match self.places.get(slot as usize) {
            None | Some(0) => None,
            Some(place) => Some(*place as usize - 1),
        }
    }

    fn change(&mut self, slot: Slot, kept: Kept) -> usize {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, 0);
        }
        self.changed.push((slot, kept));
        let place = u32::try_from(self.changed.len()).unwrap_or_else(|_| panic!("2^32 changes"));
        self.places[slot as usize] = place;
        place as usize - 1
    }
}
