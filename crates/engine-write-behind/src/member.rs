//! What the library answers to one command, as an outcome. What follows from the command alone, or
//! from the command and the first one under its id, is judged by the rules themselves.

use ledger::{
    Account, AccountId, BatchId, Command, Decision, Outcome, Payment, PaymentId, Refusal, State,
    Timestamp, TransferId, UsedBatch, UsedPayment, UsedTransfer, check_content, check_form, decide,
};

use crate::account::Kept;
use crate::bytes::Bytes;
use crate::error::Damaged;
use crate::record::Record;
use crate::refusal;

/// All that the ledger is known to hold: at most the first use of the id in question, of an account
/// with how it is now.
#[derive(Default)]
struct Known {
    transfer: Option<UsedTransfer>,
    opened: Option<Kept>,
}

impl State for Known {
    fn account(&self, _: &AccountId) -> Option<Account> {
        self.opened.map(|kept| kept.account)
    }

    fn account_opened(&self, _: &AccountId) -> Option<Account> {
        self.opened.map(|kept| kept.opened())
    }

    fn transfer(&self, _: TransferId) -> Option<UsedTransfer> {
        self.transfer.clone()
    }

    fn payment(&self, _: PaymentId) -> Option<UsedPayment> {
        None
    }

    fn batch(&self, _: BatchId) -> Option<UsedBatch> {
        None
    }

    fn payments_accepted(&self) -> Vec<Payment> {
        Vec::new()
    }

    fn newest_payment_accepted_at(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// What follows from a command alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The library decides.
    WellFormed,
    /// An earlier version may have recorded it, this one does not: only the library knows whether
    /// its id was used.
    RepetitionOnly,
    /// It is refused whatever the ledger holds.
    Malformed(Refusal),
}

impl Form {
    pub(crate) fn of(command: &Command) -> Self {
        match (check_form(command), check_content(command)) {
            (Err(refusal), _) => Self::Malformed(refusal),
            (Ok(()), Err(_)) => Self::RepetitionOnly,
            (Ok(()), Ok(())) => Self::WellFormed,
        }
    }
}

/// Why a command is refused whose id was not used, from the command alone.
fn refused_alone(command: &Command) -> Option<Refusal> {
    check_form(command)
        .and_then(|()| check_content(command))
        .err()
}

/// The outcome of a command that the library answered so.
pub(crate) fn outcome_of(command: &Command, answer: &[u8]) -> Result<Outcome, Damaged> {
    let (kind, rest) = answer.split_first().ok_or(Damaged)?;
    match kind {
        b'c' => Record::decode(rest)?.event.into_outcome().ok_or(Damaged),
        b'x' => again(
            command,
            &Known {
                transfer: Some(Record::decode(rest)?.into_used()?),
                opened: None,
            },
        ),
        b'o' => again(
            command,
            &Known {
                transfer: None,
                opened: Some(Kept::decode(rest)?),
            },
        ),
        b'n' => Ok(Outcome::refused(refusal::decode(
            &mut Bytes(rest),
            command,
        )?)),
        b'M' => refused_alone(command).map(Outcome::refused).ok_or(Damaged),
        _ => Err(Damaged),
    }
}

/// A command whose id was used before.
fn again(command: &Command, known: &Known) -> Result<Outcome, Damaged> {
    match decide(known, command.clone(), Timestamp::default()) {
        Decision::Exists(outcome) => Ok(outcome),
        Decision::Refused(refusal) => Ok(Outcome::refused(refusal)),
        Decision::Event(_) => Err(Damaged),
    }
}
