//! What has been decided and is not published yet, above the published books.

use std::cell::Cell;

use hashbrown::HashMap;

use journal::Address;
use ledger::{
    Account, AccountId, After, BatchId, Command, Event, Expiries, Millis, Payment, PaymentId,
    PaymentState, ProcessorName, Timestamp, Transfer, TransferId, UsedId,
};

use crate::accounts::{Accounts, Kept, Slot};
use crate::books::{Books, CHECKPOINT_ENTRIES};

/// The changes of the frame that is being gathered, and the expiries, which only the writer asks.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) accounts: DraftAccounts,
    pub(crate) transfers: HashMap<TransferId, Address>,
    pub(crate) payment_ids: HashMap<PaymentId, Address>,
    pub(crate) batches: HashMap<BatchId, Address>,
    pub(crate) checkpoints: Vec<(Slot, Address)>,
    pub(crate) payments: HashMap<PaymentId, Payment>,
    pub(crate) summary: Vec<SummaryChange>,
    pub(crate) purges: Vec<Timestamp>,
    pub(crate) expiries: Expiries,
    /// The record that the event in hand is written to.
    pub(crate) address: Option<Address>,
}

/// The entries before the ones that a transfer made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entered {
    pub(crate) debit_previous: Option<Address>,
    pub(crate) credit_previous: Option<Address>,
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

/// Accounts that differ from the published ones.
#[derive(Debug, Default)]
pub(crate) struct DraftAccounts {
    changed: Vec<(Slot, Kept)>,
    /// By slot: the place in `changed`, plus 1; 0 when unchanged.
    places: Vec<u32>,
    new: Vec<AccountId>,
    new_slots: HashMap<AccountId, Slot>,
    /// The slots asked for last: a transfer asks for its two accounts several times.
    recent: Cell<[Slot; 2]>,
}

impl DraftAccounts {
    /// Says that these published slots will be asked for next.
    pub(crate) fn expect(&self, slots: [Slot; 2]) {
        self.recent.set(slots);
    }

    pub(crate) fn slot(&self, published: &Accounts, id: &AccountId) -> Option<Slot> {
        let [newest, older] = self.recent.get();
        for slot in [newest, older] {
            if published.id(slot) == Some(id) {
                return Some(slot);
            }
        }
        match published.slot(id) {
            Some(slot) => {
                self.recent.set([slot, newest]);
                Some(slot)
            }
            None if self.new.is_empty() => None,
            None => self.new_slots.get(id).copied(),
        }
    }

    pub(crate) fn get<'a>(&'a self, published: &'a Accounts, id: &AccountId) -> Option<&'a Kept> {
        let slot = self.slot(published, id)?;
        match self.place(slot) {
            Some(place) => self.changed.get(place).map(|(_, kept)| kept),
            None => Some(published.kept(slot)),
        }
    }

    pub(crate) fn get_mut(&mut self, published: &Accounts, id: &AccountId) -> Option<&mut Kept> {
        let slot = self.slot(published, id)?;
        self.kept_mut(published, slot)
    }

    fn kept_mut(&mut self, published: &Accounts, slot: Slot) -> Option<&mut Kept> {
        let place = match self.place(slot) {
            Some(place) => place,
            None => self.change(slot, *published.kept(slot)),
        };
        self.changed.get_mut(place).map(|(_, kept)| kept)
    }

