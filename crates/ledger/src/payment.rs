//! A payment and its life: `accepted → sent → settled | refused`.

use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};

use crate::currency::Currency;
use crate::id::{AccountId, PaymentId, ProcessorName};
use crate::notes::Notes;
use crate::payer::{Payer, PayerOf};
use crate::time::{Millis, Timestamp};

/// A payment as it stands.
///
/// # Guarantees
///
/// - With an `account_id` its amount is in that account's `debits_pending` while the payment is
///   accepted or sent, and a posted transfer once it is settled.
/// - From `sent` on it stays with its processor until that attempt is settled, released or refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PaymentForm")]
pub struct Payment {
    /// The payment's id.
    pub id: PaymentId,
    /// Who pays; `world` when `None`.
    pub account_id: Option<AccountId>,
    /// The payment's currency.
    pub currency: Currency,
    /// Minor units.
    pub amount: u64,
    /// What the statement says.
    pub description: CompactString,
    /// Where it is in its life.
    pub state: PaymentState,
    /// How often it has been sent.
    pub attempt: u32,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When its state last changed.
    pub timestamp: Timestamp,
    /// The caller's reference and metadata.
    pub notes: Notes,
}

/// A payment as it is serialized.
#[derive(Serialize)]
struct PaymentOf<'a> {
    id: PaymentId,
    payer: PayerOf<'a>,
    currency: Currency,
    amount: u64,
    description: &'a CompactString,
    state: &'a PaymentState,
    attempt: u32,
    accepted_at: Timestamp,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct PaymentForm {
    id: PaymentId,
    payer: Payer,
    currency: Currency,
    amount: u64,
    description: CompactString,
    state: PaymentState,
    attempt: u32,
    accepted_at: Timestamp,
    timestamp: Timestamp,
}

impl Serialize for Payment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = PaymentOf {
            id: self.id,
            payer: PayerOf::new(self.account_id.as_ref(), &self.notes),
            currency: self.currency,
            amount: self.amount,
            description: &self.description,
            state: &self.state,
            attempt: self.attempt,
            accepted_at: self.accepted_at,
            timestamp: self.timestamp,
        };
        form.serialize(serializer)
    }
}

impl From<PaymentForm> for Payment {
    fn from(form: PaymentForm) -> Self {
        let (account_id, notes) = form.payer.into_parts();
        Self {
            id: form.id,
            account_id,
            currency: form.currency,
            amount: form.amount,
            description: form.description,
            state: form.state,
            attempt: form.attempt,
            accepted_at: form.accepted_at,
            timestamp: form.timestamp,
            notes,
        }
    }
}

/// Where a payment is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentState {
    /// Waiting to be sent.
    Accepted,
    /// On its way; whether the processor has it is not known.
    Sent {
        /// Where it was sent.
        processor: ProcessorName,
        /// The time the processor was told.
        requested_at: Millis,
    },
    /// Recorded by the processor; the money has moved.
    Settled {
        /// Who recorded it.
        processor: ProcessorName,
        /// The time under which the processor counts it.
        requested_at: Millis,
    },
    /// Given up; a reservation is released.
    Refused {
        /// Why.
        code: RefusedCode,
    },
}

/// A payment state's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentStateName {
    /// `accepted`
    Accepted,
    /// `sent`
    Sent,
    /// `settled`
    Settled,
    /// `refused`
    Refused,
}

/// The state and attempt in which a command expects its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentExpected {
    /// The state's name.
    pub state: PaymentStateName,
    /// How often the payment has been sent.
    pub attempt: u32,
}

/// Why a payment was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefusedCode {
    /// Every processor refused it.
    ProcessorRefused,
    /// It was waiting when the payments were purged.
    Purged,
    /// An operator ended it.
    OperatorRefused,
}

/// A payment's place among those due: the oldest first. It is the payment's for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DuePlace {
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Its id, which decides where two were accepted at once on different nodes.
    pub id: PaymentId,
}

impl Payment {
    /// The payment as its acceptance left it: the first outcome under its id.
    #[must_use]
    pub fn as_accepted(&self) -> Self {
        Self {
            state: PaymentState::Accepted,
            attempt: 0,
            timestamp: self.accepted_at,
            ..self.clone()
        }
    }

    /// The account that pays.
    #[must_use]
    pub fn payer(&self) -> AccountId {
        self.account_id
            .clone()
            .unwrap_or_else(|| AccountId::world(self.currency))
    }

    /// The state and attempt it is in.
    #[must_use]
    pub fn standing(&self) -> PaymentExpected {
        PaymentExpected {
            state: self.state.name(),
            attempt: self.attempt,
        }
    }

    /// Its place among the payments due.
    #[must_use]
    pub const fn place(&self) -> DuePlace {
        DuePlace {
            accepted_at: self.accepted_at,
            id: self.id,
        }
    }

    /// The payment refused because it was purged.
    #[must_use]
    pub fn purged(self, timestamp: Timestamp) -> Self {
        Self {
            state: PaymentState::Refused {
                code: RefusedCode::Purged,
            },
            timestamp,
            ..self
        }
    }
}

impl PaymentState {
    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> PaymentStateName {
        match self {
            Self::Accepted => PaymentStateName::Accepted,
            Self::Sent { .. } => PaymentStateName::Sent,
            Self::Settled { .. } => PaymentStateName::Settled,
            Self::Refused { .. } => PaymentStateName::Refused,
        }
    }

    /// Whether the payment still has to be brought to an end.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        matches!(self, Self::Accepted | Self::Sent { .. })
    }
}

impl PaymentStateName {
    /// The name as the API and the metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Settled => "settled",
            Self::Refused => "refused",
        }
    }
}

impl RefusedCode {
    /// The name as the API and the metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProcessorRefused => "processor_refused",
            Self::Purged => "purged",
            Self::OperatorRefused => "operator_refused",
        }
    }
}
