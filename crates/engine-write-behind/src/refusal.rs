//! Refusals as the library writes them: a letter, a side, three figures. What they are about is in
//! the command they refuse.

use ledger::{AccountId, Command, Refusal, TransferId};

use crate::bytes::Bytes;
use crate::error::Damaged;

/// Reads a refusal of this command.
pub(crate) fn decode(bytes: &mut Bytes<'_>, command: &Command) -> Result<Refusal, Damaged> {
    let (code, side) = (bytes.u8()?, bytes.u8()?);
    let (x, y, z) = (bytes.i64()?, bytes.i64()?, bytes.i64()?);
    let figure = |number: i64| u64::try_from(number).map_err(|_| Damaged);
    let account_id = || account(command, side);
    let pending_id = || pending(command);
    Ok(match code {
        b'f' => Refusal::AccountNotFound {
            account_id: account_id()?,
        },
        b'k' => Refusal::AccountClosed {
            account_id: account_id()?,
        },
        b'm' => Refusal::CurrencyMismatch,
        b'i' => Refusal::InsufficientFunds {
            account_id: account_id()?,
            available: figure(x)?,
            required: figure(y)?,
            credit_limit: figure(z)?,
        },
        b'v' => Refusal::BalanceOverflow {
            account_id: account_id()?,
        },
        b'U' => Refusal::AccountInUse {
            account_id: account_id()?,
            balance: x,
            debits_pending: figure(y)?,
            credits_pending: figure(z)?,
        },
        b'S' => Refusal::AccountInOtherState {
            account_id: account_id()?,
            credit_limit: figure(x)?,
            entry_count: figure(y)?,
        },
        b'N' => Refusal::PendingNotFound {
            pending_id: pending_id()?,
        },
        b'P' => Refusal::PendingAlreadyPosted {
            pending_id: pending_id()?,
        },
        b'V' => Refusal::PendingAlreadyVoided {
            pending_id: pending_id()?,
        },
        b'X' => Refusal::PendingExpired {
            pending_id: pending_id()?,
        },
        b'A' => Refusal::AmountExceedsPending {
            available: figure(x)?,
            required: figure(y)?,
        },
        b'w' => match command {
            Command::OpenAccount(open) => Refusal::CurrencyNotCurrent {
                currency: open.currency,
            },
            _ => return Err(Damaged),
        },
        _ => return Err(Damaged),
    })
}

/// Writes a refusal that is remembered under its command's id.
pub(crate) fn encode(refusal: &Refusal, command: &Command) -> Result<Vec<u8>, Damaged> {
    let side = |id: &AccountId| {
        if account(command, b'd').as_ref() == Ok(id) {
            b'd'
        } else {
            b'c'
        }
    };
    let (code, side, figures) = match refusal {
        Refusal::AccountNotFound { account_id } => (b'f', side(account_id), [0; 3]),
        Refusal::AccountClosed { account_id } => (b'k', side(account_id), [0; 3]),
        Refusal::CurrencyMismatch => (b'm', b'-', [0; 3]),
        Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } => (
            b'i',
            side(account_id),
            [*available, *required, *credit_limit],
        ),
        Refusal::BalanceOverflow { account_id } => (b'v', side(account_id), [0; 3]),
        Refusal::PendingNotFound { .. } => (b'N', b'-', [0; 3]),
        Refusal::PendingAlreadyPosted { .. } => (b'P', b'-', [0; 3]),
        Refusal::PendingAlreadyVoided { .. } => (b'V', b'-', [0; 3]),
        Refusal::PendingExpired { .. } => (b'X', b'-', [0; 3]),
        Refusal::AmountExceedsPending {
            available,
            required,
        } => (b'A', b'-', [*available, *required, 0]),
        Refusal::CurrencyNotCurrent { .. } => (b'w', b'-', [0; 3]),
        _ => return Err(Damaged),
    };
    let mut bytes = vec![code, side];
    for figure in figures {
        bytes.extend(figure.to_be_bytes());
    }
    Ok(bytes)
}

fn account(command: &Command, side: u8) -> Result<AccountId, Damaged> {
    match command {
        Command::Transfer(transfer) | Command::Pend { transfer, .. } if side == b'c' => {
            Ok(transfer.credit_account_id.clone())
        }
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            Ok(transfer.debit_account_id.clone())
        }
        Command::ChangeLimit { account_id, .. } | Command::CloseAccount { account_id, .. } => {
            Ok(account_id.clone())
        }
        _ => Err(Damaged),
    }
}

const fn pending(command: &Command) -> Result<TransferId, Damaged> {
    match command {
        Command::Post { pending_id, .. }
        | Command::Void { pending_id, .. }
        | Command::Expire { pending_id } => Ok(*pending_id),
        _ => Err(Damaged),
    }
}
