//! What the ledger answers: a record, or a refusal from one closed list.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Side};
use crate::command::Field;
use crate::currency::{Currency, NotCurrent};
use crate::id::{AccountId, PaymentId, TransferId};
use crate::payment::{Payment, PaymentStateName};
use crate::time::Timestamp;
use crate::transfer::Transfer;

/// The answer to one command.
///
/// A replayed outcome is `exists`: the first outcome under that id, a refusal too, bit for bit. Only an
/// account that is opened again and is closed by now is shown as closed, and one that is frozen by now as frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the id had been used before with the same content.
    pub replayed: bool,
    /// The record, or why there is none.
    pub result: Result<Record, Refusal>,
}

/// What a command made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// An account, right after the command.
    Account {
        /// The account's id.
        id: AccountId,
        /// Its state.
        account: Account,
    },
    /// A transfer.
    Transfer(Transfer),
    /// A payment, right after the command.
    Payment(Payment),
    /// The payments were purged.
    Purge {
        /// How many accepted payments became refused.
        payments_count: u64,
        /// When.
        timestamp: Timestamp,
    },
}

/// Why a command was refused, with its figures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// The id was used before with other content; the first field that differs.
    ExistsWithDifferent(Field),
    /// No such account.
    AccountNotFound {
        /// The id that was asked for.
        account_id: AccountId,
    },
    /// The account refuses new debits and credits.
    AccountClosed {
        /// The closed account.
        account_id: AccountId,
    },
    /// The account cannot be closed: its balance is not 0 or something is pending.
    AccountInUse {
        /// The account.
        account_id: AccountId,
        /// Its balance, in minor units.
        balance: i64,
        /// What is reserved to leave it.
        debits_pending: u64,
        /// What is reserved to come in.
        credits_pending: u64,
    },
    /// The account is the system's.
    AccountReserved {
        /// The id that was asked for.
        account_id: AccountId,
    },
    /// The account would pass its limit.
    InsufficientFunds {
        /// The account.
        account_id: AccountId,
        /// What was available, in minor units.
        available: u64,
        /// What the command needed.
        required: u64,
        /// The credit limit in force.
        credit_limit: u64,
    },
    /// The currencies differ.
    CurrencyMismatch,
    /// Debit and credit account are the same.
    AccountsMustDiffer,
    /// An amount outside `1 ..= 2^53 - 1` (a limit outside `0 ..= 2^53 - 1`).
    AmountOutOfRange {
        /// The amount given.
        amount: u64,
    },
    /// A description that is empty, too long or has control characters.
    DescriptionInvalid,
    /// No pending transfer of this id (for `expire`: none that is due).
    PendingNotFound {
        /// The id that was asked for.
        pending_id: TransferId,
    },
    /// The pending transfer was posted before.
    PendingAlreadyPosted {
        /// The pending transfer.
        pending_id: TransferId,
    },
    /// The pending transfer was voided before.
    PendingAlreadyVoided {
        /// The pending transfer.
        pending_id: TransferId,
    },
    /// The pending transfer's time was over.
    PendingExpired {
        /// The pending transfer.
        pending_id: TransferId,
    },
    /// More was to be posted than is pending.
    AmountExceedsPending {
        /// What is pending, in minor units.
        available: u64,
        /// What was to be posted.
        required: u64,
    },
    /// Another member of the atomic batch was refused.
    BatchMemberFailed,
    /// The balance, with what is pending and the limit, would pass 2^53 - 1, or a total 2^63 - 1.
    BalanceOverflow {
        /// The account.
        account_id: AccountId,
    },
    /// No such payment.
    PaymentNotFound {
        /// The id that was asked for.
        payment_id: PaymentId,
    },
    /// The payment is not in the expected state.
    PaymentInOtherState {
        /// The state it is in.
        state: PaymentStateName,
        /// How often it has been sent.
        attempt: u32,
    },
    /// A request may be under way to the processor: the payment is neither released nor refused.
    PaymentUnderWay {
        /// From when on it is.
        until: Timestamp,
    },
    /// The currency opens no new account: ISO has withdrawn it, or it has no minor unit.
    CurrencyNotCurrent {
        /// The currency.
        currency: Currency,
    },
    /// The account is not as the command expects it: it was changed meanwhile.
    AccountInOtherState {
        /// The account.
        account_id: AccountId,
        /// Its credit limit now.
        credit_limit: u64,
        /// How many entries its statement has now.
        entry_count: u64,
    },
    /// Payments were accepted that the command does not expect.
    PaymentsInOtherState {
        /// When the newest was.
        accepted_at: Timestamp,
    },
    /// The transfer cannot be reversed.
    TransferNotReversible {
        /// The id that was asked for.
        transfer_id: TransferId,
        /// Why.
        reason: NotReversible,
    },
    /// More was to be reversed than is left of the transfer.
    AmountExceedsReversible {
        /// What was not reversed before, in minor units.
        available: u64,
        /// What was to be reversed; all of the transfer where the command left the amount out.
        required: u64,
    },
    /// An operator has stopped new debits or credits of the account.
    AccountFrozen {
        /// The account.
        account_id: AccountId,
        /// The side that it would have been on.
        side: Side,
    },
}

