//! The state that decisions are made upon: the published books with the draft above them.

use std::cell::{Cell, RefCell};
use std::vec;

use hashbrown::HashMap;
use journal::{Address, Journal, Reader, Storage};
use ledger::{
    Account, AccountId, BatchDecided, BatchId, Command, Digest, Event, Outcome, Payment, PaymentId,
    RecordingState, State, StateMut, Timestamp, Transfer, TransferId, UsedBatch, UsedPayment,
    UsedTransfer, evolve,
};
use stdx::invariant;

use crate::accounts::Slot;
use crate::books::Books;
use crate::draft::{Draft, Entered};
use crate::ids::{Space, Waiting};
use crate::lookup::{self, LookupError, Records};
use crate::record::{Links, encode};

/// What was looked up of a command before it is decided.
#[derive(Clone, Copy)]
struct Ahead {
    slots: [Slot; 2],
    unused: Option<(Space, u128)>,
}

impl Ahead {
    const NOTHING: Self = Self {
        slots: [Slot::MAX; 2],
        unused: None,
    };
}

/// The writer's view while it decides one batch.
pub(crate) struct Working<'a, S: Storage> {
    pub(crate) books: &'a Books,
    pub(crate) draft: &'a mut Draft,
    pub(crate) journal: &'a mut Journal<S>,
    pub(crate) reader: &'a Reader<S>,
    /// What was looked up of the commands that are decided next.
    ahead: vec::IntoIter<Ahead>,
    /// The id of the command in hand, if no record is about it.
    unused: Cell<Option<(Space, u128)>>,
    /// Where the own records of transfers were found that were looked up: a record that ends, posts or reverses one leads
    /// to it, and is written without asking the disk again.
    own: RefCell<HashMap<TransferId, Address>>,
    /// A look-up that failed: what was decided upon it does not count.
    failure: RefCell<Option<LookupError>>,
}

impl<'a, S: Storage> Working<'a, S> {
    pub(crate) fn new(
        books: &'a Books,
        draft: &'a mut Draft,
        journal: &'a mut Journal<S>,
        reader: &'a Reader<S>,
    ) -> Self {
        Self {
            books,
            draft,
            journal,
            reader,
            ahead: Vec::new().into_iter(),
            unused: Cell::new(None),
            own: RefCell::default(),
            failure: RefCell::new(None),
        }
    }

    /// Brings the draft to what the event says and adds its record to the open frame, with a link
    /// to `origin`.
    fn push(&mut self, event: &Event, origin: Option<Address>) -> Address {
        let address = self.journal.next_address();
        let (books, draft) = (self.books, &mut *self.draft);
        let entered = Drafting { books, draft }.take_in(event, address);
        let links = Links {
            debit_previous: entered.debit_previous.map_or(0, Address::to_u64),
            credit_previous: entered.credit_previous.map_or(0, Address::to_u64),
            origin: origin.map_or(0, Address::to_u64),
        };
        self.journal.push(|bytes| encode(links, event, bytes));
        address
    }

    /// Where what the event ends or follows upon is.
    fn origin(&self, event: &Event) -> Option<Address> {
        if let Some(payment) = event.payment() {
            let decided = self.draft.newest_resolution(payment.id);
            return decided.or_else(|| self.books.payments.resolution(payment.id));
        }
        let (changed_id, _) = event.transfer()?.changes()?;
        let own = self.own.borrow().get(&changed_id).copied();
        let own = own.or_else(|| self.own_in_draft(changed_id));
        // Without a way back to it the transfer could not be read any more.
        invariant!(
            own.is_some(),
            "what is ended, posted or reversed was looked up, or is in the open frame"
        );
        own
    }

    /// Where the own record of a transfer is that an atomic batch has made itself: in the open frame, which is in
    /// memory. Every other one was looked up when what ends or reverses it was decided.
    fn own_in_draft(&self, id: TransferId) -> Option<Address> {
        let newest = self.draft.newest(Space::Transfers, id.to_u128())?;
        let recorded = self.looked_up(self.recorded(newest))?;
        let changed = recorded.event.transfer().and_then(Transfer::changes);
        let own = match changed {
            Some((changed_id, _)) if changed_id == id => Address::from_u64(recorded.links.origin)?,
            Some(_) | None => newest,
        };
        self.own.borrow_mut().insert(id, own);
        Some(own)
    }

    /// Where the newest record about the id is.
    fn newest(&self, space: Space, id: u128) -> Option<Address> {
        if let Some(decided) = self.draft.newest(space, id) {
            return Some(decided);
        }
        if self.unused.get() == Some((space, id)) {
            return None;
        }
        let found = self.books.ids.find(space, id, Waiting::Allowed);
        self.looked_up(found.map_err(LookupError::from)).flatten()
    }

    fn looked_up<T>(&self, result: Result<T, LookupError>) -> Option<T> {
        result
            .map_err(|error| *self.failure.borrow_mut() = Some(error))
            .ok()
    }
}

