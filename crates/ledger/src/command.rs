//! What a caller may ask of the ledger.
//!
//! A command carries amounts and descriptions as they were given: [`crate::decide`] judges them.

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};

use crate::account::Frozen;
use crate::by::By;
use crate::currency::Currency;
use crate::id::{AccountId, PaymentId, ProcessorName, TransferId};
use crate::notes::Notes;
use crate::payer::{Payer, PayerOf};
use crate::payment::{PaymentExpected, RefusedCode};
use crate::resolution::ResolvePayment;
use crate::time::{Millis, Timestamp};

/// One command. Amounts are minor units.
///
/// The order of variants and fields is part of the journal's format and of an atomic batch's
/// digest: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Opens a limited account.
    OpenAccount(OpenAccount),
    /// Sets an account's credit limit.
    ChangeLimit {
        /// The account to change.
        account_id: AccountId,
        /// The new limit, `0 ..= AMOUNT_MAX`.
        credit_limit: u64,
        /// The limit that it takes the place of; any when `None`. In no record and in no digest: it
        /// says upon which state the command may be decided, not what it does.
        #[serde(skip)]
        expected_credit_limit: Option<u64>,
        /// Who decides, and why. In its event, and in no digest.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
    /// Closes an account whose balance is 0 and that has nothing pending.
    CloseAccount {
        /// The account to close.
        account_id: AccountId,
        /// How many entries its statement had when closing it was decided; any number when `None`.
        /// In no record and in no digest.
        #[serde(skip)]
        expected_entry_count: Option<u64>,
        /// Who decides, and why. In its event, and in no digest.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
    /// Moves money at once.
    Transfer(MoveMoney),
    /// Reserves money to be posted, voided or expired.
    Pend {
        /// What to reserve.
        transfer: MoveMoney,
        /// Seconds until the reservation expires; 0: never.
        timeout_s: u32,
    },
    /// Posts what is reserved of a pending transfer, or less of it, and ends it.
    Post {
        /// The post's own id.
        id: TransferId,
        /// The pending transfer to post.
        pending_id: TransferId,
        /// How much of it; all that is still reserved when `None`. The rest is released.
        amount: Option<u64>,
    },
    /// Releases a pending transfer.
    Void {
        /// The void's own id.
        id: TransferId,
        /// The pending transfer to release.
        pending_id: TransferId,
    },
    /// Releases a pending transfer whose time is over. Engines give this command themselves.
    Expire {
        /// The pending transfer to release.
        pending_id: TransferId,
    },
    /// Accepts a payment, and reserves its amount where it names an account.
    AcceptPayment(AcceptPayment),
    /// Records that a payment is about to be sent to a processor.
    SendPayment {
        /// The payment to send.
        id: PaymentId,
        /// The state and attempt it must be in.
        expected: PaymentExpected,
        /// Where it is sent.
        processor: ProcessorName,
        /// The time that the processor is told.
        requested_at: Millis,
    },
    /// Records that a processor has the payment.
    SettlePayment {
        /// The payment that was recorded.
        id: PaymentId,
        /// The state and attempt it must be in.
        expected: PaymentExpected,
        /// The time under which the processor counts it.
        requested_at: Millis,
    },
    /// Records that the last attempt was definitely not recorded: back to accepted.
    ReleasePayment {
        /// The payment to release.
        id: PaymentId,
        /// The state and attempt it must be in.
        expected: PaymentExpected,
    },
    /// Gives a payment up and releases its reservation.
    RefusePayment {
        /// The payment to refuse.
        id: PaymentId,
        /// The state and attempt it must be in.
        expected: PaymentExpected,
        /// Why.
        code: RefusedCode,
    },
    /// Refuses every accepted payment and starts the summaries anew.
    PurgePayments {
        /// When the newest payment was accepted that the caller knows of (0: none): a payment
        /// accepted later refuses the purge. Any when `None`. In no record and in no digest.
        #[serde(skip)]
        expected_accepted_at: Option<Timestamp>,
    },
    /// Settles, releases or refuses a payment because an operator says so.
    ResolvePayment(ResolvePayment),
    /// Moves money back that a transfer has moved: all that is left of it, or a part.
    Reverse(ReverseTransfer),
    /// Posts a part of a pending transfer and keeps the rest reserved. The part that reaches all of it
    /// ends it.
    PostPart {
        /// The post's own id.
        id: TransferId,
        /// The pending transfer to post a part of.
        pending_id: TransferId,
        /// How much of it, in minor units, `1 ..= AMOUNT_MAX`; at most what is still reserved.
        amount: u64,
    },
    /// Stops new debits or credits of an account, or both, or lets them happen again.
    ChangeFreeze {
        /// The account to change.
        account_id: AccountId,
        /// What is frozen from now on.
        frozen: Frozen,
        /// What was frozen when this was decided; anything when `None`. In no record and in no digest.
        #[serde(skip)]
        expected_frozen: Option<Frozen>,
        /// Who decides, and why. In its event, and in no digest.
        #[serde(skip)]
        by: Option<Box<By>>,
    },
}

/// The content of [`Command::OpenAccount`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAccount {
    /// The new account's id.
    pub id: AccountId,
    /// Its currency, for good.
    pub currency: Currency,
    /// Its credit limit in minor units, `0 ..= AMOUNT_MAX`.
    pub credit_limit: u64,
}

