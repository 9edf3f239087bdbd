//! What a call has read and locked, as the state that the rules decide upon, and what its events
//! change in it.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use ledger::{
    Account, AccountId, BatchDecided, BatchId, Event, Outcome, Payment, PaymentId, PaymentState,
    PendingState, RecordingState, Resolution, State, StateMut, Timestamp, Transfer, TransferId,
    TransferKind, UsedBatch, UsedId, UsedPayment, UsedTransfer, evolve,
};

use crate::codec::{encode, encode_event};
use crate::keys::{Keys, Missed};
use crate::listed::ListRows;

/// The state of a call. Accounts that are unlimited are kept without their totals: what the events
/// make of them is what has to be added to a stripe.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) opened: HashMap<AccountId, Account>,
    pub(crate) transfers: BTreeMap<TransferId, UsedTransfer>,
    pub(crate) payments: BTreeMap<PaymentId, UsedPayment>,
    pub(crate) batches: BTreeMap<BatchId, UsedBatch>,
    /// The pending transfers that were due when they were read, by when.
    pub(crate) due: BTreeSet<(Timestamp, TransferId)>,
    /// The database's time.
    pub(crate) now: Timestamp,
    /// When payments were last purged; 0: never, or no command is about payments.
    pub(crate) purged_at: Timestamp,
    /// When the newest payment was accepted, where payments are purged; else 0.
    pub(crate) accepted_at: Timestamp,
    /// No event of what was read is later.
    pub(crate) newest: Timestamp,
    /// What was asked for.
    pub(crate) keys: Keys,
    pub(crate) changed: Changed,
    missed: RefCell<Missed>,
}

/// What the events changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) accounts_new: BTreeSet<AccountId>,
    /// Ids used by this call, with the event that used them.
    pub(crate) transfers_new: BTreeMap<TransferId, Event>,
    /// Ids used before whose record becomes another one.
    pub(crate) transfers_settled: BTreeMap<TransferId, Event>,
    /// Pending transfers, read or new, that were ended.
    pub(crate) ended: BTreeMap<TransferId, Ended>,
    /// Transfers, read or new, that were reversed, with how much of each is reversed now.
    pub(crate) reversed: BTreeMap<TransferId, u64>,
    /// Pending transfers, read or new, of which parts were posted, with how much of each they have left.
    pub(crate) left: BTreeMap<TransferId, u64>,
    pub(crate) payments: BTreeSet<PaymentId>,
    pub(crate) payments_new: BTreeSet<PaymentId>,
    /// In order.
    pub(crate) resolutions: Vec<(PaymentId, Resolution)>,
    /// Changes of limits and freezes, and closings, in order.
    pub(crate) account_changes: Vec<(AccountId, Event)>,
    /// What happened to payments, but for acceptances and settlements, in order.
    pub(crate) payment_changes: Vec<(PaymentId, Event)>,
    /// Transfers that made entries, in order.
    pub(crate) entered: Vec<Transfer>,
    pub(crate) purged_at: Vec<Timestamp>,
    pub(crate) batches_new: BTreeSet<BatchId>,
    /// When those were decided, as far as that is known.
    pub(crate) batches_decided: BTreeMap<BatchId, Timestamp>,
    /// What the events add to lists.
    pub(crate) lists: ListRows,
    /// The records of all events, in order: what the feed shows.
    pub(crate) records: Vec<Vec<u8>>,
}

/// How a pending transfer stands that was ended, and when it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) state: PendingState,
    at: Timestamp,
}

impl Ended {
    /// When it expired. A post or a void says when in a record of its own.
    pub(crate) fn expired_at(&self) -> Option<Timestamp> {
        (self.state == PendingState::Expired).then_some(self.at)
    }
}

impl Changed {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
            && self.transfers_new.is_empty()
            && self.transfers_settled.is_empty()
            && self.ended.is_empty()
            && self.reversed.is_empty()
            && self.left.is_empty()
            && self.payments.is_empty()
            && self.purged_at.is_empty()
            && self.batches_new.is_empty()
    }
}

impl Snapshot {
    /// Nothing read yet.
    pub(crate) fn of(keys: Keys) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Remembers an atomic batch's outcomes under its id.
    pub(crate) fn remember_batch(&mut self, id: BatchId, used: UsedBatch) {
        self.batches.insert(id, used);
        self.changed.batches_new.insert(id);
    }

