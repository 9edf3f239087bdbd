//! Refusals with their figures.

use ledger::{AccountId, Field, NotReversible, Refusal, Side};

use crate::fields::{self, Invalid};
use crate::payment::{state_name, state_name_to_message};
use crate::v1;
use crate::v1::RefusalCode as Code;

impl From<&Refusal> for v1::Refusal {
    fn from(refusal: &Refusal) -> Self {
        let mut message = Self {
            code: code(refusal).into(),
            ..Self::default()
        };
        let name = |id: &AccountId| id.as_str().to_owned();
        match refusal {
            Refusal::ExistsWithDifferent(field) => message.field = field_to_message(*field).into(),
            Refusal::AccountNotFound { account_id }
            | Refusal::AccountClosed { account_id }
            | Refusal::AccountReserved { account_id }
            | Refusal::BalanceOverflow { account_id } => message.account_id = name(account_id),
            Refusal::AccountInUse {
                account_id,
                balance,
                debits_pending,
                credits_pending,
            } => {
                message.account_id = name(account_id);
                message.balance = *balance;
                message.debits_pending = *debits_pending;
                message.credits_pending = *credits_pending;
            }
            Refusal::InsufficientFunds {
                account_id,
                available,
                required,
                credit_limit,
            } => {
                message.account_id = name(account_id);
                message.available = *available;
                message.required = *required;
                message.credit_limit = *credit_limit;
            }
            Refusal::AmountOutOfRange { amount } => message.amount = *amount,
            Refusal::PendingNotFound { pending_id }
            | Refusal::PendingAlreadyPosted { pending_id }
            | Refusal::PendingAlreadyVoided { pending_id }
            | Refusal::PendingExpired { pending_id } => {
                message.pending_id = pending_id.to_bytes().to_vec();
            }
            Refusal::AmountExceedsPending {
                available,
                required,
            }
            | Refusal::AmountExceedsReversible {
                available,
                required,
            } => {
                message.available = *available;
                message.required = *required;
            }
            Refusal::PaymentNotFound { payment_id } => {
                message.payment_id = payment_id.to_bytes().to_vec();
            }
            Refusal::PaymentInOtherState { state, attempt } => {
                message.payment_state = state_name_to_message(*state).into();
                message.attempt = *attempt;
            }
            Refusal::PaymentUnderWay { until } => message.until = until.as_nanos(),
            Refusal::CurrencyNotCurrent { currency } => {
                message.currency = currency.as_str().to_owned();
            }
            Refusal::AccountInOtherState {
                account_id,
                credit_limit,
                entry_count,
            } => {
                message.account_id = name(account_id);
                message.credit_limit = *credit_limit;
                message.entry_count = *entry_count;
            }
            Refusal::PaymentsInOtherState { accepted_at } => {
                message.accepted_at = accepted_at.as_nanos();
            }
            Refusal::TransferNotReversible {
                transfer_id,
                reason,
            } => {
                message.transfer_id = transfer_id.to_bytes().to_vec();
                message.not_reversible = not_reversible_to_message(*reason).into();
            }
            Refusal::AccountFrozen { account_id, side } => {
                message.account_id = name(account_id);
                message.side = side_to_message(*side).into();
            }
            Refusal::CurrencyMismatch
            | Refusal::AccountsMustDiffer
            | Refusal::DescriptionInvalid
            | Refusal::BatchMemberFailed => {}
        }
        message
    }
}

const fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::ExistsWithDifferent(_) => Code::ExistsWithDifferent,
        Refusal::AccountNotFound { .. } => Code::AccountNotFound,
        Refusal::AccountClosed { .. } => Code::AccountClosed,
        Refusal::AccountInUse { .. } => Code::AccountInUse,
        Refusal::AccountReserved { .. } => Code::AccountReserved,
        Refusal::InsufficientFunds { .. } => Code::InsufficientFunds,
        Refusal::CurrencyMismatch => Code::CurrencyMismatch,
        Refusal::AccountsMustDiffer => Code::AccountsMustDiffer,
        Refusal::AmountOutOfRange { .. } => Code::AmountOutOfRange,
        Refusal::DescriptionInvalid => Code::DescriptionInvalid,
        Refusal::PendingNotFound { .. } => Code::PendingNotFound,
        Refusal::PendingAlreadyPosted { .. } => Code::PendingAlreadyPosted,
        Refusal::PendingAlreadyVoided { .. } => Code::PendingAlreadyVoided,
        Refusal::PendingExpired { .. } => Code::PendingExpired,
        Refusal::AmountExceedsPending { .. } => Code::AmountExceedsPending,
        Refusal::BatchMemberFailed => Code::BatchMemberFailed,
        Refusal::BalanceOverflow { .. } => Code::BalanceOverflow,
        Refusal::PaymentNotFound { .. } => Code::PaymentNotFound,
        Refusal::PaymentInOtherState { .. } => Code::PaymentInOtherState,
        Refusal::PaymentUnderWay { .. } => Code::PaymentUnderWay,
        Refusal::CurrencyNotCurrent { .. } => Code::CurrencyNotCurrent,
        Refusal::AccountInOtherState { .. } => Code::AccountInOtherState,
        Refusal::PaymentsInOtherState { .. } => Code::PaymentsInOtherState,
        Refusal::TransferNotReversible { .. } => Code::TransferNotReversible,
        Refusal::AmountExceedsReversible { .. } => Code::AmountExceedsReversible,
        Refusal::AccountFrozen { .. } => Code::AccountFrozen,
    }
}

const fn side_to_message(side: Side) -> v1::Side {
    match side {
        Side::Debit => v1::Side::Debit,
        Side::Credit => v1::Side::Credit,
    }
}

const fn side(side: v1::Side) -> Result<Side, Invalid> {
    match side {
        v1::Side::Debit => Ok(Side::Debit),
        v1::Side::Credit => Ok(Side::Credit),
        v1::Side::Unspecified => Err(Invalid::Unknown("side")),
    }
}

impl TryFrom<v1::Refusal> for Refusal {
    type Error = Invalid;

    fn try_from(refusal: v1::Refusal) -> Result<Self, Invalid> {
        let account_id = || fields::account_id(&refusal.account_id, "account_id");
        let pending_id = || fields::transfer_id(&refusal.pending_id, "pending_id");
        Ok(match refusal.code() {
            Code::Unspecified => return Err(Invalid::Unknown("code")),
            Code::ExistsWithDifferent => Self::ExistsWithDifferent(field(refusal.field())?),
            Code::AccountNotFound => Self::AccountNotFound {
                account_id: account_id()?,
            },
            Code::AccountClosed => Self::AccountClosed {
                account_id: account_id()?,
            },
            Code::AccountFrozen => Self::AccountFrozen {
                account_id: account_id()?,
                side: side(refusal.side())?,
            },
            Code::AccountInUse => Self::AccountInUse {
                account_id: account_id()?,
                balance: refusal.balance,
                debits_pending: refusal.debits_pending,
                credits_pending: refusal.credits_pending,
            },
            Code::AccountReserved => Self::AccountReserved {
                account_id: account_id()?,
            },
            Code::InsufficientFunds => Self::InsufficientFunds {
                account_id: account_id()?,
                available: refusal.available,
                required: refusal.required,
                credit_limit: refusal.credit_limit,
            },
            Code::CurrencyMismatch => Self::CurrencyMismatch,
            Code::AccountsMustDiffer => Self::AccountsMustDiffer,
            Code::AmountOutOfRange => Self::AmountOutOfRange {
                amount: refusal.amount,
            },
            Code::DescriptionInvalid => Self::DescriptionInvalid,
            Code::PendingNotFound => Self::PendingNotFound {
                pending_id: pending_id()?,
            },
            Code::PendingAlreadyPosted => Self::PendingAlreadyPosted {
                pending_id: pending_id()?,
            },
            Code::PendingAlreadyVoided => Self::PendingAlreadyVoided {
                pending_id: pending_id()?,
            },
            Code::PendingExpired => Self::PendingExpired {
                pending_id: pending_id()?,
            },
            Code::AmountExceedsPending => Self::AmountExceedsPending {
                available: refusal.available,
                required: refusal.required,
            },
            Code::BatchMemberFailed => Self::BatchMemberFailed,
            Code::BalanceOverflow => Self::BalanceOverflow {
                account_id: account_id()?,
            },
            Code::PaymentNotFound => Self::PaymentNotFound {
                payment_id: fields::payment_id(&refusal.payment_id, "payment_id")?,
            },
            Code::PaymentInOtherState => Self::PaymentInOtherState {
                state: state_name(refusal.payment_state)?,
                attempt: refusal.attempt,
            },
            Code::PaymentUnderWay => Self::PaymentUnderWay {
                until: fields::timestamp(refusal.until),
            },
            Code::CurrencyNotCurrent => Self::CurrencyNotCurrent {
                currency: fields::currency(&refusal.currency)?,
            },
            Code::AccountInOtherState => Self::AccountInOtherState {
                account_id: account_id()?,
                credit_limit: refusal.credit_limit,
                entry_count: refusal.entry_count,
            },
            Code::PaymentsInOtherState => Self::PaymentsInOtherState {
                accepted_at: fields::timestamp(refusal.accepted_at),
            },
            Code::TransferNotReversible => Self::TransferNotReversible {
                transfer_id: fields::transfer_id(&refusal.transfer_id, "transfer_id")?,
                reason: not_reversible(refusal.not_reversible())?,
            },
            Code::AmountExceedsReversible => Self::AmountExceedsReversible {
                available: refusal.available,
                required: refusal.required,
            },
        })
    }
}

