//! State in plain maps: the whole of it (the reference), or what an atomic batch would change.

use std::collections::HashMap;

use crate::account::Account;
use crate::command_kind::UsedId;
use crate::event::{Digest, Event};
use crate::id::{AccountId, BatchId, PaymentId, TransferId};
use crate::payment::{Payment, PaymentState};
use crate::state::{State, StateMut, UsedBatch, UsedPayment, UsedTransfer};
use crate::time::Timestamp;
use crate::transfer::{Standing, Transfer};

/// Accounts and used ids in maps. It grows with history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub(crate) accounts: HashMap<AccountId, Account>,
    pub(crate) opened: HashMap<AccountId, Account>,
    pub(crate) transfers: HashMap<TransferId, UsedTransfer>,
    pub(crate) payments: HashMap<PaymentId, UsedPayment>,
    pub(crate) batches: HashMap<BatchId, UsedBatch>,
}

impl Memory {
    /// Remembers the ids an event used. `earlier` is the transfer that it ended or reversed, and
    /// `accepted` are the payments that were accepted before it.
    fn remember(&mut self, event: &Event, earlier: Option<Earlier>, accepted: Vec<Payment>) {
        if let Some(transfer) = event.transfer() {
            let mut is_new = true;
            if let Some(Earlier {
                transfer: earlier,
                standing,
            }) = earlier
            {
                // An expiry has the id of its pending transfer.
                is_new = earlier.id != transfer.id;
                self.transfers
                    .insert(earlier.id, UsedTransfer::Created(earlier, standing));
            }
            if is_new {
                let used = UsedTransfer::new(transfer.clone());
                self.transfers.insert(transfer.id, used);
            }
        }
        if let Some(payment) = event.payment() {
            self.payments
                .insert(payment.id, UsedPayment::Accepted(payment.clone()));
        }
        match event {
            Event::AccountOpened { id, account } => {
                self.opened.insert(id.clone(), *account);
            }
            Event::PaymentAccepted(payment) => {
                let transfer_id = TransferId::of_payment(payment.id);
                self.transfers
                    .insert(transfer_id, UsedTransfer::Payment(payment.id));
            }
            Event::PaymentsPurged { timestamp, .. } => {
                for payment in accepted {
                    let purged = UsedPayment::Accepted(payment.clone().purged(*timestamp));
                    self.payments.insert(payment.id, purged);
                }
            }
            Event::Refused {
                command, refusal, ..
            } => match command.used_id() {
                Some(UsedId::Transfer(id)) => {
                    let used = UsedTransfer::Refused(command.clone(), refusal.clone());
                    self.transfers.insert(id, used);
                }
                Some(UsedId::Payment(id)) => {
                    let used = UsedPayment::Refused(command.clone(), refusal.clone());
                    self.payments.insert(id, used);
                }
                None => {}
            },
            Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::FreezeChanged { .. }
            | Event::Transfer(_)
            | Event::PaymentSent(_)
            | Event::PaymentSettled { .. }
            | Event::PaymentReleased(_)
            | Event::PaymentRefused(_)
            | Event::PaymentResolved(_)
            | Event::Batch(_) => {}
        }
    }
}

/// A transfer that another one ended or reversed, as it stands afterwards.
struct Earlier {
    transfer: Transfer,
    standing: Standing,
}

impl State for Memory {
    fn account(&self, id: &AccountId) -> Option<Account> {
        self.accounts.get(id).copied()
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        self.opened.get(id).copied()
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        self.transfers.get(&id).cloned()
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        self.payments.get(&id).cloned()
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        self.batches.get(&id).cloned()
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        let mut accepted: Vec<Payment> = self
            .payments
            .values()
            .filter_map(accepted_payment)
            .cloned()
            .collect();
        accepted.sort_by_key(|payment| payment.accepted_at);
        accepted
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        let accepted_at = self.payments.values().filter_map(|used| match used {
            UsedPayment::Accepted(payment) => Some(payment.accepted_at),
            UsedPayment::Refused(..) => None,
        });
        accepted_at.max().unwrap_or(Timestamp::default())
    }
}

fn accepted_payment(used: &UsedPayment) -> Option<&Payment> {
    match used {
        UsedPayment::Accepted(payment) if payment.state == PaymentState::Accepted => Some(payment),
        UsedPayment::Accepted(_) | UsedPayment::Refused(..) => None,
    }
}

impl StateMut for Memory {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(id)
    }

    fn accepted(&self) -> Vec<Payment> {
        self.payments_accepted()
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.accounts.insert(id.clone(), account);
    }

    fn remember(&mut self, event: &Event) {
        let (earlier, accepted) = asked_by(self, event);
        Self::remember(self, event, earlier, accepted);
    }
}

/// What [`Memory::remember`] has to know from before the event.
fn asked_by(state: &impl State, event: &Event) -> (Option<Earlier>, Vec<Payment>) {
    let changed = event.transfer().and_then(Transfer::changes);
    let earlier = changed.and_then(|(id, standing)| match state.transfer(id) {
        Some(UsedTransfer::Created(transfer, _)) => Some(Earlier { transfer, standing }),
        Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => None,
    });
    let purges = matches!(event, Event::PaymentsPurged { .. });
    let accepted = if purges {
        state.payments_accepted()
    } else {
        Vec::new()
    };
    (earlier, accepted)
}

/// What has changed above a state that stays as it is.
pub(crate) struct Overlay<'a, S> {
    base: &'a S,
    changed: Memory,
}

impl<'a, S: State> Overlay<'a, S> {
    pub(crate) fn new(base: &'a S) -> Self {
        Self {
            base,
            changed: Memory::default(),
        }
    }

    /// Remembers an atomic batch.
    pub(crate) fn insert_batch(&mut self, id: BatchId, used: UsedBatch) {
        self.changed.batches.insert(id, used);
    }
}

impl<S: State> State for Overlay<'_, S> {
    fn account(&self, id: &AccountId) -> Option<Account> {
        self.changed.account(id).or_else(|| self.base.account(id))
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        self.changed
            .account_opened(id)
            .or_else(|| self.base.account_opened(id))
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        self.changed.transfer(id).or_else(|| self.base.transfer(id))
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        self.changed.payment(id).or_else(|| self.base.payment(id))
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        self.changed.batch(id).or_else(|| self.base.batch(id))
    }

    fn batch_digest(&self, id: BatchId) -> Option<Digest> {
        let changed = self.changed.batches.get(&id);
        changed.map_or_else(|| self.base.batch_digest(id), |used| Some(used.digest))
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        let mut accepted = self.base.payments_accepted();
        accepted.retain(|payment| !self.changed.payments.contains_key(&payment.id));
        accepted.extend(self.changed.payments_accepted());
        accepted.sort_by_key(|payment| payment.accepted_at);
        accepted
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        let before = self.base.newest_payment_accepted_at();
        before.max(self.changed.newest_payment_accepted_at())
    }
}

impl<S: State> StateMut for Overlay<'_, S> {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        if !self.changed.accounts.contains_key(id) {
            let account = self.base.account(id)?;
            self.changed.accounts.insert(id.clone(), account);
        }
        self.changed.accounts.get_mut(id)
    }

    fn accepted(&self) -> Vec<Payment> {
        self.payments_accepted()
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.changed.accounts.insert(id.clone(), account);
    }

    fn remember(&mut self, event: &Event) {
        let (earlier, accepted) = asked_by(self, event);
        self.changed.remember(event, earlier, accepted);
    }
}