impl<S: Storage> Records for Working<'_, S> {
    fn with<T>(
        &self,
        address: Address,
        read: impl FnOnce(&[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        match self.journal.pushed(address) {
            Some(bytes) => read(bytes),
            None => self.reader.with(address, read),
        }
    }
}

impl<S: Storage> State for Working<'_, S> {
    fn account(&self, id: &AccountId) -> Option<Account> {
        self.draft.kept(self.books, id).map(|kept| kept.account)
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        let opened = self.draft.kept(self.books, id)?.opened?;
        match self.looked_up(self.recorded(opened))?.event {
            Event::AccountOpened { account, .. } => Some(account),
            _ => self.looked_up(Err(LookupError::Mismatch(opened.to_u64()))),
        }
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        let newest = self.newest(Space::Transfers, id.to_u128())?;
        let (used, own) = self.looked_up(lookup::transfer_at(self, id, newest))?;
        if let UsedTransfer::Created(..) = used {
            self.own.borrow_mut().insert(id, own);
        }
        Some(used)
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        if let Some(payment) = self.draft.payment(id) {
            return Some(UsedPayment::Accepted(payment.clone()));
        }
        if let Some(payment) = self.books.payments.get(id) {
            return Some(UsedPayment::Accepted(payment.clone()));
        }
        let newest = self.newest(Space::Payments, id.to_u128())?;
        self.looked_up(lookup::payment(self, id, newest, &self.books.purges))
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        let newest = self.newest(Space::Batches, id.to_u128())?;
        self.looked_up(lookup::batch(self, id, newest))
    }

    fn batch_digest(&self, id: BatchId) -> Option<Digest> {
        let newest = self.newest(Space::Batches, id.to_u128())?;
        self.looked_up(lookup::batch_digest(self, id, newest))
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        self.draft.payments_accepted(self.books)
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        self.draft.payment_accepted_at(self.books)
    }
}

impl<S: Storage> RecordingState for Working<'_, S> {
    type LookupError = LookupError;
    type Place = Address;

    fn take_lookup_error(&mut self) -> Option<LookupError> {
        self.failure.get_mut().take()
    }

    /// Looks up what the commands will be decided upon, one right after the other. Indexes are far
    /// larger than the processor's caches: these look-ups wait for memory together, those of the
    /// decisions would wait one by one.
    fn look_ahead(&mut self, commands: &[Command]) {
        let transfers: Vec<_> = (0..).zip(commands).filter_map(transfer_of).collect();
        let ids: Vec<_> = transfers.iter().map(|(_, id, _)| *id).collect();
        let may_have = self.books.ids.may_have_each(Space::Transfers, &ids);
        let mut ahead = vec![Ahead::NOTHING; commands.len()];
        for ((place, id, accounts), may_have) in transfers.into_iter().zip(may_have) {
            ahead[place] = Ahead {
                slots: accounts.map(|id| self.books.accounts.slot(id).unwrap_or(Slot::MAX)),
                unused: (!may_have).then_some((Space::Transfers, id)),
            };
        }
        self.ahead = ahead.into_iter();
    }

    fn begin_command(&mut self) {
        let ahead = self.ahead.next().unwrap_or(Ahead::NOTHING);
        self.unused.set(ahead.unused);
        if ahead.slots != Ahead::NOTHING.slots {
            self.draft.expect(ahead.slots);
        }
    }

    fn record(&mut self, event: &Event) -> Address {
        let origin = self.origin(event);
        self.push(event, origin)
    }

    /// The record of a batch leads to that of its first member.
    fn record_batch(&mut self, batch: BatchDecided, first_member: Option<Address>, _: &[Outcome]) {
        self.push(&Event::Batch(batch), first_member);
    }
}

/// The id and the accounts of a transfer that is looked up ahead, and the place of its command.
fn transfer_of((place, command): (usize, &Command)) -> Option<(usize, u128, [&AccountId; 2])> {
    match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            let accounts = [&transfer.debit_account_id, &transfer.credit_account_id];
            Some((place, transfer.id.to_u128(), accounts))
        }
        _ => None,
    }
}

/// Books and draft as events change them.
pub(crate) struct Drafting<'a> {
    pub(crate) books: &'a Books,
    pub(crate) draft: &'a mut Draft,
}

impl Drafting<'_> {
    /// Brings the draft to what the event says, whose record is at `address`.
    pub(crate) fn take_in(&mut self, event: &Event, address: Address) -> Entered {
        self.draft.address = Some(address);
        evolve(self, event);
        match event.transfer() {
            Some(transfer) => self.draft.enter(self.books, transfer, address),
            None => Entered::default(),
        }
    }
}

impl StateMut for Drafting<'_> {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        self.draft.account_mut(self.books, id)
    }

    fn accepted(&self) -> Vec<Payment> {
        self.draft.payments_accepted(self.books)
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.draft.insert_account(self.books, id, account);
    }

    fn remember(&mut self, event: &Event) {
        self.draft.remember(self.books, event);
    }
}
