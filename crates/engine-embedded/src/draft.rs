//! What has been decided and is not published yet, above the published books.

use std::cell::Cell;

use journal::Address;
use ledger::{
    Account, AccountId, After, Event, Expiries, Payment, PaymentId, PaymentState, Timestamp,
    Transfer,
};

use crate::accounts::{Accounts, Kept, Slot};
use crate::books::{Books, CHECKPOINT_ENTRIES};
use crate::changes::{Changes, SummaryChange};
use crate::ids::Space;

/// The changes of the frame that is being gathered, and of the one before it until that is durable;
/// and the expiries, which only the writer asks.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) open: Changes,
    /// What the frame that is being written changes. Empty if no frame is being written.
    pub(crate) sealed: Changes,
    pub(crate) expiries: Expiries,
    /// The record that the event in hand is written to.
    pub(crate) address: Option<Address>,
    /// The slots asked for last: a transfer asks for its two accounts several times.
    recent: Cell<[Slot; 2]>,
}

/// The entries before the ones that a transfer made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entered {
    pub(crate) debit_previous: Option<Address>,
    pub(crate) credit_previous: Option<Address>,
}

impl Draft {
    /// The frame is sealed: what comes now belongs to the next one.
    pub(crate) fn seal(&mut self) {
        std::mem::swap(&mut self.open, &mut self.sealed);
    }

    /// Says that these published slots will be asked for next.
    pub(crate) fn expect(&self, slots: [Slot; 2]) {
        self.recent.set(slots);
    }

    /// The account as it is decided upon.
    pub(crate) fn kept<'a>(&'a self, books: &'a Books, id: &AccountId) -> Option<&'a Kept> {
        let slot = self.slot(&books.accounts, id)?;
        let open = self.open.accounts.get(slot);
        Some(open.unwrap_or_else(|| before(&self.sealed, &books.accounts, slot)))
    }

    /// Where the newest record about this id is, unless a published one is the newest.
    pub(crate) fn newest(&self, space: Space, id: u128) -> Option<Address> {
        let open = self.open.ids.get(space, id);
        open.or_else(|| self.sealed.ids.get(space, id))
    }

    /// The payment, unless it is as it was published.
    pub(crate) fn payment(&self, id: PaymentId) -> Option<&Payment> {
        let open = self.open.payments.get(&id);
        open.or_else(|| self.sealed.payments.get(&id))
    }

    /// Where the payment's newest resolution is, unless a published one is the newest.
    pub(crate) fn newest_resolution(&self, id: PaymentId) -> Option<Address> {
        let open = self.open.resolutions.get(&id);
        open.or_else(|| self.sealed.resolutions.get(&id)).copied()
    }

    fn slot(&self, published: &Accounts, id: &AccountId) -> Option<Slot> {
        let [newest, older] = self.recent.get();
        for slot in [newest, older] {
            if published.id(slot) == Some(id) {
                return Some(slot);
            }
        }
        if let Some(slot) = published.slot(id) {
            self.recent.set([slot, newest]);
            return Some(slot);
        }
        let sealed = self.sealed.accounts.new_slot(id);
        sealed.or_else(|| self.open.accounts.new_slot(id))
    }

    fn kept_mut(&mut self, published: &Accounts, slot: Slot) -> &mut Kept {
        let Self { open, sealed, .. } = self;
        let before = || *before(sealed, published, slot);
        open.accounts.get_mut(slot, before)
    }

    /// The accepted payments, those of the draft included.
    pub(crate) fn payments_accepted(&self, books: &Books) -> Vec<Payment> {
        let published = books.payments.iter();
        let unchanged = published.filter(|payment| self.payment(payment.id).is_none());
        let sealed = self.sealed.payments.values();
        let sealed = sealed.filter(|payment| !self.open.payments.contains_key(&payment.id));
        let mut accepted: Vec<Payment> = unchanged
            .chain(sealed)
            .chain(self.open.payments.values())
            .filter(|payment| payment.state == PaymentState::Accepted)
            .cloned()
            .collect();
        accepted.sort_by_key(|payment| payment.accepted_at);
        accepted
    }

