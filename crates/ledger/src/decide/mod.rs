//! The rules: from a state and a command to what happens. Pure.
//!
//! The order of the checks is part of the contract: first the command's own form (a malformed
//! command takes no id), then whether its id was used, then whether its content may still be
//! recorded, then the state, debit side first.
//!
//! A check of the form only refuses what no version of the rules has ever recorded. What an earlier
//! version recorded and this one does not record any more is refused after the id was looked up:
//! the first outcome is returned for as long as the ledger lives.

mod account;
mod decision;
mod payment;
mod pending;
mod reverse;
mod transfer;

#[cfg(test)]
mod tests;

use crate::command::Command;
use crate::outcome::Refusal;
use crate::state::State;
use crate::time::Timestamp;

pub use decision::Decision;
use decision::{check_amount, check_description};

/// Decides one command upon the state, at `now`. `now` is later than every event before.
///
/// The engine has applied before what was due when it took the command's batch in hand; what comes
/// due in the nanoseconds until `now` is refused here already and applied with the next batch.
pub fn decide<S: State + ?Sized>(state: &S, command: Command, now: Timestamp) -> Decision {
    if let Err(refusal) = check_form(&command) {
        return Decision::Refused(refusal);
    }
    match command {
        Command::Transfer(transfer) => transfer::transfer(state, transfer, now),
        Command::Pend {
            transfer,
            timeout_s,
        } => transfer::pend(state, transfer, timeout_s, now),
        Command::Post {
            id,
            pending_id,
            amount,
        } => pending::post(state, id, pending_id, amount, now),
        Command::PostPart {
            id,
            pending_id,
            amount,
        } => pending::post_part(state, id, pending_id, amount, now),
        Command::Void { id, pending_id } => pending::void(state, id, pending_id, now),
        Command::Expire { pending_id } => pending::expire(state, pending_id, now),
        Command::OpenAccount(open) => account::open(state, open, now),
        Command::ChangeLimit {
            account_id,
            credit_limit,
            expected_credit_limit: expected,
            by,
        } => account::change_limit(state, account_id, credit_limit, expected, now).by(by),
        Command::CloseAccount {
            account_id,
            expected_entry_count: expected,
            by,
        } => account::close(state, account_id, expected, now).by(by),
        Command::ChangeFreeze {
            account_id,
            frozen,
            expected_frozen: expected,
            by,
        } => account::change_freeze(state, account_id, frozen, expected, now).by(by),
        Command::AcceptPayment(accept) => payment::accept(state, accept, now),
        Command::SendPayment {
            id,
            expected,
            processor,
            requested_at,
        } => payment::send(state, id, expected, processor, requested_at, now),
        Command::SettlePayment {
            id,
            expected,
            requested_at,
        } => payment::settle(state, id, expected, requested_at, now),
        Command::ReleasePayment { id, expected } => payment::release(state, id, expected, now),
        Command::RefusePayment { id, expected, code } => {
            payment::refuse(state, id, expected, code, now)
        }
        Command::PurgePayments {
            expected_accepted_at,
        } => payment::purge(state, expected_accepted_at, now),
        Command::ResolvePayment(resolve) => payment::resolve(state, resolve, now),
        Command::Reverse(reverse) => reverse::reverse(state, reverse, now),
    }
}

/// Why the command is refused whatever the ledger holds, a used id included.
///
/// # Errors
///
/// The refusal of a malformed command. No earlier version of the rules recorded such a command.
pub fn check_form(command: &Command) -> Result<(), Refusal> {
    match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            transfer::check_form(transfer)
        }
        Command::Post { amount, .. } => amount.map_or(Ok(()), check_amount),
        Command::PostPart { amount, .. } => check_amount(*amount),
        Command::OpenAccount(open) => account::check_open_form(open),
        Command::ChangeLimit {
            account_id,
            credit_limit,
            ..
        } => account::check_limit(*credit_limit)
            .and_then(|()| account::check_is_not_reserved(account_id)),
        Command::CloseAccount { account_id, .. } | Command::ChangeFreeze { account_id, .. } => {
            account::check_is_not_reserved(account_id)
        }
        Command::AcceptPayment(accept) => payment::check_form(accept),
        Command::Reverse(reverse) => reverse::check_form(reverse),
        Command::Void { .. }
        | Command::Expire { .. }
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::ResolvePayment(_)
        | Command::PurgePayments { .. } => Ok(()),
    }
}

/// Why a well-formed command is refused where it would be recorded anew, whatever else the ledger
/// holds. Where it was recorded before, its first outcome is returned.
///
/// # Errors
///
/// The refusal. Such a command takes no id, and the refusal is not remembered.
pub fn check_content(command: &Command) -> Result<(), Refusal> {
    match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            check_description(&transfer.description)
        }
        Command::AcceptPayment(accept) => check_description(&accept.description),
        Command::Reverse(reverse) => check_description(&reverse.description),
        Command::ResolvePayment(resolve) => {
            check_description(resolve.who.as_str())?;
            check_description(resolve.why.as_str())
        }
        Command::ChangeLimit { by, .. }
        | Command::CloseAccount { by, .. }
        | Command::ChangeFreeze { by, .. } => match by {
            Some(by) => by.texts().try_for_each(check_description),
            None => Ok(()),
        },
        Command::Post { .. }
        | Command::PostPart { .. }
        | Command::Void { .. }
        | Command::Expire { .. }
        | Command::OpenAccount(_)
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::PurgePayments { .. } => Ok(()),
    }
}