/// Every field with its name on the wire.
const FIELDS: [(Field, v1::Field); Field::ALL.len()] = [
    (Field::Kind, v1::Field::Kind),
    (Field::Currency, v1::Field::Currency),
    (Field::CreditLimit, v1::Field::CreditLimit),
    (Field::DebitAccountId, v1::Field::DebitAccountId),
    (Field::CreditAccountId, v1::Field::CreditAccountId),
    (Field::Amount, v1::Field::Amount),
    (Field::Description, v1::Field::Description),
    (Field::Reference, v1::Field::Reference),
    (Field::TimeoutS, v1::Field::TimeoutS),
    (Field::PendingId, v1::Field::PendingId),
    (Field::AccountId, v1::Field::AccountId),
    (Field::Members, v1::Field::Members),
    (Field::Metadata, v1::Field::Metadata),
    (Field::Reverses, v1::Field::Reverses),
    (Field::Final, v1::Field::Final),
];

const fn not_reversible_to_message(reason: NotReversible) -> v1::NotReversible {
    match reason {
        NotReversible::NotFound => v1::NotReversible::NotFound,
        NotReversible::NothingMoved => v1::NotReversible::NothingMoved,
        NotReversible::Pend => v1::NotReversible::Pend,
        NotReversible::Reversal => v1::NotReversible::Reversal,
    }
}

const fn not_reversible(message: v1::NotReversible) -> Result<NotReversible, Invalid> {
    Ok(match message {
        v1::NotReversible::Unspecified => return Err(Invalid::Unknown("not_reversible")),
        v1::NotReversible::NotFound => NotReversible::NotFound,
        v1::NotReversible::NothingMoved => NotReversible::NothingMoved,
        v1::NotReversible::Pend => NotReversible::Pend,
        v1::NotReversible::Reversal => NotReversible::Reversal,
    })
}

fn field_to_message(field: Field) -> v1::Field {
    let found = FIELDS.iter().find(|(ours, _)| *ours == field);
    found.map_or(v1::Field::Unspecified, |(_, message)| *message)
}

fn field(message: v1::Field) -> Result<Field, Invalid> {
    let found = FIELDS.iter().find(|(_, theirs)| *theirs == message);
    found
        .map(|(field, _)| *field)
        .ok_or(Invalid::Unknown("field"))
}