    /// What was asked for and not read, since this was asked last.
    pub(crate) fn take_missed(&mut self) -> Missed {
        std::mem::take(self.missed.get_mut())
    }

    /// Whether something was asked for that was not read.
    pub(crate) fn has_missed(&self) -> bool {
        !self.missed.borrow().is_empty()
    }

    fn use_transfer_id(&mut self, id: TransferId, used: UsedTransfer, event: Event) {
        self.transfers.insert(id, used);
        self.changed.transfers_new.insert(id, event);
    }

    fn remember_transfer(&mut self, transfer: &Transfer, event: &Event) {
        if let Some((changed_id, changed)) = transfer.changes()
            && let Some(UsedTransfer::Created(_, standing)) = self.transfers.get_mut(&changed_id)
        {
            *standing = changed;
        }
        if let Some((reversed_id, reversed_amount)) = transfer.reversal() {
            self.changed.reversed.insert(reversed_id, reversed_amount);
        }
        if let Some((pending_id, left_amount)) = transfer.part() {
            self.changed.left.insert(pending_id, left_amount);
        }
        if let Some((pending_id, end)) = transfer.ends() {
            let ended = Ended {
                state: end,
                at: transfer.timestamp,
            };
            self.changed.ended.insert(pending_id, ended);
        }
        let created = || UsedTransfer::new(transfer.clone());
        match transfer.kind {
            TransferKind::Expire => {}
            TransferKind::Settle { .. } => {
                let changed = &mut self.changed;
                self.transfers.insert(transfer.id, created());
                let records = match changed.transfers_new.contains_key(&transfer.id) {
                    true => &mut changed.transfers_new,
                    false => &mut changed.transfers_settled,
                };
                records.insert(transfer.id, as_settlement(event));
            }
            TransferKind::Transfer
            | TransferKind::Pend { .. }
            | TransferKind::Post { .. }
            | TransferKind::PostPart { .. }
            | TransferKind::Void { .. }
            | TransferKind::Reverse { .. } => {
                self.use_transfer_id(transfer.id, created(), event.clone());
            }
        }
        if transfer.debit.is_some() || transfer.credit.is_some() {
            self.changed.entered.push(transfer.clone());
        }
    }

    fn remember_payment(&mut self, id: PaymentId, used: UsedPayment) {
        if self.payments.insert(id, used).is_none() {
            self.changed.payments_new.insert(id);
        }
        self.changed.payments.insert(id);
    }
}

/// What settled a payment. Who decided it is kept elsewhere.
fn as_settlement(event: &Event) -> Event {
    if let Event::PaymentResolved(resolved) = event
        && let Some(transfer) = &resolved.transfer
    {
        return Event::PaymentSettled {
            payment: Box::new(resolved.payment.clone()),
            transfer: transfer.clone(),
        };
    }
    event.clone()
}

impl Snapshot {
    /// Whether something was read that nobody else may have seen kept safe yet, and no row was
    /// locked, which would be written and so waited for.
    pub(crate) fn is_read_unlocked(&self) -> bool {
        let locks_account = self.accounts.keys().any(|id| !id.is_reserved());
        let reads = !self.transfers.is_empty()
            || !self.batches.is_empty()
            || !self.keys.unlimited.is_empty();
        reads && !locks_account && self.payments.is_empty()
    }
}

impl State for Snapshot {
    fn account(&self, id: &AccountId) -> Option<Account> {
        let account = self.accounts.get(id).copied();
        let asked = self.keys.limited.contains(id) || self.keys.unlimited.contains(id);
        if account.is_none() && !asked {
            self.missed.borrow_mut().accounts.insert(id.clone());
        }
        account
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        self.opened.get(id).copied()
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        let used = self.transfers.get(&id).cloned();
        let asked = self.keys.transfers.contains(&id) || self.keys.reversed.contains(&id);
        if used.is_none() && !asked {
            self.missed.borrow_mut().transfers.insert(id);
        }
        used
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        self.payments.get(&id).cloned()
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        self.batches.get(&id).cloned()
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        let accepted = self.payments.values().filter_map(|used| match used {
            UsedPayment::Accepted(payment) if payment.state == PaymentState::Accepted => {
                Some(payment.clone())
            }
            UsedPayment::Accepted(_) | UsedPayment::Refused(..) => None,
        });
        let mut accepted: Vec<Payment> = accepted.collect();
        accepted.sort_by_key(|payment| payment.accepted_at);
        accepted
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        let accepted_at = self.payments.values().filter_map(|used| match used {
            UsedPayment::Accepted(payment) => Some(payment.accepted_at),
            UsedPayment::Refused(..) => None,
        });
        accepted_at.fold(self.accepted_at, Timestamp::max)
    }
}

