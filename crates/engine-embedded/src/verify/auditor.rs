//! The auditor's books.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use journal::Address;
use ledger::{
    AMOUNT_MAX, Account, AccountId, BATCH_COMMANDS_MAX, BatchDecided, Command, Event, Limit,
    Movement, Payment, PaymentId, Refusal, TOTAL_MAX, Timestamp, TransferId, UsedId,
};

use crate::record::{Links, Recorded, decode};
use crate::verify::audit::{Audit, FINDINGS_MAX, Finding};
use crate::verify::used::{IdKind, SortError, UsedIds};

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
    /// How much of it is still reserved.
    pub(super) left_amount: u64,
    pub(super) debit_account_id: AccountId,
    pub(super) credit_account_id: AccountId,
    pub(super) expires_at: Option<Timestamp>,
}

/// A transfer that was reversed.
#[derive(Debug, Clone)]
pub(super) struct Reversed {
    /// Where the reversals say that it is.
    pub(super) origin: u64,
    /// Where its first reversal is.
    pub(super) first: u64,
    /// How much of it is reversed.
    pub(super) amount: u128,
    /// Whether the newest reversal left its amount out: then nothing is left of it.
    pub(super) is_in_full: bool,
    /// The accounts of its reversals.
    pub(super) debit_account_id: AccountId,
    pub(super) credit_account_id: AccountId,
}

/// Books made from the records alone. Their memory grows with accounts, pending transfers, reversed
/// transfers and open payments, not with history.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    pub(super) accounts: HashMap<AccountId, Audited>,
    /// The ids that had to be new.
    pub(super) used: UsedIds,
    pub(super) open: HashMap<TransferId, Open>,
    pub(super) reversed: HashMap<TransferId, Reversed>,
    /// The payments that are accepted or sent.
    pub(super) payments: HashMap<PaymentId, Payment>,
    /// Where the newest resolution is of those of them that have one.
    pub(super) resolutions: HashMap<PaymentId, u64>,
    /// The records of the frame in hand: where each is, and whether it may be a batch's member.
    frame: Vec<(u64, bool)>,
    last: Timestamp,
    /// The record in hand.
    pub(super) address: u64,
    pub(super) audit: Audit,
}

impl Auditor {
    /// Takes in one record.
    ///
    /// # Errors
    ///
    /// When the ids so far could not be kept.
    pub(super) fn record(
        &mut self,
        address: Address,
        payload: &[u8],
        index_in_frame: u32,
    ) -> Result<(), SortError> {
        self.used.make_room()?;
        self.address = address.to_u64();
        if index_in_frame == 0 {
            self.frame.clear();
        }
        self.audit.records_count += 1;
        match decode(payload) {
            Ok(Recorded { links, event }) => {
                self.event(links, &event);
                self.frame.push((self.address, can_be_member(&event)));
            }
            Err(error) => self.find(error.to_string()),
        }
        Ok(())
    }

    /// What was found and counted.
    ///
    /// # Errors
    ///
    /// When the ids could not be kept or read back.
    pub(super) fn finish(mut self) -> Result<Audit, SortError> {
        let used = std::mem::take(&mut self.used);
        used.each_repeated(|kind, address| {
            let what = match kind {
                IdKind::Transfer => "a transfer id was used before",
                IdKind::Payment => "a payment id was used before",
                IdKind::Batch => "a batch id was used before",
            };
            self.find_at(address, what.to_owned());
        })?;
        let mut balances: BTreeMap<_, i64> = BTreeMap::new();
        for audited in self.accounts.values() {
            let balance = balances.entry(audited.account.currency).or_default();
            *balance = balance.wrapping_add(audited.account.balance());
            self.audit.entries_count += audited.account.entry_count;
        }
        for (currency, balance) in &balances {
            if *balance != 0 {
                self.find(format!(
                    "the balances of {currency} sum to {balance}, not to 0"
                ));
            }
        }
        self.audit.newest = self.last;
        self.audit.accounts_count = self.accounts.len() as u64;
        self.audit.balances = balances;
        Ok(self.audit)
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

    pub(super) fn find_at(&mut self, address: u64, what: String) {
        self.address = address;
        self.find(what);
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
            Event::FreezeChanged { id, account, .. } => self.freeze_changed(id, account),
            Event::Refused {
                command, refusal, ..
            } => self.refused(command, refusal),
            Event::Batch(batch) => self.batch(links, batch),
            _ => self.payment_event(links, event),
        }
    }

