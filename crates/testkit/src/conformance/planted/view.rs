//! The state as an engine with a bug sees it.

use ledger::{
    Account, AccountId, BatchId, Command, Currency, Frozen, Limit, Memory, Payment, PaymentId,
    PendingState, Standing, State, Timestamp, Transfer, TransferId, UsedBatch, UsedPayment,
    UsedTransfer,
};

use super::bug::Bug;

/// What the rules are shown instead of the true state, for one command.
pub(super) struct View<'a> {
    pub(super) memory: &'a Memory,
    pub(super) bug: Bug,
    pub(super) command: Command,
}

impl View<'_> {
    fn is_credit_account(&self, id: &AccountId) -> bool {
        match &self.command {
            Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
                transfer.credit_account_id == *id
            }
            _ => false,
        }
    }

    const fn moves_money(&self) -> bool {
        matches!(self.command, Command::Transfer(_) | Command::Pend { .. })
    }

    const fn is_own_id(&self, id: TransferId) -> bool {
        match &self.command {
            Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
                transfer.id.to_u128() == id.to_u128()
            }
            Command::Post { id: own, .. }
            | Command::PostPart { id: own, .. }
            | Command::Void { id: own, .. } => own.to_u128() == id.to_u128(),
            Command::Reverse(reverse) => reverse.id.to_u128() == id.to_u128(),
            _ => false,
        }
    }
}

const POSTED: Standing = ended(PendingState::Posted);
const VOIDED: Standing = ended(PendingState::Voided);

const fn ended(state: PendingState) -> Standing {
    let left_amount = 0;
    Standing::Pending { state, left_amount }
}

/// As if nothing had come after the pending transfer.
const fn whole(transfer: Transfer) -> UsedTransfer {
    UsedTransfer::new(transfer)
}

impl State for View<'_> {
    fn account(&self, id: &AccountId) -> Option<Account> {
        let mut account = self.memory.account(id)?;
        match self.bug {
            Bug::LimitOffByOne if self.moves_money() => {
                if let Limit::Credit(limit) = &mut account.limit {
                    *limit += 1;
                }
            }
            Bug::PendingNotCounted if self.moves_money() => account.debits_pending = 0,
            Bug::FrozenDebits if self.moves_money() && account.frozen.stops_debits() => {
                account.frozen = match account.frozen {
                    Frozen::Both => Frozen::Credits,
                    Frozen::None | Frozen::Debits | Frozen::Credits => Frozen::None,
                };
            }
            Bug::FrozenCredits if self.moves_money() && account.frozen.stops_credits() => {
                account.frozen = match account.frozen {
                    Frozen::Both => Frozen::Debits,
                    Frozen::None | Frozen::Debits | Frozen::Credits => Frozen::None,
                };
            }
            // As if the account were not there.
            Bug::FreezeStopsPosts
                if matches!(
                    self.command,
                    Command::Post { .. } | Command::PostPart { .. }
                ) && account.frozen != Frozen::None =>
            {
                return None;
            }
            Bug::FreezeUnchecked => {
                if let Command::ChangeFreeze {
                    expected_frozen: Some(expected),
                    ..
                } = self.command
                {
                    account.frozen = expected;
                }
            }
            Bug::ClosedAccepts => account.closed = false,
            Bug::CurrencyUnchecked if self.moves_money() => {
                if let Ok(currency) = Currency::new("BRL") {
                    account.currency = currency;
                }
            }
            Bug::OverflowUnchecked if self.is_credit_account(id) => {
                account.limit = Limit::Unlimited;
            }
            Bug::LimitChangeUnchecked if matches!(self.command, Command::ChangeLimit { .. }) => {
                account.debits_posted = 0;
                account.debits_pending = 0;
            }
            Bug::CloseWithPending if matches!(self.command, Command::CloseAccount { .. }) => {
                account.debits_pending = 0;
                account.credits_pending = 0;
            }
            _ => {}
        }
        Some(account)
    }

    fn account_opened(&self, id: &AccountId) -> Option<Account> {
        let opened = self.memory.account_opened(id)?;
        if self.bug == Bug::FirstOutcomeNotKept {
            let account = self.memory.account(id)?;
            return Some(Account {
                limit: opened.limit,
                ..account
            });
        }
        Some(opened)
    }

    fn transfer(&self, id: TransferId) -> Option<UsedTransfer> {
        let used = self.memory.transfer(id)?;
        match (self.bug, used) {
            (Bug::ReplayDecidedAnew, UsedTransfer::Created(..)) if self.is_own_id(id) => None,
            (Bug::RefusalForgotten, UsedTransfer::Refused(..)) => None,
            (Bug::PostTwice, UsedTransfer::Created(transfer, POSTED))
            | (Bug::PostAfterVoid, UsedTransfer::Created(transfer, VOIDED)) => {
                Some(whole(transfer))
            }
            (
                Bug::PartsPassWhole,
                UsedTransfer::Created(
                    transfer,
                    Standing::Pending {
                        state: PendingState::Pending,
                        ..
                    },
                ),
            ) => Some(whole(transfer)),
            (Bug::ReversedTooMuch, UsedTransfer::Created(transfer, Standing::Posted { .. })) => {
                let unreversed = Standing::Posted { reversed_amount: 0 };
                Some(UsedTransfer::Created(transfer, unreversed))
            }
            (Bug::ReversalReversed, UsedTransfer::Created(transfer, Standing::Final))
                if transfer.reversal().is_some() && !self.is_own_id(id) =>
            {
                let unreversed = Standing::Posted { reversed_amount: 0 };
                Some(UsedTransfer::Created(transfer, unreversed))
            }
            (_, used) => Some(used),
        }
    }

    fn payment(&self, id: PaymentId) -> Option<UsedPayment> {
        self.memory.payment(id)
    }

    fn batch(&self, id: BatchId) -> Option<UsedBatch> {
        let used = self.memory.batch(id)?;
        let is_forgotten = self.bug == Bug::AtomicFailureForgotten
            && used.outcomes.iter().any(|outcome| outcome.result.is_err());
        (!is_forgotten).then_some(used)
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        self.memory.payments_accepted()
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        match self.bug {
            Bug::PurgeUnchecked => Timestamp::default(),
            _ => self.memory.newest_payment_accepted_at(),
        }
    }
}