    /// When the newest payment was accepted, those of the draft included.
    pub(crate) fn payment_accepted_at(&self, books: &Books) -> Timestamp {
        let open = self.open.payment_accepted_at;
        let drafted = open.or(self.sealed.payment_accepted_at);
        drafted.unwrap_or(books.payment_accepted_at)
    }

    pub(crate) fn insert_account(&mut self, books: &Books, id: &AccountId, account: Account) {
        let opened = if id.is_reserved() { None } else { self.address };
        let kept = Kept {
            account,
            last_entry: None,
            opened,
        };
        let sealed_count = self.sealed.accounts.new_count();
        let count = books.accounts.len() + sealed_count + self.open.accounts.new_count();
        let slot = Slot::try_from(count).unwrap_or_else(|_| panic!("2^32 accounts"));
        self.open.accounts.open(slot, id, kept);
    }

    pub(crate) fn account_mut(&mut self, books: &Books, id: &AccountId) -> Option<&mut Account> {
        let slot = self.slot(&books.accounts, id)?;
        Some(&mut self.kept_mut(&books.accounts, slot).account)
    }

    /// Remembers what the event says beyond its accounts' totals.
    pub(crate) fn remember(&mut self, books: &Books, event: &Event) {
        let address = self
            .address
            .unwrap_or_else(|| unreachable!("an event is taken in with the address of its record"));
        self.open.ids.take_in(event, address);
        self.open.newest = Some(event.timestamp());
        if let Some(transfer) = event.transfer() {
            self.expiries.record(transfer);
        }
        if let Some(payment) = event.payment() {
            self.open.payments.insert(payment.id, payment.clone());
        }
        match event {
            Event::PaymentAccepted(payment) => {
                self.open.payment_accepted_at = Some(payment.accepted_at);
            }
            Event::PaymentSettled { payment, .. } => self.summarize(books, payment),
            Event::PaymentResolved(resolved) => {
                self.open.resolutions.insert(resolved.payment.id, address);
                self.summarize(books, &resolved.payment);
            }
            Event::PaymentsPurged { timestamp, .. } => self.purge(books, *timestamp),
            Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::Transfer(_)
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentRefused(_)
            | Event::Refused { .. }
            | Event::Batch(_) => {}
        }
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
        let slot = self.slot(&books.accounts, id)?;
        if after.entry_number.is_multiple_of(CHECKPOINT_ENTRIES) {
            self.open.checkpoints.push((slot, address));
        }
        let kept = self.kept_mut(&books.accounts, slot);
        kept.last_entry.replace(address)
    }

    fn summarize(&mut self, books: &Books, payment: &Payment) {
        let purges = [&self.open.purges, &self.sealed.purges];
        let counted = match purges.into_iter().find_map(|purges| purges.last()) {
            Some(purged_at) => payment.accepted_at > *purged_at,
            None => books.is_counted(payment.accepted_at),
        };
        if let PaymentState::Settled {
            processor,
            requested_at,
        } = &payment.state
            && counted
        {
            self.open.summary.push(SummaryChange::Settled {
                processor: processor.clone(),
                requested_at: *requested_at,
                amount: payment.amount,
            });
        }
    }

    fn purge(&mut self, books: &Books, timestamp: Timestamp) {
        for payment in self.payments_accepted(books) {
            self.open
                .payments
                .insert(payment.id, payment.purged(timestamp));
        }
        self.open.summary.push(SummaryChange::Purged);
        self.open.purges.push(timestamp);
    }
}

/// The account as it was before the open frame.
fn before<'a>(sealed: &'a Changes, published: &'a Accounts, slot: Slot) -> &'a Kept {
    let sealed = sealed.accounts.get(slot);
    sealed.unwrap_or_else(|| published.kept(slot))
}
