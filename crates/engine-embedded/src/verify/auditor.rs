//! The auditor's books.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use journal::Address;
use ledger::{
    AMOUNT_MAX, Account, AccountId, BatchDecided, BatchId, Event, Limit, Movement, Payment,
    PaymentId, Timestamp, TransferId, UsedId,
};

use crate::record::{Links, Recorded, decode};
use crate::verify::{Audit, FINDINGS_MAX, Finding};

/// An account as the records so far leave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Audited {
    pub(super) account: Account,
    /// Where its newest entry is; 0: it has none.
    pub(super) last_entry: u64,
}

/// A transfer that is pending.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) address: u64,
    pub(super) amount: u64,
    pub(super) debit_account_id: AccountId,
    pub(super) credit_account_id: AccountId,
    pub(super) expires_at: Option<Timestamp>,
}

/// Books made from the records alone.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    pub(super) accounts: HashMap<AccountId, Audited>,
    pub(super) transfer_ids: HashSet<TransferId>,
    pub(super) open: HashMap<TransferId, Open>,
    pub(super) payments: HashMap<PaymentId, Payment>,
    pub(super) refused_payment_ids: HashSet<PaymentId>,
    batch_ids: HashSet<BatchId>,
    /// The records of the frame in hand.
    frame: Vec<u64>,
    last: Timestamp,
    /// The record in hand.
    pub(super) address: u64,
    pub(super) audit: Audit,
}

impl Auditor {
    pub(super) fn record(&mut self, address: Address, payload: &[u8], index_in_frame: u32) {
        self.address = address.to_u64();
        if index_in_frame == 0 {
            self.frame.clear();
        }
        self.audit.records_count += 1;
        match decode(payload) {
            Ok(Recorded { links, event }) => self.event(links, &event),
            Err(error) => self.find(error.to_string()),
        }
        self.frame.push(self.address);
    }

    pub(super) fn finish(mut self) -> Audit {
        let mut balances = BTreeMap::new();
        for audited in self.accounts.values() {
            *balances.entry(audited.account.currency).or_default() +=
                i128::from(audited.account.balance());
            self.audit.entries_count += audited.account.entry_count;
        }
        for (currency, balance) in &balances {
            if *balance != 0 {
                self.find(format!(
                    "the balances of {currency} sum to {balance}, not to 0"
                ));
            }
        }
        self.audit.accounts_count = self.accounts.len() as u64;
        self.audit.balances = balances;
        self.audit
    }

    pub(super) fn find(&mut self, what: impl Into<String>) {
        self.audit.findings_count += 1;
        if self.audit.findings.len() < FINDINGS_MAX {
            self.audit.findings.push(Finding {
                address: self.address,
                what: what.into(),
            });
        }
    }

    /// A finding unless `holds`.
    pub(super) fn check(&mut self, holds: bool, what: &str) {
        if !holds {
            self.find(what);
        }
    }

    fn event(&mut self, links: Links, event: &Event) {
        let timestamp = event.timestamp();
        self.check(
            timestamp > self.last,
            "its timestamp is not later than the one before",
        );
        self.last = timestamp;
        self.open_system_accounts(event);
        match event {
            Event::Transfer(transfer) => self.transfer(links, transfer),
            Event::AccountOpened { id, account } => self.account_opened(id, *account),
            Event::LimitChanged { id, account, .. } => self.limit_changed(id, account),
            Event::AccountClosed { id, account, .. } => self.account_closed(id, account),
            Event::Refused { command, .. } => match command.used_id() {
                Some(UsedId::Transfer(id)) => {
                    self.audit.refusals_count += 1;
                    self.use_transfer_id(id);
                }
                Some(UsedId::Payment(id)) => {
                    self.audit.refusals_count += 1;
                    let new =
                        !self.payments.contains_key(&id) && self.refused_payment_ids.insert(id);
                    self.check(new, "a payment id was used before");
                }
                None => self.find("a refusal is remembered without an id"),
            },
            Event::Batch(batch) => self.batch(links, batch),
            _ => self.payment_event(links, event),
        }
    }

    fn open_system_accounts(&mut self, event: &Event) {
        let currency = match (event, event.payment()) {
            (Event::AccountOpened { account, .. }, _) => account.currency,
            (_, Some(payment)) => payment.currency,
            _ => return,
        };
        for id in event.system_accounts() {
            let account = Account::new(currency, Limit::Unlimited, event.timestamp());
            self.accounts.entry(id).or_insert(Audited {
                account,
                last_entry: 0,
            });
        }
    }