/// Why a transfer cannot be reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotReversible {
    /// No transfer has this id.
    NotFound,
    /// It moved no money: it was refused, it is pending, or its reservation was released.
    NothingMoved,
    /// It reserved money, which was posted by another transfer: that one can be reversed.
    Pend,
    /// It is a reversal itself.
    Reversal,
}

impl NotReversible {
    /// The reason's name, as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NothingMoved => "nothing_moved",
            Self::Pend => "pend",
            Self::Reversal => "reversal",
        }
    }
}

impl Outcome {
    /// A new record.
    #[must_use]
    pub const fn created(record: Record) -> Self {
        Self {
            replayed: false,
            result: Ok(record),
        }
    }

    /// A new refusal.
    #[must_use]
    pub const fn refused(refusal: Refusal) -> Self {
        Self {
            replayed: false,
            result: Err(refusal),
        }
    }

    /// The first outcome again.
    #[must_use]
    pub const fn exists(first: Result<Record, Refusal>) -> Self {
        Self {
            replayed: true,
            result: first,
        }
    }

    /// `created`, `exists` or the refusal's name: what APIs, logs and metric labels say.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match (&self.result, self.replayed) {
            (Err(refusal), _) => refusal.code(),
            (Ok(_), false) => "created",
            (Ok(_), true) => "exists",
        }
    }
}

impl Refusal {
    /// Every refusal's name: the closed list.
    pub const CODES: [&'static str; 40] = [
        Field::Kind.exists_with_different(),
        Field::Currency.exists_with_different(),
        Field::CreditLimit.exists_with_different(),
        Field::DebitAccountId.exists_with_different(),
        Field::CreditAccountId.exists_with_different(),
        Field::Amount.exists_with_different(),
        Field::Description.exists_with_different(),
        Field::Reference.exists_with_different(),
        Field::TimeoutS.exists_with_different(),
        Field::PendingId.exists_with_different(),
        Field::AccountId.exists_with_different(),
        Field::Members.exists_with_different(),
        Field::Metadata.exists_with_different(),
        Field::Reverses.exists_with_different(),
        Field::Final.exists_with_different(),
        "account_not_found",
        "account_closed",
        "account_in_use",
        "account_reserved",
        "insufficient_funds",
        "currency_mismatch",
        "accounts_must_differ",
        "amount_out_of_range",
        "description_invalid",
        "pending_not_found",
        "pending_already_posted",
        "pending_already_voided",
        "pending_expired",
        "amount_exceeds_pending",
        "batch_member_failed",
        "balance_overflow",
        "payment_not_found",
        "payment_in_other_state",
        "payment_under_way",
        "currency_not_current",
        "account_in_other_state",
        "payments_in_other_state",
        "transfer_not_reversible",
        "amount_exceeds_reversible",
        "account_frozen",
    ];

    /// The refusal's name, stable for good.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExistsWithDifferent(field) => field.exists_with_different(),
            Self::AccountNotFound { .. } => "account_not_found",
            Self::AccountClosed { .. } => "account_closed",
            Self::AccountInUse { .. } => "account_in_use",
            Self::AccountReserved { .. } => "account_reserved",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::AccountsMustDiffer => "accounts_must_differ",
            Self::AmountOutOfRange { .. } => "amount_out_of_range",
            Self::DescriptionInvalid => "description_invalid",
            Self::PendingNotFound { .. } => "pending_not_found",
            Self::PendingAlreadyPosted { .. } => "pending_already_posted",
            Self::PendingAlreadyVoided { .. } => "pending_already_voided",
            Self::PendingExpired { .. } => "pending_expired",
            Self::AmountExceedsPending { .. } => "amount_exceeds_pending",
            Self::BatchMemberFailed => "batch_member_failed",
            Self::BalanceOverflow { .. } => "balance_overflow",
            Self::PaymentNotFound { .. } => "payment_not_found",
            Self::PaymentInOtherState { .. } => "payment_in_other_state",
            Self::PaymentUnderWay { .. } => "payment_under_way",
            Self::CurrencyNotCurrent { .. } => "currency_not_current",
            Self::AccountInOtherState { .. } => "account_in_other_state",
            Self::PaymentsInOtherState { .. } => "payments_in_other_state",
            Self::TransferNotReversible { .. } => "transfer_not_reversible",
            Self::AmountExceedsReversible { .. } => "amount_exceeds_reversible",
            Self::AccountFrozen { .. } => "account_frozen",
        }
    }
}