    fn refused(&mut self, command: &Command, refusal: &Refusal) {
        match command.used_id() {
            Some(UsedId::Transfer(id)) => self.use_transfer_id(id),
            Some(UsedId::Payment(id)) => self.use_payment_id(id),
            None => return self.find("a refusal is remembered without an id"),
        }
        self.audit.refusals_count += 1;
        if let Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } = refusal
        {
            let audited = self.accounts.get(account_id);
            let told = audited.is_some_and(|audited| {
                audited.account.limit == Limit::Credit(*credit_limit)
                    && available_exact(&audited.account) == i128::from(*available)
            });
            self.check(
                told && required > available,
                "a refusal's figures are not its account's",
            );
        }
    }

    fn open_system_accounts(&mut self, event: &Event) {
        for (id, currency) in event.system_accounts() {
            let account = Account::new(currency, Limit::Unlimited, event.timestamp());
            self.accounts.entry(id).or_insert(Audited {
                account,
                last_entry: 0,
            });
        }
    }

    pub(super) fn use_transfer_id(&mut self, id: TransferId) {
        self.used.add(IdKind::Transfer, id.to_u128(), self.address);
    }

    pub(super) fn use_payment_id(&mut self, id: PaymentId) {
        self.used.add(IdKind::Payment, id.to_u128(), self.address);
    }

    fn batch(&mut self, links: Links, batch: &BatchDecided) {
        self.audit.batches_count += 1;
        self.used
            .add(IdKind::Batch, batch.id.to_u128(), self.address);
        let members = batch.members_count as usize;
        let sized = (1..=BATCH_COMMANDS_MAX).contains(&members);
        self.check(sized, "an atomic batch has no members, or too many");
        if let Some(failure) = &batch.failure {
            let named = failure.index < batch.members_count && links.origin == 0;
            return self.check(named, "a failed batch names what is no member");
        }
        let first = self.frame.len().checked_sub(members);
        let whole = first.is_some_and(|first| {
            let members = &self.frame[first..];
            members.first().map(|member| member.0) == Some(links.origin)
                && members.iter().all(|(_, can_be_member)| *can_be_member)
        });
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

    pub(super) fn check_bounds(&mut self, id: &AccountId, account: &Account) {
        let Limit::Credit(limit) = account.limit else {
            return;
        };
        if available_exact(account) < 0 {
            self.find(format!("account {id} has passed its limit"));
        }
        let exact = |number: u64| i128::from(number);
        let balance = exact(account.credits_posted) - exact(account.debits_posted);
        let held = balance + exact(account.credits_pending) + exact(limit);
        if held.max(exact(account.debits_pending) - balance) > exact(AMOUNT_MAX) {
            self.find(format!("the balance of account {id} has passed 2^53 - 1"));
        }
        let credits = exact(account.credits_posted) + exact(account.credits_pending);
        let debits = exact(account.debits_posted) + exact(account.debits_pending);
        if credits.max(debits) > exact(TOTAL_MAX) {
            self.find(format!("a total of account {id} has passed 2^63 - 1"));
        }
    }
}

/// Whether the event may be a member of an atomic batch: what was refused is not, nor is a batch.
/// An expiry may be, where it comes due in the nanoseconds of the batch itself.
const fn can_be_member(event: &Event) -> bool {
    !matches!(event, Event::Refused { .. } | Event::Batch(_))
}

/// What a limited account has left, below 0 where it has passed its limit.
pub(super) fn available_exact(account: &Account) -> i128 {
    i128::from(account.credits_posted) + i128::from(account.credit_limit().unwrap_or(0))
        - i128::from(account.debits_posted)
        - i128::from(account.debits_pending)
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
