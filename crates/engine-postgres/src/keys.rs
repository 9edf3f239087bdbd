//! What a call asks for: everything its commands name.

use std::collections::BTreeSet;

use ledger::{
    AccountId, Batch, BatchId, Command, PaymentId, ResolutionKind, ResolvePayment, TransferId,
    UsedId,
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
    /// Transfers that are to be reversed, to be locked.
    pub(crate) reversed: BTreeSet<TransferId>,
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
        for id in command.accounts() {
            self.account(id);
        }
        if let Some(UsedId::Transfer(id)) = command.used_id() {
            self.transfers.insert(id);
        }
        if let Some(id) = command.pending_id() {
            self.pending(id);
        }
        self.reversed.extend(command.reverses());
        self.payments.extend(command.payment_id());
        match command {
            Command::OpenAccount(open) => self.account(&AccountId::world(open.currency)),
            Command::AcceptPayment(accept) => {
                self.is_summed = true;
                self.transfers.insert(TransferId::of_payment(accept.id));
                self.account(&AccountId::world(accept.currency));
            }
            Command::SettlePayment { .. }
            | Command::ResolvePayment(ResolvePayment {
                kind: ResolutionKind::Settled { .. },
                ..
            }) => self.is_summed = true,
            Command::PurgePayments { .. } => self.purges = true,
            Command::ChangeLimit { .. }
            | Command::CloseAccount { .. }
            | Command::ChangeFreeze { .. }
            | Command::Transfer(_)
            | Command::Pend { .. }
            | Command::Post { .. }
            | Command::PostPart { .. }
            | Command::Void { .. }
            | Command::Expire { .. }
            | Command::SendPayment { .. }
            | Command::ReleasePayment { .. }
            | Command::RefusePayment { .. }
            | Command::ResolvePayment(_)
            | Command::Reverse(_) => {}
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