impl RecordingState for Snapshot {
    type LookupError = Infallible;
    type Place = ();

    /// None: what was missed is collected over the whole call. See [`Snapshot::take_missed`].
    fn take_lookup_error(&mut self) -> Option<Infallible> {
        None
    }

    fn record(&mut self, event: &Event) {
        evolve(self, event);
    }

    fn record_batch(&mut self, batch: BatchDecided, _: Option<()>, outcomes: &[Outcome]) {
        let used = UsedBatch {
            digest: batch.digest,
            outcomes: outcomes.to_vec(),
        };
        let (id, decided_at) = (batch.id, batch.timestamp);
        self.remember_batch(id, used);
        self.changed.batches_decided.insert(id, decided_at);
        self.changed.records.push(encode(&Event::Batch(batch)));
    }
}

impl StateMut for Snapshot {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        self.account(id)?;
        self.changed.accounts.insert(id.clone());
        self.accounts.get_mut(id)
    }

    fn accepted(&self) -> Vec<Payment> {
        self.payments_accepted()
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.accounts.insert(id.clone(), account);
        self.changed.accounts.insert(id.clone());
        self.changed.accounts_new.insert(id.clone());
        if !id.is_reserved() {
            self.opened.insert(id.clone(), account);
        }
    }

    fn remember(&mut self, event: &Event) {
        self.changed.records.push(encode_event(event));
        self.changed.lists.take_in(event);
        if let Some(transfer) = event.transfer() {
            self.remember_transfer(transfer, event);
        }
        if let Some(payment) = event.payment() {
            self.remember_payment(payment.id, UsedPayment::Accepted(payment.clone()));
        }
        match event {
            Event::PaymentAccepted(payment) => {
                let id = TransferId::of_payment(payment.id);
                self.use_transfer_id(id, UsedTransfer::Payment(payment.id), event.clone());
            }
            Event::PaymentResolved(resolved) => {
                let resolution = resolved.resolution.clone();
                let id = resolved.payment.id;
                self.changed.resolutions.push((id, resolution));
                if resolved.transfer.is_none() {
                    self.changed.payment_changes.push((id, event.clone()));
                }
            }
            Event::PaymentSent(payment)
            | Event::PaymentReleased(payment)
            | Event::PaymentRefused(payment) => {
                let changes = &mut self.changed.payment_changes;
                changes.push((payment.id, event.clone()));
            }
            Event::PaymentsPurged { timestamp, .. } => {
                self.changed.purged_at.push(*timestamp);
                for payment in self.payments_accepted() {
                    let purged = UsedPayment::Accepted(payment.clone().purged(*timestamp));
                    self.remember_payment(payment.id, purged);
                }
            }
            Event::Refused {
                command, refusal, ..
            } => {
                let (command, refusal) = (command.clone(), refusal.clone());
                match command.used_id() {
                    Some(UsedId::Transfer(id)) => {
                        let used = UsedTransfer::Refused(command, refusal);
                        self.use_transfer_id(id, used, event.clone());
                    }
                    Some(UsedId::Payment(id)) => {
                        self.remember_payment(id, UsedPayment::Refused(command, refusal));
                        self.changed.payment_changes.push((id, event.clone()));
                    }
                    None => {}
                }
            }
            Event::LimitChanged { id, .. }
            | Event::AccountClosed { id, .. }
            | Event::FreezeChanged { id, .. } => {
                let changes = &mut self.changed.account_changes;
                changes.push((id.clone(), event.clone()));
            }
            Event::Batch(batch) => {
                let decided = &mut self.changed.batches_decided;
                decided.insert(batch.id, batch.timestamp);
            }
            Event::AccountOpened { .. } | Event::Transfer(_) | Event::PaymentSettled { .. } => {}
        }
    }
}