    pub(crate) fn insert(&mut self, published: &Accounts, id: &AccountId, kept: Kept) {
        let count = published.len() + self.new.len();
        let slot = Slot::try_from(count).unwrap_or_else(|_| panic!("2^32 accounts"));
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

impl Draft {
    /// The accepted payments, those of the draft included.
    pub(crate) fn payments_accepted(&self, books: &Books) -> Vec<Payment> {
        let unchanged = books
            .payments
            .iter()
            .filter(|payment| !self.payments.contains_key(&payment.id));
        let mut accepted: Vec<Payment> = unchanged
            .chain(self.payments.values())
            .filter(|payment| payment.state == PaymentState::Accepted)
            .cloned()
            .collect();
        accepted.sort_by_key(|payment| payment.accepted_at);
        accepted
    }

    pub(crate) fn insert_account(&mut self, books: &Books, id: &AccountId, account: Account) {
        let opened = if id.is_reserved() { None } else { self.address };
        let kept = Kept {
            account,
            last_entry: None,
            opened,
        };
        self.accounts.insert(&books.accounts, id, kept);
    }

    pub(crate) fn account_mut(&mut self, books: &Books, id: &AccountId) -> Option<&mut Account> {
        self.accounts
            .get_mut(&books.accounts, id)
            .map(|kept| &mut kept.account)
    }

    /// Remembers what the event says beyond its accounts' totals.
    pub(crate) fn remember(&mut self, books: &Books, event: &Event) {
        let Some(address) = self.address else { return };
        if let Some(transfer) = event.transfer() {
            self.remember_transfer(transfer, address);
        }
        if let Some(payment) = event.payment() {
            self.payment_ids.insert(payment.id, address);
            self.payments.insert(payment.id, payment.clone());
        }
        match event {
            Event::PaymentAccepted(payment) => {
                self.transfers
                    .insert(TransferId::of_payment(payment.id), address);
            }
            Event::PaymentSettled { payment, .. } => self.summarize(books, payment),
            Event::PaymentsPurged { timestamp, .. } => self.purge(books, *timestamp),
            Event::Refused { command, .. } => self.remember_refused(command, address),
            Event::Batch(batch) => {
                self.batches.insert(batch.id, address);
            }
            _ => {}
        }
    }

    fn remember_transfer(&mut self, transfer: &Transfer, address: Address) {
        self.transfers.insert(transfer.id, address);
        if let Some((pending_id, _)) = transfer.ends() {
            self.transfers.insert(pending_id, address);
        }
        self.expiries.record(transfer);
    }

    /// Enters the transfer into its accounts' statements.
    pub(crate) fn enter(
        &mut self,
        books: &Books,
        transfer: &Transfer,
        address: Address,
    ) -> Entered {
        let mut enter = |id, after: Option<After>| self.enter_side(books, id, after?, address);
        Entered {
            debit_previous: enter(&transfer.debit_account_id, transfer.debit),
            credit_previous: enter(&transfer.credit_account_id, transfer.credit),
        }
    }

    fn enter_side(
        &mut self,
        books: &Books,
        id: &AccountId,
        after: After,
        address: Address,
    ) -> Option<Address> {
        let slot = self.accounts.slot(&books.accounts, id)?;
        if after.entry_number.is_multiple_of(CHECKPOINT_ENTRIES) {
            self.checkpoints.push((slot, address));
        }
        let kept = self.accounts.kept_mut(&books.accounts, slot)?;
        kept.last_entry.replace(address)
    }

    fn remember_refused(&mut self, command: &Command, address: Address) {
        match command.used_id() {
            Some(UsedId::Transfer(id)) => {
                self.transfers.insert(id, address);
            }
            Some(UsedId::Payment(id)) => {
                self.payment_ids.insert(id, address);
            }
            None => {}
        }
    }

    fn summarize(&mut self, books: &Books, payment: &Payment) {
        let counted = match self.purges.last() {
            Some(purged_at) => payment.accepted_at > *purged_at,
            None => books.is_counted(payment.accepted_at),
        };
        if let PaymentState::Settled {
            processor,
            requested_at,
        } = &payment.state
            && counted
        {
            self.summary.push(SummaryChange::Settled {
                processor: processor.clone(),
                requested_at: *requested_at,
                amount: payment.amount,
            });
        }
    }

    fn purge(&mut self, books: &Books, timestamp: Timestamp) {
        for payment in self.payments_accepted(books) {
            self.payments.insert(payment.id, payment.purged(timestamp));
        }
        self.summary.push(SummaryChange::Purged);
        self.purges.push(timestamp);
    }
}
