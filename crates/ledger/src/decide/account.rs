//! Opening, limiting, freezing and closing accounts.

use crate::account::{Account, Frozen};
use crate::command::{Command, OpenAccount};
use crate::decide::decision::{Decision, replay};
use crate::event::Event;
use crate::id::AccountId;
use crate::money::{AMOUNT_MAX, Limit};
use crate::outcome::{Record, Refusal};
use crate::state::State;
use crate::time::Timestamp;

pub(super) fn open<S: State + ?Sized>(state: &S, open: OpenAccount, now: Timestamp) -> Decision {
    let OpenAccount {
        id,
        currency,
        credit_limit,
    } = open;
    if let Some(first) = state.account_opened(&id) {
        let first_command = Command::OpenAccount(OpenAccount {
            id: id.clone(),
            currency: first.currency,
            credit_limit: first
                .credit_limit()
                .expect("an account that is not the system's has a limit"),
        });
        let command = Command::OpenAccount(OpenAccount {
            id: id.clone(),
            currency,
            credit_limit,
        });
        // As it was opened, but for what would mislead: whether it takes debits and credits now.
        let now = state.account(&id).unwrap_or(first);
        let account = Account {
            closed: now.closed,
            frozen: now.frozen,
            ..first
        };
        let record = Record::Account { id, account };
        return replay(Some(first_command), &command, Ok(record));
    }
    if currency.check_current().is_err() {
        return Decision::Refused(Refusal::CurrencyNotCurrent { currency });
    }
    let account = Account::new(currency, Limit::Credit(credit_limit), now);
    Decision::Event(Event::AccountOpened { id, account })
}

pub(super) fn check_open_form(open: &OpenAccount) -> Result<(), Refusal> {
    check_is_not_reserved(&open.id)?;
    check_limit(open.credit_limit)
}

pub(super) const fn check_limit(credit_limit: u64) -> Result<(), Refusal> {
    if credit_limit > AMOUNT_MAX {
        return Err(Refusal::AmountOutOfRange {
            amount: credit_limit,
        });
    }
    Ok(())
}

pub(super) fn check_is_not_reserved(id: &AccountId) -> Result<(), Refusal> {
    if id.is_reserved() {
        return Err(Refusal::AccountReserved {
            account_id: id.clone(),
        });
    }
    Ok(())
}

pub(super) fn change_limit<S: State + ?Sized>(
    state: &S,
    id: AccountId,
    credit_limit: u64,
    expected: Option<u64>,
    now: Timestamp,
) -> Decision {
    let mut account = match limited_account(state, &id) {
        Ok(account) => account,
        Err(refusal) => return Decision::Refused(refusal),
    };
    // Where the limit is what it should become, nothing of another's is overwritten.
    let (current, wanted) = (account.credit_limit(), Some(credit_limit));
    if expected.is_some() && current != expected && current != wanted {
        return other_state(id, &account);
    }
    if credit_limit > account.limit_max() {
        return Decision::Refused(Refusal::BalanceOverflow { account_id: id });
    }
    let outgoing = account.debits_posted + account.debits_pending;
    if outgoing > account.credits_posted + credit_limit {
        return Decision::Refused(Refusal::InsufficientFunds {
            account_id: id,
            available: account
                .available()
                .expect("an account that is not the system's has a limit"),
            required: outgoing - account.credits_posted,
            credit_limit,
        });
    }
    account.limit = Limit::Credit(credit_limit);
    Decision::Event(Event::LimitChanged {
        id,
        account,
        timestamp: now,
        by: None,
    })
}

pub(super) fn close<S: State + ?Sized>(
    state: &S,
    id: AccountId,
    expected: Option<u64>,
    now: Timestamp,
) -> Decision {
    let mut account = match limited_account(state, &id) {
        Ok(account) => account,
        Err(refusal) => return Decision::Refused(refusal),
    };
    if expected.is_some_and(|expected| account.entry_count != expected) {
        return other_state(id, &account);
    }
    if account.balance() != 0 || account.debits_pending != 0 || account.credits_pending != 0 {
        return Decision::Refused(Refusal::AccountInUse {
            account_id: id,
            balance: account.balance(),
            debits_pending: account.debits_pending,
            credits_pending: account.credits_pending,
        });
    }
    account.closed = true;
    Decision::Event(Event::AccountClosed {
        id,
        account,
        timestamp: now,
        by: None,
    })
}

pub(super) fn change_freeze<S: State + ?Sized>(
    state: &S,
    id: AccountId,
    frozen: Frozen,
    expected: Option<Frozen>,
    now: Timestamp,
) -> Decision {
    let mut account = match limited_account(state, &id) {
        Ok(account) => account,
        Err(refusal) => return Decision::Refused(refusal),
    };
    // Where the account is as it should become, nothing of another's is overwritten.
    let current = account.frozen;
    if expected.is_some_and(|expected| current != expected) && current != frozen {
        return other_state(id, &account);
    }
    account.frozen = frozen;
    Decision::Event(Event::FreezeChanged {
        id,
        account,
        timestamp: now,
        by: None,
    })
}

fn other_state(account_id: AccountId, account: &Account) -> Decision {
    let Limit::Credit(credit_limit) = account.limit else {
        unreachable!("unlimited accounts are reserved, which was refused before");
    };
    Decision::Refused(Refusal::AccountInOtherState {
        account_id,
        credit_limit,
        entry_count: account.entry_count,
    })
}

fn limited_account<S: State + ?Sized>(state: &S, id: &AccountId) -> Result<Account, Refusal> {
    match state.account(id) {
        None => Err(Refusal::AccountNotFound {
            account_id: id.clone(),
        }),
        Some(account) if account.closed => Err(Refusal::AccountClosed {
            account_id: id.clone(),
        }),
        Some(account) => Ok(account),
    }
}
