//! Transfers that post at once, and transfers that pend.

use crate::account::{Account, Movement, Side};
use crate::command::{Command, Field, MoveMoney};
use crate::decide::decision::{
    Decision, check_amount, check_description, check_kept_description, remember, replay,
};
use crate::event::Event;
use crate::id::{AccountId, TransferId};
use crate::outcome::{Record, Refusal};
use crate::state::{State, UsedTransfer};
use crate::time::Timestamp;
use crate::transfer::{After, Transfer, TransferKind};

pub(super) fn transfer<S: State + ?Sized>(
    state: &S,
    command: MoveMoney,
    now: Timestamp,
) -> Decision {
    move_money(state, command, None, now)
}

pub(super) fn pend<S: State + ?Sized>(
    state: &S,
    command: MoveMoney,
    timeout_s: u32,
    now: Timestamp,
) -> Decision {
    move_money(state, command, Some(timeout_s), now)
}

/// Moves money at once, or makes it pend for so long.
fn move_money<S: State + ?Sized>(
    state: &S,
    command: MoveMoney,
    timeout_s: Option<u32>,
    now: Timestamp,
) -> Decision {
    if let Some(used) = state.transfer(command.id) {
        return replay_transfer(used, &as_command(command, timeout_s));
    }
    if let Err(refusal) = check_description(&command.description) {
        return Decision::Refused(refusal);
    }
    let sides = check_sides(
        state,
        &command.debit_account_id,
        &command.credit_account_id,
        command.amount,
    );
    match sides {
        Ok((debit, credit)) => Decision::Event(Event::Transfer(record(
            command, timeout_s, debit, credit, now,
        ))),
        Err(refusal) => remember(as_command(command, timeout_s), refusal, now),
    }
}

pub(super) fn check_form(command: &MoveMoney) -> Result<(), Refusal> {
    check_amount(command.amount)?;
    check_kept_description(&command.description)?;
    if command.debit_account_id == command.credit_account_id {
        return Err(Refusal::AccountsMustDiffer);
    }
    for account_id in [&command.debit_account_id, &command.credit_account_id] {
        if account_id.is_processor() {
            return Err(Refusal::AccountReserved {
                account_id: account_id.clone(),
            });
        }
    }
    Ok(())
}

/// Both accounts, where so much can be moved from one to the other.
pub(super) fn check_sides<S: State + ?Sized>(
    state: &S,
    debit_account_id: &AccountId,
    credit_account_id: &AccountId,
    amount: u64,
) -> Result<(Account, Account), Refusal> {
    let debit = find(state, debit_account_id)?;
    let credit = find(state, credit_account_id)?;
    check_open(&debit, debit_account_id)?;
    check_open(&credit, credit_account_id)?;
    check_may_debit(&debit, debit_account_id)?;
    check_may_credit(&credit, credit_account_id)?;
    if debit.currency != credit.currency {
        return Err(Refusal::CurrencyMismatch);
    }
    check_funds(&debit, debit_account_id, amount)?;
    check_total(&debit, debit_account_id, amount)?;
    if !credit.can_be_credited(amount) {
        return Err(Refusal::BalanceOverflow {
            account_id: credit_account_id.clone(),
        });
    }
    Ok((debit, credit))
}

pub(super) fn find<S: State + ?Sized>(state: &S, id: &AccountId) -> Result<Account, Refusal> {
    state.account(id).ok_or_else(|| Refusal::AccountNotFound {
        account_id: id.clone(),
    })
}

pub(super) fn check_open(account: &Account, id: &AccountId) -> Result<(), Refusal> {
    if account.closed {
        return Err(Refusal::AccountClosed {
            account_id: id.clone(),
        });
    }
    Ok(())
}

pub(super) fn check_may_debit(account: &Account, id: &AccountId) -> Result<(), Refusal> {
    if account.frozen.stops_debits() {
        return Err(Refusal::AccountFrozen {
            account_id: id.clone(),
            side: Side::Debit,
        });
    }
    Ok(())
}

fn check_may_credit(account: &Account, id: &AccountId) -> Result<(), Refusal> {
    if account.frozen.stops_credits() {
        return Err(Refusal::AccountFrozen {
            account_id: id.clone(),
            side: Side::Credit,
        });
    }
    Ok(())
}

/// Whether the account's debits can still be counted; how many there are is bounded by nothing else.
pub(super) fn check_total(account: &Account, id: &AccountId, amount: u64) -> Result<(), Refusal> {
    if account.can_be_debited(amount) {
        return Ok(());
    }
    Err(Refusal::BalanceOverflow {
        account_id: id.clone(),
    })
}

pub(super) fn check_funds(account: &Account, id: &AccountId, amount: u64) -> Result<(), Refusal> {
    match (account.available(), account.credit_limit()) {
        (Some(available), Some(credit_limit)) if available < amount => {
            Err(Refusal::InsufficientFunds {
                account_id: id.clone(),
                available,
                required: amount,
                credit_limit,
            })
        }
        _ => Ok(()),
    }
}

fn as_command(transfer: MoveMoney, timeout_s: Option<u32>) -> Command {
    match timeout_s {
        Some(timeout_s) => Command::Pend {
            transfer,
            timeout_s,
        },
        None => Command::Transfer(transfer),
    }
}

fn record(
    command: MoveMoney,
    timeout_s: Option<u32>,
    debit: Account,
    credit: Account,
    now: Timestamp,
) -> Transfer {
    let mut transfer = Transfer {
        id: command.id,
        kind: timeout_s.map_or(TransferKind::Transfer, |timeout_s| TransferKind::Pend {
            timeout_s,
        }),
        debit_account_id: command.debit_account_id,
        credit_account_id: command.credit_account_id,
        amount: command.amount,
        description: command.description,
        notes: command.notes,
        timestamp: now,
        debit: None,
        credit: None,
    };
    set_after(&mut transfer, debit, credit);
    transfer
}

/// Fills in what the transfer's accounts are after it.
pub(super) fn set_after(transfer: &mut Transfer, debit: Account, credit: Account) {
    let (debit_movement, credit_movement) = transfer.movements();
    transfer.debit = after(debit, debit_movement);
    transfer.credit = after(credit, credit_movement);
}

fn after(mut account: Account, movement: Movement) -> Option<After> {
    let credit_limit = account.credit_limit()?;
    let entry_count = account.entry_count;
    account.apply(movement);
    (account.entry_count > entry_count).then(|| After {
        entry_number: account.entry_count,
        balance: account.balance(),
        credit_limit,
    })
}

/// The answer to a command whose transfer id was used.
pub(super) fn replay_transfer(used: UsedTransfer, command: &Command) -> Decision {
    match used {
        UsedTransfer::Created(transfer, _) => {
            replay(transfer.command(), command, Ok(Record::Transfer(transfer)))
        }
        UsedTransfer::Refused(first, refusal) => replay(Some(first), command, Err(refusal)),
        UsedTransfer::Payment(_) => Decision::Refused(Refusal::ExistsWithDifferent(Field::Kind)),
    }
}

/// Whether a transfer's id is still free.
pub(super) fn is_free<S: State + ?Sized>(state: &S, id: TransferId) -> bool {
    state.transfer(id).is_none()
}
