//! The rules: from a state and a command to what happens. Pure.
//!
//! The order of the checks is part of the contract: first the command's own form (a malformed
//! command takes no id), then whether its id was used, then the state, debit side first.

mod account;
mod payment;
mod pending;
mod transfer;

#[cfg(test)]
mod tests;

use crate::command::{Command, Field};
use crate::event::Event;
use crate::money::AMOUNT_MAX;
use crate::outcome::{Outcome, Record, Refusal};
use crate::state::State;
use crate::text::is_description;
use crate::time::Timestamp;

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new fact: a record, or a refusal that is remembered under the command's id.
    Event(Event),
    /// The first outcome under this id again.
    Exists(Outcome),
    /// Refused without a trace: the command is malformed, its id was used with other content, or
    /// it has no id to be remembered under.
    Refused(Refusal),
}

/// Decides one command upon the state, at `now`. `now` is later than every event before.
///
/// The engine has applied before what was due when it took the command's batch in hand; what comes
/// due in the nanoseconds until `now` is refused here already and applied with the next batch.
pub fn decide<S: State + ?Sized>(state: &S, command: Command, now: Timestamp) -> Decision {
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
        Command::Void { id, pending_id } => pending::void(state, id, pending_id, now),
        Command::Expire { pending_id } => pending::expire(state, pending_id, now),
        Command::OpenAccount(open) => account::open(state, open, now),
        Command::ChangeLimit {
            account_id,
            credit_limit,
            expected_credit_limit: expected,
        } => account::change_limit(state, account_id, credit_limit, expected, now),
        Command::CloseAccount {
            account_id,
            expected_entry_count: expected,
        } => account::close(state, account_id, expected, now),
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
    }
}

/// A refusal upon the state: remembered under the command's id.
const fn remember(command: Command, refusal: Refusal, timestamp: Timestamp) -> Decision {
    Decision::Event(Event::Refused {
        command,
        refusal,
        timestamp,
    })
}

/// The first outcome, if the command is the one it was decided from.
fn replay(
    first_command: Option<Command>,
    command: &Command,
    first: Result<Record, Refusal>,
) -> Decision {
    let difference = match first_command {
        Some(first_command) => first_command.first_difference(command),
        None => Some(Field::Kind),
    };
    match difference {
        None => Decision::Exists(Outcome::exists(first)),
        Some(field) => Decision::Refused(Refusal::ExistsWithDifferent(field)),
    }
}

fn check_amount(amount: u64) -> Result<(), Refusal> {
    if (1..=AMOUNT_MAX).contains(&amount) {
        Ok(())
    } else {
        Err(Refusal::AmountOutOfRange { amount })
    }
}

fn check_description(description: &str) -> Result<(), Refusal> {
    if is_description(description) {
        Ok(())
    } else {
        Err(Refusal::DescriptionInvalid)
    }
}
