//! Refusals as the library writes them: a letter, a side, three figures. What they are about is in
//! the command they refuse.

#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use ledger::{AccountId, Command, Refusal};

use crate::bytes::Bytes;
use crate::error::Damaged;
use crate::layout::{refusal, side};

/// Reads a refusal of this command.
pub(crate) fn decode(bytes: &mut Bytes<'_>, command: &Command) -> Result<Refusal, Damaged> {
    let (code, side) = (bytes.u8()?, bytes.u8()?);
    let (x, y, z) = (bytes.i64()?, bytes.i64()?, bytes.i64()?);
    let figure = |number: i64| u64::try_from(number).map_err(|_| Damaged);
    let account_id = || account(command, side);
    let pending_id = || command.pending_id().ok_or(Damaged);
    Ok(match code {
        refusal::ACCOUNT_NOT_FOUND => Refusal::AccountNotFound {
            account_id: account_id()?,
        },
        refusal::ACCOUNT_CLOSED => Refusal::AccountClosed {
            account_id: account_id()?,
        },
        refusal::CURRENCY_MISMATCH => Refusal::CurrencyMismatch,
        refusal::INSUFFICIENT_FUNDS => Refusal::InsufficientFunds {
            account_id: account_id()?,
            available: figure(x)?,
            required: figure(y)?,
            credit_limit: figure(z)?,
        },
        refusal::BALANCE_OVERFLOW => Refusal::BalanceOverflow {
            account_id: account_id()?,
        },
        refusal::ACCOUNT_IN_USE => Refusal::AccountInUse {
            account_id: account_id()?,
            balance: x,
            debits_pending: figure(y)?,
            credits_pending: figure(z)?,
        },
        refusal::ACCOUNT_IN_OTHER_STATE => Refusal::AccountInOtherState {
            account_id: account_id()?,
            credit_limit: figure(x)?,
            entry_count: figure(y)?,
        },
        refusal::PENDING_NOT_FOUND => Refusal::PendingNotFound {
            pending_id: pending_id()?,
        },
        refusal::PENDING_ALREADY_POSTED => Refusal::PendingAlreadyPosted {
            pending_id: pending_id()?,
        },
        refusal::PENDING_ALREADY_VOIDED => Refusal::PendingAlreadyVoided {
            pending_id: pending_id()?,
        },
        refusal::PENDING_EXPIRED => Refusal::PendingExpired {
            pending_id: pending_id()?,
        },
        refusal::AMOUNT_EXCEEDS_PENDING => Refusal::AmountExceedsPending {
            available: figure(x)?,
            required: figure(y)?,
        },
        refusal::CURRENCY_NOT_CURRENT => {
            let Command::OpenAccount(open) = command else {
                return Err(Damaged);
            };
            Refusal::CurrencyNotCurrent {
                currency: open.currency,
            }
        }
        _ => return Err(Damaged),
    })
}

/// Writes a refusal that is remembered under its command's id.
pub(crate) fn encode(refusal: &Refusal, command: &Command) -> Result<Vec<u8>, Damaged> {
    let side = |id: &AccountId| {
        let mut sides = [side::DEBIT, side::CREDIT].into_iter();
        let found = sides.find(|side| account(command, *side).as_ref() == Ok(id));
        found.ok_or(Damaged)
    };
    let (code, side, figures) = match refusal {
        Refusal::AccountNotFound { account_id } => {
            (refusal::ACCOUNT_NOT_FOUND, side(account_id)?, [0; 3])
        }
        Refusal::AccountClosed { account_id } => {
            (refusal::ACCOUNT_CLOSED, side(account_id)?, [0; 3])
        }
        Refusal::CurrencyMismatch => (refusal::CURRENCY_MISMATCH, side::NONE, [0; 3]),
        Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } => (
            refusal::INSUFFICIENT_FUNDS,
            side(account_id)?,
            [*available, *required, *credit_limit],
        ),
        Refusal::BalanceOverflow { account_id } => {
            (refusal::BALANCE_OVERFLOW, side(account_id)?, [0; 3])
        }
        Refusal::PendingNotFound { .. } => (refusal::PENDING_NOT_FOUND, side::NONE, [0; 3]),
        Refusal::PendingAlreadyPosted { .. } => {
            (refusal::PENDING_ALREADY_POSTED, side::NONE, [0; 3])
        }
        Refusal::PendingAlreadyVoided { .. } => {
            (refusal::PENDING_ALREADY_VOIDED, side::NONE, [0; 3])
        }
        Refusal::PendingExpired { .. } => (refusal::PENDING_EXPIRED, side::NONE, [0; 3]),
        Refusal::AmountExceedsPending {
            available,
            required,
        } => (
            refusal::AMOUNT_EXCEEDS_PENDING,
            side::NONE,
            [*available, *required, 0],
        ),
        Refusal::CurrencyNotCurrent { .. } => (refusal::CURRENCY_NOT_CURRENT, side::NONE, [0; 3]),
        // These are not remembered under the id of a transfer.
        Refusal::ExistsWithDifferent(_)
        | Refusal::AccountInUse { .. }
        | Refusal::AccountInOtherState { .. }
        | Refusal::AccountReserved { .. }
        | Refusal::AccountsMustDiffer
        | Refusal::AmountOutOfRange { .. }
        | Refusal::DescriptionInvalid
        | Refusal::BatchMemberFailed
        | Refusal::PaymentNotFound { .. }
        | Refusal::PaymentInOtherState { .. }
        | Refusal::PaymentUnderWay { .. }
        | Refusal::PaymentsInOtherState { .. }
        | Refusal::TransferNotReversible { .. }
        | Refusal::AmountExceedsReversible { .. }
        | Refusal::AccountFrozen { .. } => return Err(Damaged),
    };
    let mut bytes = vec![code, side];
    for figure in figures {
        bytes.extend(figure.to_be_bytes());
    }
    Ok(bytes)
}

fn account(command: &Command, side: u8) -> Result<AccountId, Damaged> {
    let mut ids = command.accounts();
    let (first, second) = (ids.next(), ids.next());
    let id = if side == side::CREDIT {
        second.or(first)
    } else {
        first
    };
    id.cloned().ok_or(Damaged)
}