/// The content of [`Command::Transfer`] and [`Command::Pend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveMoney {
    /// The transfer's id.
    pub id: TransferId,
    /// The account the money leaves.
    pub debit_account_id: AccountId,
    /// The account the money goes to.
    pub credit_account_id: AccountId,
    /// Minor units, `1 ..= AMOUNT_MAX`.
    pub amount: u64,
    /// What the statement says: 1–140 Unicode scalar values, no control characters.
    pub description: CompactString,
    /// The caller's reference and metadata.
    pub notes: Notes,
}

/// The content of [`Command::Reverse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseTransfer {
    /// The reversal's own id.
    pub id: TransferId,
    /// The transfer to reverse: one that moved money and is no reversal itself.
    pub reverses: TransferId,
    /// How much of it, in minor units, `1 ..= AMOUNT_MAX`; all that was not reversed before when `None`.
    pub amount: Option<u64>,
    /// What the statement says: 1–140 Unicode scalar values, no control characters.
    pub description: CompactString,
    /// The caller's reference and metadata.
    pub notes: Notes,
}

/// The content of [`Command::AcceptPayment`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "AcceptPaymentForm")]
pub struct AcceptPayment {
    /// The payment's id.
    pub id: PaymentId,
    /// Who pays; `world` when `None`.
    pub account_id: Option<AccountId>,
    /// The payment's currency.
    pub currency: Currency,
    /// Minor units, `1 ..= AMOUNT_MAX`.
    pub amount: u64,
    /// What the statement says: 1–140 Unicode scalar values, no control characters.
    pub description: CompactString,
    /// The caller's reference and metadata.
    pub notes: Notes,
}

/// An acceptance as it is serialized.
#[derive(Serialize)]
struct AcceptPaymentOf<'a> {
    id: PaymentId,
    payer: PayerOf<'a>,
    currency: Currency,
    amount: u64,
    description: &'a CompactString,
}

#[derive(Deserialize)]
struct AcceptPaymentForm {
    id: PaymentId,
    payer: Payer,
    currency: Currency,
    amount: u64,
    description: CompactString,
}

impl Serialize for AcceptPayment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = AcceptPaymentOf {
            id: self.id,
            payer: PayerOf::new(self.account_id.as_ref(), &self.notes),
            currency: self.currency,
            amount: self.amount,
            description: &self.description,
        };
        form.serialize(serializer)
    }
}

impl From<AcceptPaymentForm> for AcceptPayment {
    fn from(form: AcceptPaymentForm) -> Self {
        let (account_id, notes) = form.payer.into_parts();
        Self {
            id: form.id,
            account_id,
            currency: form.currency,
            amount: form.amount,
            description: form.description,
            notes,
        }
    }
}

