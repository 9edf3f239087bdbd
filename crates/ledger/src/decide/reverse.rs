//! Reversals: money that a transfer has moved goes back, in full or in parts.

use crate::command::{Command, ReverseTransfer};
use crate::decide::decision::{
    Decision, check_amount, check_description, check_kept_description, remember,
};
use crate::decide::transfer::{check_sides, replay_transfer, set_after};
use crate::event::Event;
use crate::id::TransferId;
use crate::outcome::{NotReversible, Refusal};
use crate::state::{State, UsedTransfer};
use crate::time::Timestamp;
use crate::transfer::{PendingState, Standing, Transfer, TransferKind};

pub(super) fn check_form(command: &ReverseTransfer) -> Result<(), Refusal> {
    command.amount.map_or(Ok(()), check_amount)?;
    check_kept_description(&command.description)
}

pub(super) fn reverse<S: State + ?Sized>(
    state: &S,
    command: ReverseTransfer,
    now: Timestamp,
) -> Decision {
    if let Some(used) = state.transfer(command.id) {
        return replay_transfer(used, &Command::Reverse(command));
    }
    if let Err(refusal) = check_description(&command.description) {
        return Decision::Refused(refusal);
    }
    match reversal(state, &command, now) {
        Ok(transfer) => Decision::Event(Event::Transfer(transfer)),
        Err(refusal) => remember(Command::Reverse(command), refusal, now),
    }
}

fn reversal<S: State + ?Sized>(
    state: &S,
    command: &ReverseTransfer,
    now: Timestamp,
) -> Result<Transfer, Refusal> {
    let (original, reversed_amount) = find_posted(state, command.reverses)?;
    // Where a damaged record says that more was reversed than there was, nothing is left to reverse.
    let available = original.amount.saturating_sub(reversed_amount);
    let amount = command.amount.unwrap_or(available);
    if amount > available || available == 0 {
        return Err(Refusal::AmountExceedsReversible {
            available,
            required: command.amount.unwrap_or(original.amount),
        });
    }
    let mut transfer = Transfer {
        id: command.id,
        kind: TransferKind::Reverse {
            reverses: command.reverses,
            reversed_before: reversed_amount,
            in_full: command.amount.is_none(),
        },
        debit_account_id: original.credit_account_id,
        credit_account_id: original.debit_account_id,
        amount,
        description: command.description.clone(),
        notes: command.notes.clone(),
        timestamp: now,
        debit: None,
        credit: None,
    };
    let (debit, credit) = check_sides(
        state,
        &transfer.debit_account_id,
        &transfer.credit_account_id,
        amount,
    )?;
    set_after(&mut transfer, debit, credit);
    Ok(transfer)
}

/// The transfer, if it moved money, and how much of it was moved back.
fn find_posted<S: State + ?Sized>(
    state: &S,
    transfer_id: TransferId,
) -> Result<(Transfer, u64), Refusal> {
    let reason = match state.transfer(transfer_id) {
        Some(UsedTransfer::Created(original, standing)) => match standing {
            Standing::Posted { reversed_amount } => return Ok((original, reversed_amount)),
            Standing::Pending { state, left_amount } => match state {
                PendingState::Posted => NotReversible::Pend,
                // Parts may have moved some of it: they are transfers of their own.
                PendingState::Pending if left_amount < original.amount => NotReversible::Pend,
                PendingState::Pending | PendingState::Voided | PendingState::Expired => {
                    NotReversible::NothingMoved
                }
            },
            Standing::Final if original.reversal().is_some() => NotReversible::Reversal,
            Standing::Final => NotReversible::NothingMoved,
        },
        Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) => NotReversible::NothingMoved,
        None => NotReversible::NotFound,
    };
    Err(Refusal::TransferNotReversible {
        transfer_id,
        reason,
    })
}
