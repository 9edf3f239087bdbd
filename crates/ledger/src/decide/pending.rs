//! Ends of pending transfers: post, void, expire; and posts of parts, which leave the rest pending.

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
    let pending_amount = pending.left_amount;
    let posted = amount.unwrap_or(pending_amount);
    if let Err(refusal) = pending.check_left(posted) {
        return remember(command, refusal, now);
    }
    let kind = TransferKind::Post {
        pending_id,
        pending_amount,
        in_full: amount.is_none(),
    };
    follow(state, pending.transfer, id, kind, posted, now)
}

pub(super) fn post_part<S: State + ?Sized>(
    state: &S,
    id: TransferId,
    pending_id: TransferId,
    amount: u64,
    now: Timestamp,
) -> Decision {
    let command = Command::PostPart {
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
    if let Err(refusal) = pending.check_left(amount) {
        return remember(command, refusal, now);
    }
    let kind = TransferKind::PostPart {
        pending_id,
        pending_amount: pending.left_amount,
    };
    follow(state, pending.transfer, id, kind, amount, now)
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
        Ok(Pending {
            transfer,
            left_amount,
        }) => {
            let kind = TransferKind::Void { pending_id };
            follow(state, transfer, id, kind, left_amount, now)
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
        Some(UsedTransfer::Created(
            pending,
            Standing::Pending {
                state: PendingState::Pending,
                left_amount,
            },
        )) if is_due(&pending, now) => {
            let (id, kind) = (pending.id, TransferKind::Expire);
            follow(state, pending, id, kind, left_amount, now)
        }
        Some(UsedTransfer::Created(..) | UsedTransfer::Refused(..) | UsedTransfer::Payment(_))
        | None => match find_pending(state, pending_id, now) {
            Ok(_) => Decision::Refused(Refusal::PendingNotFound { pending_id }),
            Err(refusal) => Decision::Refused(refusal),
        },
    }
}

/// A pending transfer that can still be posted, and how much of it is still reserved.
struct Pending {
    transfer: Transfer,
    left_amount: u64,
}

impl Pending {
    fn check_left(&self, posted: u64) -> Result<(), Refusal> {
        if posted > self.left_amount {
            return Err(Refusal::AmountExceedsPending {
                available: self.left_amount,
                required: posted,
            });
        }
        Ok(())
    }
}

/// The pending transfer, where it can still be ended.
fn find_pending<S: State + ?Sized>(
    state: &S,
    pending_id: TransferId,
    now: Timestamp,
) -> Result<Pending, Refusal> {
    match state.transfer(pending_id) {
        Some(UsedTransfer::Created(
            transfer,
            Standing::Pending {
                state: pending_state,
                left_amount,
            },
        )) => match pending_state {
            PendingState::Posted => Err(Refusal::PendingAlreadyPosted { pending_id }),
            PendingState::Voided => Err(Refusal::PendingAlreadyVoided { pending_id }),
            PendingState::Expired => Err(Refusal::PendingExpired { pending_id }),
            // Due in the very nanoseconds since the engine applied the expiries.
            PendingState::Pending if is_due(&transfer, now) => {
                Err(Refusal::PendingExpired { pending_id })
            }
            PendingState::Pending => Ok(Pending {
                transfer,
                left_amount,
            }),
        },
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

/// What follows upon a pending transfer: it moves or releases `amount` of what that one reserved.
fn follow<S: State + ?Sized>(
    state: &S,
    pending: Transfer,
    id: TransferId,
    kind: TransferKind,
    amount: u64,
    now: Timestamp,
) -> Decision {
    let mut transfer = Transfer {
        id,
        kind,
        amount,
        timestamp: now,
        notes: pending.notes.said_again(),
        ..pending
    };
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