impl Command {
    /// The first field in which `other` differs from this command under the same id.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<Field> {
        match (self, other) {
            (Self::OpenAccount(a), Self::OpenAccount(b)) => first_of([
                (a.currency != b.currency, Field::Currency),
                (a.credit_limit != b.credit_limit, Field::CreditLimit),
            ]),
            (Self::Transfer(a), Self::Transfer(b)) => a.first_difference(b),
            (
                Self::Pend {
                    transfer: a,
                    timeout_s: timeout_a,
                },
                Self::Pend {
                    transfer: b,
                    timeout_s: timeout_b,
                },
            ) => a
                .first_difference(b)
                .or_else(|| first_of([(timeout_a != timeout_b, Field::TimeoutS)])),
            (
                Self::Post {
                    pending_id: pending_a,
                    amount: a,
                    ..
                },
                Self::Post {
                    pending_id: pending_b,
                    amount: b,
                    ..
                },
            ) => first_of([
                (pending_a != pending_b, Field::PendingId),
                (a != b, Field::Amount),
            ]),
            (
                Self::PostPart {
                    pending_id: pending_a,
                    amount: a,
                    ..
                },
                Self::PostPart {
                    pending_id: pending_b,
                    amount: b,
                    ..
                },
            ) => first_of([
                (pending_a != pending_b, Field::PendingId),
                (a != b, Field::Amount),
            ]),
            (
                Self::Post {
                    pending_id: pending_a,
                    amount: a,
                    ..
                },
                Self::PostPart {
                    pending_id: pending_b,
                    amount: b,
                    ..
                },
            )
            | (
                Self::PostPart {
                    pending_id: pending_b,
                    amount: b,
                    ..
                },
                Self::Post {
                    pending_id: pending_a,
                    amount: a,
                    ..
                },
            ) => first_of([
                (pending_a != pending_b, Field::PendingId),
                (*a != Some(*b), Field::Amount),
                (true, Field::Final),
            ]),
            (Self::Void { pending_id: a, .. }, Self::Void { pending_id: b, .. }) => {
                first_of([(a != b, Field::PendingId)])
            }
            (Self::AcceptPayment(a), Self::AcceptPayment(b)) => first_of([
                (a.account_id != b.account_id, Field::AccountId),
                (a.currency != b.currency, Field::Currency),
                (a.amount != b.amount, Field::Amount),
                (a.description != b.description, Field::Description),
                (a.notes.reference() != b.notes.reference(), Field::Reference),
                (a.notes.metadata() != b.notes.metadata(), Field::Metadata),
            ]),
            (Self::Reverse(a), Self::Reverse(b)) => first_of([
                (a.reverses != b.reverses, Field::Reverses),
                (a.amount != b.amount, Field::Amount),
                (a.description != b.description, Field::Description),
                (a.notes.reference() != b.notes.reference(), Field::Reference),
                (a.notes.metadata() != b.notes.metadata(), Field::Metadata),
            ]),
            (a, b) => first_of([(a != b, Field::Kind)]),
        }
    }
}

impl MoveMoney {
    fn first_difference(&self, other: &Self) -> Option<Field> {
        first_of([
            (
                self.debit_account_id != other.debit_account_id,
                Field::DebitAccountId,
            ),
            (
                self.credit_account_id != other.credit_account_id,
                Field::CreditAccountId,
            ),
            (self.amount != other.amount, Field::Amount),
            (self.description != other.description, Field::Description),
            (
                self.notes.reference() != other.notes.reference(),
                Field::Reference,
            ),
            (
                self.notes.metadata() != other.notes.metadata(),
                Field::Metadata,
            ),
        ])
    }
}

fn first_of<const N: usize>(differences: [(bool, Field); N]) -> Option<Field> {
    differences
        .into_iter()
        .find(|(differs, _)| *differs)
        .map(|(_, field)| field)
}

/// A field that a repeated id may differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Field {
    /// The id was used by a command of another kind.
    Kind,
    /// `currency`
    Currency,
    /// `credit_limit`
    CreditLimit,
    /// `debit_account_id`
    DebitAccountId,
    /// `credit_account_id`
    CreditAccountId,
    /// `amount`
    Amount,
    /// `description`
    Description,
    /// `reference`
    Reference,
    /// `timeout_s`
    TimeoutS,
    /// `pending_id`
    PendingId,
    /// `account_id`
    AccountId,
    /// The members of an atomic batch.
    Members,
    /// `metadata`
    Metadata,
    /// `reverses`
    Reverses,
    /// `final`
    Final,
}

impl Field {
    /// Every field, in a stable order.
    pub const ALL: [Self; 15] = [
        Self::Kind,
        Self::Currency,
        Self::CreditLimit,
        Self::DebitAccountId,
        Self::CreditAccountId,
        Self::Amount,
        Self::Description,
        Self::Reference,
        Self::TimeoutS,
        Self::PendingId,
        Self::AccountId,
        Self::Members,
        Self::Metadata,
        Self::Reverses,
        Self::Final,
    ];
}
