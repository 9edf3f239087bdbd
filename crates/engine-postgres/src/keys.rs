//! What a call asks for: everything its commands name.

use std::collections::BTreeSet;

use ledger::{
    AccountId, Batch, BatchId, Command, PaymentId, ResolutionKind, ResolvePayment, TransferId,
};

/// The keys that are read, in the order in which they are locked.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Limited accounts, to be locked with the other sides of their pending transfers.
    pub(crate) limited: BTreeSet<AccountId>,
    /// Unlimited accounts, whose existence alone matters: they are not locked.
    pub(crate) unlimited: BTreeSet<AccountId>,
    /// Ids of the space of transfers.
    pub(crate) transfers: BTreeSet<TransferId>,
    /// Pending transfers, whose accounts are locked too.
    pub(crate) pendings: BTreeSet<TransferId>,
    /// Payments, to be locked with their accounts.
    pub(crate) payments: BTreeSet<PaymentId>,
    /// Atomic batches.
    pub(crate) batches: BTreeSet<BatchId>,
    /// Whether payments are accepted or settled: summaries count them.
    pub(crate) is_summed: bool,
    /// Whether payments are purged.
    pub(crate) purges: bool,
}

impl Keys {
    pub(crate) fn of<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Self {
        let mut keys = Self::default();
        for batch in batches {
            keys.batches.extend(batch.atomic_id());
            for command in batch.commands() {
                keys.name(command);
            }
        }
        keys
    }

    fn name(&mut self, command: &Command) {
        match command {
            Command::OpenAccount(open) => {
                self.account(&open.id);
                self.account(&AccountId::world(open.currency));
            }
            Command::ChangeLimit { account_id, .. } | Command::CloseAccount { account_id, .. } => {
                self.account(account_id);
            }
            Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
                self.transfers.insert(transfer.id);
                self.account(&transfer.debit_account_id);
                self.account(&transfer.credit_account_id);
            }
            Command::Post { id, pending_id, .. } | Command::Void { id, pending_id } => {
                self.transfers.insert(*id);
                self.pending(*pending_id);
            }
            Command::Expire { pending_id } => self.pending(*pending_id),
            Command::AcceptPayment(accept) => {
                self.is_summed = true;
                self.payments.insert(accept.id);
                self.transfers.insert(TransferId::of_payment(accept.id));
                self.account(&AccountId::world(accept.currency));
                if let Some(account_id) = &accept.account_id {
                    self.account(account_id);
                }
            }
            Command::SettlePayment { id, .. }
            | Command::ResolvePayment(ResolvePayment {
                id,
                kind: ResolutionKind::Settled { .. },
                ..
            }) => {
                self.is_summed = true;
                self.payments.insert(*id);
            }
            Command::SendPayment { id, .. }
            | Command::ReleasePayment { id, .. }
            | Command::RefusePayment { id, .. }
            | Command::ResolvePayment(ResolvePayment { id, .. }) => {
                self.payments.insert(*id);
            }
            Command::PurgePayments { .. } => self.purges = true,
        }
    }

    /// Adds an account.
    pub(crate) fn account(&mut self, id: &AccountId) {
        let accounts = if id.is_reserved() {
            &mut self.unlimited
        } else {
            &mut self.limited
        };
        if !accounts.contains(id) {
            accounts.insert(id.clone());
        }
    }

    /// Adds a pending transfer.
    pub(crate) fn pending(&mut self, id: TransferId) {
        self.transfers.insert(id);
        self.pendings.insert(id);
    }
}

/// What a decision asked for and was not read: the attempt does not count and is made anew with
/// these keys among the others.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) transfers: BTreeSet<TransferId>,
}

impl Missed {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.transfers.is_empty()
    }

    /// Asks for what was missed the next time.
    pub(crate) fn add_to(self, keys: &mut Keys) {
        for id in &self.accounts {
            keys.account(id);
        }
        for id in self.transfers {
            keys.pending(id);
        }
    }
}
