//! What the rules ask of a state, and what deciding changes in it.

use crate::account::{Account, Movement};
use crate::command::Command;
use crate::event::{Digest, Event};
use crate::id::{AccountId, BatchId, PaymentId, TransferId};
use crate::money::Limit;
use crate::outcome::{Outcome, Refusal};
use crate::payment::Payment;
use crate::resolution::{PaymentResolved, ResolutionKind};
use crate::time::Timestamp;
use crate::transfer::{Standing, Transfer};

/// The look-ups that a decision is made upon.
pub trait State {
    /// The account as it is.
    fn account(&self, id: &AccountId) -> Option<Account>;

    /// The account as it was opened: the first outcome under its id, but for whether it is closed or frozen. `None` for the system's own.
    fn account_opened(&self, id: &AccountId) -> Option<Account>;

    /// How a transfer's id was used.
    fn transfer(&self, id: TransferId) -> Option<UsedTransfer>;

    /// How a payment's id was used.
    fn payment(&self, id: PaymentId) -> Option<UsedPayment>;

    /// How an atomic batch's id was used.
    fn batch(&self, id: BatchId) -> Option<UsedBatch>;

    /// What the members were of the atomic batch that used this id. Where the outcomes of a batch
    /// are read from somewhere, this reads none of them: a short batch under the id of a long one
    /// costs no more than a short one.
    fn batch_digest(&self, id: BatchId) -> Option<Digest> {
        self.batch(id).map(|used| used.digest)
    }

    /// The payments that are accepted and not sent, oldest first.
    fn payments_accepted(&self) -> Vec<Payment>;

    /// When the newest payment was accepted, whatever became of it; 0 where there is none.
    fn newest_payment_accepted_at(&self) -> Timestamp;
}

/// How an id of the space of transfers was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsedTransfer {
    /// By a transfer, with what came after it.
    Created(Transfer, Standing),
    /// By a refused command.
    Refused(Command, Refusal),
    /// By a payment, for the transfer that will settle it.
    Payment(PaymentId),
}

/// How an id of the space of payments was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsedPayment {
    /// By a payment, as it is now.
    Accepted(Payment),
    /// By a refused acceptance.
    Refused(Command, Refusal),
}

impl UsedTransfer {
    /// By a transfer that nothing has come after.
    #[must_use]
    pub const fn new(transfer: Transfer) -> Self {
        let standing = transfer.first_standing();
        Self::Created(transfer, standing)
    }

    /// How the event uses the id of a transfer that it is remembered under; `None` if it uses none.
    /// Nothing has come after the transfer: a pending one is still pending.
    #[must_use]
    pub fn by(event: Event) -> Option<Self> {
        match event {
            Event::Transfer(transfer) | Event::PaymentSettled { transfer, .. } => {
                Some(Self::new(transfer))
            }
            Event::PaymentResolved(resolved) => resolved.transfer.map(Self::new),
            Event::PaymentAccepted(payment) => Some(Self::Payment(payment.id)),
            Event::Refused {
                command, refusal, ..
            } => Some(Self::Refused(command, refusal)),
            Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentRefused(_)
            | Event::PaymentsPurged { .. }
            | Event::Batch(_) => None,
        }
    }
}

impl UsedPayment {
    /// How the event uses the id of a payment that it is remembered under; `None` if it uses none.
    #[must_use]
    pub fn by(event: Event) -> Option<Self> {
        if let Event::Refused {
            command, refusal, ..
        } = event
        {
            return Some(Self::Refused(command, refusal));
        }
        event.payment().cloned().map(Self::Accepted)
    }
}

/// How an id of the space of batches was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedBatch {
    /// What the batch's members were.
    pub digest: Digest,
    /// The first outcomes of its members.
    pub outcomes: Vec<Outcome>,
}

/// A state that events change.
pub trait StateMut {
    /// The account to change; `None` when it is not open.
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account>;

    /// The payments that are accepted and not sent.
    fn accepted(&self) -> Vec<Payment>;

    /// Keeps a new account.
    fn insert_account(&mut self, id: &AccountId, account: Account);

    /// Remembers the ids that the event used, and what it says about payments and pending
    /// transfers. Called after the accounts were changed.
    fn remember(&mut self, event: &Event);
}

/// Brings the state to what the event says. It cannot fail: everything was decided before.
///
/// # Panics
///
/// When the event was not decided upon this state: a bug, or a journal of other events.
pub fn evolve(state: &mut impl StateMut, event: &Event) {
    open_system_accounts(state, event);
    match event {
        Event::Transfer(transfer) | Event::PaymentSettled { transfer, .. } => {
            move_money(state, transfer);
        }
        Event::AccountOpened { id, account } => state.insert_account(id, *account),
        Event::LimitChanged { id, account, .. } => expect_account(state, id).limit = account.limit,
        Event::AccountClosed { id, .. } => expect_account(state, id).closed = true,
        Event::FreezeChanged { id, account, .. } => {
            expect_account(state, id).frozen = account.frozen;
        }
        Event::PaymentAccepted(payment) => {
            if let Some(account_id) = &payment.account_id {
                move_account(state, account_id, Movement::ReserveDebit(payment.amount));
            }
        }
        Event::PaymentRefused(payment) => release_payment(state, payment),
        Event::PaymentResolved(resolved) => resolve(state, resolved),
        Event::PaymentsPurged { .. } => {
            for payment in state.accepted() {
                release_payment(state, &payment);
            }
        }
        Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::Refused { .. }
        | Event::Batch(_) => {}
    }
    state.remember(event);
}

fn open_system_accounts(state: &mut impl StateMut, event: &Event) {
    for (id, currency) in event.system_accounts() {
        if state.account_mut(&id).is_none() {
            let account = Account::new(currency, Limit::Unlimited, event.timestamp());
            state.insert_account(&id, account);
        }
    }
}

fn resolve(state: &mut impl StateMut, resolved: &PaymentResolved) {
    match (resolved.resolution.kind, &resolved.transfer) {
        (_, Some(transfer)) => move_money(state, transfer),
        (ResolutionKind::Refuse, None) => release_payment(state, &resolved.payment),
        (ResolutionKind::Settled { .. } | ResolutionKind::Release, None) => {}
    }
}

fn move_money(state: &mut impl StateMut, transfer: &Transfer) {
    let (debit, credit) = transfer.movements();
    move_account(state, &transfer.debit_account_id, debit);
    move_account(state, &transfer.credit_account_id, credit);
}

fn release_payment(state: &mut impl StateMut, payment: &Payment) {
    if let Some(account_id) = &payment.account_id {
        move_account(state, account_id, Movement::ReleaseDebit(payment.amount));
    }
}

fn move_account(state: &mut impl StateMut, id: &AccountId, movement: Movement) {
    expect_account(state, id).apply(movement);
}

fn expect_account<'a>(state: &'a mut impl StateMut, id: &AccountId) -> &'a mut Account {
    match state.account_mut(id) {
        Some(account) => account,
        None => panic!("an event names account {id}, which is not open"),
    }
}
