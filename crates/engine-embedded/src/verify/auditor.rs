//! The auditor's books.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use journal::Address;
use ledger::{
    AMOUNT_MAX, Account, AccountId, BATCH_COMMANDS_MAX, BatchDecided, BatchId, Command, Event,
    Limit, Movement, Payment, PaymentId, Refusal, Timestamp, TransferId, UsedId,
};

use crate::record::{Links, Recorded, decode};
use crate::verify::audit::{Audit, FINDINGS_MAX, Finding};

/// An account as the records so far leave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Audited {
    pub(super) account: Account,
    /// Where its newest entry is; 0: it has none.
    pub(super) last_entry: u64,
    /// When its newest event was decided. Of system accounts nothing follows from it.
    pub(super) newest: Timestamp,
    /// Where that is: a purge may release several payments of one account.
    pub(super) newest_at: u64,
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
    /// Where each payment's newest resolution is.
    pub(super) resolutions: HashMap<PaymentId, u64>,
    pub(super) refused_payment_ids: HashSet<PaymentId>,
    batch_ids: HashSet<BatchId>,
    /// The records of the frame in hand: where each is, and whether it may be a batch's member.
    frame: Vec<(u64, bool)>,
    /// The newest time so far.
    last: Timestamp,
    /// The time of the event in hand.
    now: Timestamp,
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
            Ok(Recorded { links, event }) => {
                self.event(links, &event);
                self.frame.push((self.address, can_be_member(&event)));
            }
            Err(error) => self.find(error.to_string()),
        }
    }

    pub(super) fn finish(mut self) -> Audit {
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
        self.now = event.timestamp();
        self.check(
            may_follow(event, self.last),
            "its timestamp is much earlier than the newest one before",
        );
        self.last = self.last.max(self.now);
        self.open_system_accounts(event);
        match event {
            Event::Transfer(transfer) => self.transfer(links, transfer),
            Event::AccountOpened { id, account } => self.account_opened(id, *account),
            Event::LimitChanged { id, account, .. } => self.limit_changed(id, account),
            Event::AccountClosed { id, account, .. } => self.account_closed(id, account),
            Event::Refused {
                command, refusal, ..
            } => self.refused(command, refusal, is_undated(event)),
            Event::Batch(batch) => self.batch(links, batch),
            _ => self.payment_event(links, event),
        }
    }

    fn refused(&mut self, command: &Command, refusal: &Refusal, is_undated: bool) {
        match command.used_id() {
            Some(UsedId::Transfer(id)) => self.use_transfer_id(id),
            Some(UsedId::Payment(id)) => {
                let new = !self.payments.contains_key(&id) && self.refused_payment_ids.insert(id);
                self.check(new, "a payment id was used before");
            }
            None => return self.find("a refusal is remembered without an id"),
        }
        self.audit.refusals_count += 1;
        if let Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } = refusal
            && !is_undated
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
                newest: event.timestamp(),
                newest_at: self.address,
            });
        }
    }

    pub(super) fn use_transfer_id(&mut self, id: TransferId) {
        let new = self.transfer_ids.insert(id);
        self.check(new, "a transfer id was used before");
    }

    fn batch(&mut self, links: Links, batch: &BatchDecided) {
        self.audit.batches_count += 1;
        let new = self.batch_ids.insert(batch.id);
        self.check(new, "a batch id was used before");
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
        self.touch(id, &mut audited);
        self.accounts.insert(id.clone(), audited);
        self.check_bounds(id, &audited.account);
        Some(audited.account)
    }

    /// An account's events follow one another in time, whatever happens to other accounts.
    pub(super) fn touch(&mut self, id: &AccountId, audited: &mut Audited) {
        let is_other = audited.newest_at != self.address;
        if audited.account.limit != Limit::Unlimited && is_other && self.now <= audited.newest {
            self.find(format!(
                "its timestamp is not later than the one before of account {id}"
            ));
        }
        audited.newest = self.now;
        audited.newest_at = self.address;
    }

    pub(super) fn check_bounds(&mut self, id: &AccountId, account: &Account) {
        let Limit::Credit(limit) = account.limit else {
            return;
        };
        let incoming = u128::from(account.credits_posted) + u128::from(limit);
        let outgoing = u128::from(account.debits_posted) + u128::from(account.debits_pending);
        if available_exact(account) < 0 {
            self.find(format!("account {id} has passed its limit"));
        }
        let bound = u128::from(AMOUNT_MAX);
        if incoming + u128::from(account.credits_pending) > bound || outgoing > bound {
            self.find(format!("a total of account {id} has passed 2^53 - 1"));
        }
    }
}

/// Whether the event may come after others of which the newest has this time. What one engine decides
/// strictly increases. In a copy of a ledger that several nodes decided, an atomic batch is kept together,
/// and what was decided meanwhile comes after it.
pub(super) fn may_follow(event: &Event, newest: Timestamp) -> bool {
    let together = BATCH_COMMANDS_MAX as u64;
    let at = event.timestamp().as_nanos();
    at.saturating_add(together) >= newest.as_nanos() || is_undated(event)
}

/// Whether the event is a copy of one whose time an earlier version did not keep: it moves nothing.
fn is_undated(event: &Event) -> bool {
    event.timestamp() == Timestamp::default()
        && match event {
            Event::Refused { command, .. } => {
                matches!(command.used_id(), Some(UsedId::Payment(_)))
            }
            Event::Batch(batch) => batch.failure.is_some(),
            Event::Transfer(_)
            | Event::AccountOpened { .. }
            | Event::LimitChanged { .. }
            | Event::AccountClosed { .. }
            | Event::PaymentAccepted(_)
            | Event::PaymentSent(_)
            | Event::PaymentReleased(_)
            | Event::PaymentSettled { .. }
            | Event::PaymentRefused(_)
            | Event::PaymentsPurged { .. }
            | Event::PaymentResolved(_) => false,
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