impl Field {
    /// The name of the refusal of a repeated id that differs in this field.
    #[must_use]
    pub const fn exists_with_different(self) -> &'static str {
        match self {
            Self::Kind => "exists_with_different_kind",
            Self::Currency => "exists_with_different_currency",
            Self::CreditLimit => "exists_with_different_credit_limit",
            Self::DebitAccountId => "exists_with_different_debit_account_id",
            Self::CreditAccountId => "exists_with_different_credit_account_id",
            Self::Amount => "exists_with_different_amount",
            Self::Description => "exists_with_different_description",
            Self::Reference => "exists_with_different_reference",
            Self::TimeoutS => "exists_with_different_timeout_s",
            Self::PendingId => "exists_with_different_pending_id",
            Self::AccountId => "exists_with_different_account_id",
            Self::Members => "exists_with_different_members",
            Self::Metadata => "exists_with_different_metadata",
            Self::Reverses => "exists_with_different_reverses",
            Self::Final => "exists_with_different_final",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExistsWithDifferent(_) => {
                f.write_str("the id was used before with other content")
            }
            Self::AccountNotFound { account_id } => write!(f, "there is no account {account_id}"),
            Self::AccountClosed { account_id } => write!(f, "account {account_id} is closed"),
            Self::AccountInUse {
                account_id,
                balance,
                debits_pending,
                credits_pending,
            } => write!(
                f,
                "account {account_id} has a balance of {balance}, {debits_pending} of pending \
                 debits and {credits_pending} of pending credits"
            ),
            Self::AccountReserved { account_id } => {
                write!(f, "account {account_id} is the system's")
            }
            Self::InsufficientFunds {
                account_id,
                available,
                required,
                ..
            } => {
                write!(
                    f,
                    "account {account_id} has {available} available, {required} required"
                )
            }
            Self::CurrencyMismatch => f.write_str("the currencies differ"),
            Self::AccountsMustDiffer => f.write_str("debit and credit account must differ"),
            Self::AmountOutOfRange { amount } => write!(f, "the amount {amount} is out of range"),
            Self::DescriptionInvalid => f.write_str(
                "a description has 1 to 140 characters, none of them a control character",
            ),
            Self::PendingNotFound { pending_id } => {
                write!(f, "there is no pending transfer {pending_id}")
            }
            Self::PendingAlreadyPosted { pending_id } => {
                write!(f, "pending transfer {pending_id} was posted before")
            }
            Self::PendingAlreadyVoided { pending_id } => {
                write!(f, "pending transfer {pending_id} was voided before")
            }
            Self::PendingExpired { pending_id } => {
                write!(f, "pending transfer {pending_id} has expired")
            }
            Self::AmountExceedsPending {
                available,
                required,
            } => {
                write!(f, "{required} to post, but only {available} pending")
            }
            Self::BatchMemberFailed => f.write_str("another member of the batch was refused"),
            Self::BalanceOverflow { account_id } => {
                write!(
                    f,
                    "the balance of account {account_id}, with its pending credits and its limit, would pass 2^53 - 1"
                )
            }
            Self::PaymentNotFound { payment_id } => write!(f, "there is no payment {payment_id}"),
            Self::PaymentInOtherState { state, attempt } => {
                write!(f, "the payment is {} at attempt {attempt}", state.as_str())
            }
            Self::PaymentUnderWay { .. } => f.write_str(
                "a request may be under way to the processor: look again at the time given, then \
                 release or refuse",
            ),
            Self::CurrencyNotCurrent { currency } => match currency.check_current() {
                Err(NotCurrent::NoMinorUnit) => write!(
                    f,
                    "{currency} has no minor unit: amounts of it cannot be counted"
                ),
                Err(NotCurrent::Withdrawn) | Ok(()) => write!(
                    f,
                    "{currency} was withdrawn from ISO 4217: use its successor for new accounts"
                ),
            },
            Self::AccountInOtherState {
                account_id,
                credit_limit,
                entry_count,
            } => write!(
                f,
                "account {account_id} was changed meanwhile: its credit limit is {credit_limit}, it \
                 has {entry_count} entries"
            ),
            Self::PaymentsInOtherState { .. } => f.write_str(
                "payments were accepted meanwhile: nothing was purged; look at them, then decide \
                 anew",
            ),
            Self::TransferNotReversible {
                transfer_id,
                reason,
            } => match reason {
                NotReversible::NotFound => write!(f, "there is no transfer {transfer_id}"),
                NotReversible::NothingMoved => write!(
                    f,
                    "transfer {transfer_id} has moved no money that could be moved back"
                ),
                NotReversible::Pend => write!(
                    f,
                    "transfer {transfer_id} only reserved money: reverse the post that ended it"
                ),
                NotReversible::Reversal => write!(
                    f,
                    "transfer {transfer_id} is a reversal itself: to move the money once more, \
                     make a new transfer"
                ),
            },
            Self::AmountExceedsReversible {
                available,
                required,
            } => write!(
                f,
                "{required} to reverse, but only {available} of the transfer is left"
            ),
            Self::AccountFrozen { account_id, side } => write!(
                f,
                "account {account_id} is frozen: it takes no new {}s",
                side.as_str()
            ),
        }
    }
}
