//! Ends of pending transfers: post, void, expire.

use crate::command::Command;
use crate::decide::decision::{Decision, remember};
use crate::decide::transfer::{find, replay_transfer, set_after};
use crate::event::Event;
use crate::id::TransferId;
use crate::outcome::Refusal;
use crate::state::{State, UsedTransfer};
use crate::time::Timestamp;
use crate::transfer::{PendingState, Standing, Transfer, TransferKind};

pub(super) fn post<S: State + ?Sized>(
    state: &S,
    id: TransferId,
    pending_id: TransferId,
    amount: Option<u64>,
    now: Timestamp,
) -> Decision {
    let command = Command::Post {
        id,
        pending_id,
        amount,
    };
    if let Some(used) = state.transfer(id) {
        return replay_transfer(used, &command);
    }
    let pending = match find_pending(state, pending_id, now) {
        Ok(pending) => pending,
        Err(refusal) => return remember(command, refusal, now),
    };
    let pending_amount = pending.amount;
    let posted = amount.unwrap_or(pending_amount);
    if posted > pending_amount {
        let refusal = Refusal::AmountExceedsPending {
            available: pending_amount,
            required: posted,
        };
        return remember(command, refusal, now);
    }
    let kind = TransferKind::Post {
        pending_id,
        pending_amount,
        in_full: amount.is_none(),
    };
    end(
        state,
        Transfer {
            id,
            kind,
            amount: posted,
            timestamp: now,
            notes: pending.notes.said_again(),
            ..pending
        },
    )
}

pub(super) fn void<S: State + ?Sized>(
    state: &S,
    id: TransferId,
    pending_id: TransferId,
    now: Timestamp,
) -> Decision {
    let command = Command::Void { id, pending_id };
    if let Some(used) = state.transfer(id) {
        return replay_transfer(used, &command);
    }
    match find_pending(state, pending_id, now) {
        Ok(pending) => {
            let kind = TransferKind::Void { pending_id };
            end(
                state,
                Transfer {
                    id,
                    kind,
                    timestamp: now,
                    notes: pending.notes.said_again(),
                    ..pending
                },
            )
        }
        Err(refusal) => remember(command, refusal, now),
    }
}

pub(super) fn expire<S: State + ?Sized>(
    state: &S,
    pending_id: TransferId,
    now: Timestamp,
) -> Decision {
    match state.transfer(pending_id) {
        Some(UsedTransfer::Created(pending, Standing::Pending(PendingState::Pending)))
            if is_due(&pending, now) =>
        {
            end(
                state,
                Transfer {
                    kind: TransferKind::Expire,
                    timestamp: now,
                    notes: pending.notes.said_again(),
                    ..pending
                },
            )
        }
        Some(UsedTransfer::Created(..) | UsedTransfer::Refused(..) | UsedTransfer::Payment(_))
        | None => match find_pending(state, pending_id, now) {
            Ok(_) => Decision::Refused(Refusal::PendingNotFound { pending_id }),
            Err(refusal) => Decision::Refused(refusal),
        },
    }
}

/// The pending transfer, where it can still be ended.
fn find_pending<S: State + ?Sized>(
    state: &S,
    pending_id: TransferId,
    now: Timestamp,
) -> Result<Transfer, Refusal> {
    match state.transfer(pending_id) {
        Some(UsedTransfer::Created(transfer, Standing::Pending(pending_state))) => {
            match pending_state {
                PendingState::Posted => Err(Refusal::PendingAlreadyPosted { pending_id }),
                PendingState::Voided => Err(Refusal::PendingAlreadyVoided { pending_id }),
                PendingState::Expired => Err(Refusal::PendingExpired { pending_id }),
                // Due in the very nanoseconds since the engine applied the expiries.
                PendingState::Pending if is_due(&transfer, now) => {
                    Err(Refusal::PendingExpired { pending_id })
                }
                PendingState::Pending => Ok(transfer),
            }
        }
        Some(
            UsedTransfer::Created(_, Standing::Posted { .. } | Standing::Final)
            | UsedTransfer::Refused(..)
            | UsedTransfer::Payment(_),
        )
        | None => Err(Refusal::PendingNotFound { pending_id }),
    }
}

fn is_due(pending: &Transfer, now: Timestamp) -> bool {
    pending
        .expires_at()
        .is_some_and(|expires_at| expires_at <= now)
}

fn end<S: State + ?Sized>(state: &S, mut transfer: Transfer) -> Decision {
    let accounts = (
        find(state, &transfer.debit_account_id),
        find(state, &transfer.credit_account_id),
    );
    match accounts {
        (Ok(debit), Ok(credit)) => {
            set_after(&mut transfer, debit, credit);
            Decision::Event(Event::Transfer(transfer))
        }
        // Accounts are never removed, so a pending transfer's are there.
        (Err(refusal), _) | (_, Err(refusal)) => Decision::Refused(refusal),
    }
}