    pub(super) fn use_transfer_id(&mut self, id: TransferId) {
        let new = self.transfer_ids.insert(id);
        self.check(new, "a transfer id was used before");
    }

    fn account_opened(&mut self, id: &AccountId, account: Account) {
        let limited = matches!(account.limit, Limit::Credit(limit) if limit <= AMOUNT_MAX);
        self.check(
            limited && !id.is_reserved(),
            "an account was opened without a limit",
        );
        let fresh = Account::new(account.currency, account.limit, account.timestamp);
        self.check(account == fresh, "an account was opened with totals");
        let before = self.accounts.insert(
            id.clone(),
            Audited {
                account,
                last_entry: 0,
            },
        );
        self.check(before.is_none(), "an account was opened twice");
    }

    fn limit_changed(&mut self, id: &AccountId, account: &Account) {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            return self.find("the limit of an account that is not open was changed");
        };
        audited.account.limit = account.limit;
        self.check(
            audited.account == *account,
            "a changed account differs from its entries",
        );
        self.check_bounds(id, &audited.account);
        self.accounts.insert(id.clone(), audited);
    }

    fn account_closed(&mut self, id: &AccountId, account: &Account) {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            return self.find("an account that is not open was closed");
        };
        audited.account.closed = true;
        self.check(
            audited.account == *account,
            "a closed account differs from its entries",
        );
        let empty =
            account.balance() == 0 && account.debits_pending == 0 && account.credits_pending == 0;
        self.check(empty, "an account was closed with money in it");
        self.accounts.insert(id.clone(), audited);
    }

    fn batch(&mut self, links: Links, batch: &BatchDecided) {
        self.audit.batches_count += 1;
        let new = self.batch_ids.insert(batch.id);
        self.check(new, "a batch id was used before");
        if batch.failure.is_some() {
            self.check(links.origin == 0, "a failed batch names members");
            return;
        }
        let members = batch.members_count as usize;
        let first = self
            .frame
            .len()
            .checked_sub(members)
            .and_then(|at| self.frame.get(at));
        let whole = members > 0 && first == Some(&links.origin);
        self.check(
            whole,
            "an atomic batch's members are not all right before it",
        );
    }

    /// Applies a movement where that is possible, and checks what it leads to.
    pub(super) fn apply(&mut self, id: &AccountId, movement: Movement) -> Option<Account> {
        let Some(mut audited) = self.accounts.get(id).copied() else {
            self.find(format!("account {id} is not open"));
            return None;
        };
        if !can_apply(&audited.account, movement) {
            self.find(format!("account {id} cannot take {movement:?}"));
            return None;
        }
        audited.account.apply(movement);
        self.accounts.insert(id.clone(), audited);
        self.check_bounds(id, &audited.account);
        Some(audited.account)
    }

    fn check_bounds(&mut self, id: &AccountId, account: &Account) {
        let Limit::Credit(limit) = account.limit else {
            return;
        };
        let incoming = u128::from(account.credits_posted) + u128::from(limit);
        let outgoing = u128::from(account.debits_posted) + u128::from(account.debits_pending);
        if outgoing > incoming {
            self.find(format!("account {id} has passed its limit"));
        }
        let bound = u128::from(AMOUNT_MAX);
        if incoming + u128::from(account.credits_pending) > bound || outgoing > bound {
            self.find(format!("a total of account {id} has passed 2^53 - 1"));
        }
    }
}

/// Whether the movement takes no more out of a reservation, and adds no more, than there can be.
fn can_apply(account: &Account, movement: Movement) -> bool {
    let Limit::Credit(_) = account.limit else {
        return true;
    };
    let (reserved_debit, reserved_credit, amount) = match movement {
        Movement::Debit(amount)
        | Movement::Credit(amount)
        | Movement::ReserveDebit(amount)
        | Movement::ReserveCredit(amount) => (0, 0, amount),
        Movement::PostDebit { reserved, amount } => (reserved, 0, amount),
        Movement::PostCredit { reserved, amount } => (0, reserved, amount),
        Movement::ReleaseDebit(reserved) => (reserved, 0, 0),
        Movement::ReleaseCredit(reserved) => (0, reserved, 0),
    };
    account.debits_pending >= reserved_debit
        && account.credits_pending >= reserved_credit
        && amount <= AMOUNT_MAX
}
