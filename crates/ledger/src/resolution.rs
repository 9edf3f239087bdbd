//! What an operator decides of a payment that nobody else can end, kept with who and why.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{PaymentId, ProcessorName};
use crate::payment::{Payment, PaymentExpected, PaymentState, RefusedCode};
use crate::text::Note;
use crate::time::{Millis, Timestamp};
use crate::transfer::Transfer;

/// How many of a payment's resolutions a read returns at most: the newest. All are kept.
pub const RESOLUTIONS_READ_MAX: usize = 100;

/// The content of [`Command::ResolvePayment`](crate::Command::ResolvePayment).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePayment {
    /// The payment to resolve.
    pub id: PaymentId,
    /// The state and attempt it must be in.
    pub expected: PaymentExpected,
    /// What is to become of it.
    pub kind: ResolutionKind,
    /// Who decides.
    pub who: Note,
    /// And why.
    pub why: Note,
    /// How long a request of its processor's may be under way after the ledger had `sent`: until
    /// then the payment is neither released nor refused. It is set by the node that dispatches, on
    /// its way to the engine, and is no part of the content.
    #[serde(skip)]
    pub send_lease: Duration,
}

/// What an operator may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResolutionKind {
    /// The processor has it.
    Settled {
        /// The time under which the processor counts it.
        requested_at: Millis,
    },
    /// The processor does not have it and never will: it waits again.
    Release,
    /// It is given up, and its reservation released.
    Refuse,
}

/// A decision of an operator's that was carried out.
///
/// # Guarantees
///
/// - It is kept in the commit of what it did, and for good.
/// - An attempt is released at most once, and is settled or refused at most once: so a
///   payment has no more than one resolution for each attempt, and one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What was decided.
    pub kind: ResolutionKind,
    /// The attempt that it was decided about.
    pub attempt: u32,
    /// Where the payment was on its way to; `None` where it waited.
    pub processor: Option<ProcessorName>,
    /// Who decided.
    pub who: Note,
    /// And why.
    pub why: Note,
    /// When.
    pub timestamp: Timestamp,
}

/// The content of [`Event::PaymentResolved`](crate::Event::PaymentResolved).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentResolved {
    /// The payment afterwards.
    pub payment: Payment,
    /// The transfer that moved the money, where the payment was settled.
    pub transfer: Option<Transfer>,
    /// The decision.
    pub resolution: Resolution,
}

impl ResolutionKind {
    /// The name as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled { .. } => "settled",
            Self::Release => "release",
            Self::Refuse => "refuse",
        }
    }
}

impl Resolution {
    /// Whether this is what left the payment as it stands.
    #[must_use]
    pub fn made(&self, payment: &Payment) -> bool {
        let made_state = match (self.kind, &payment.state) {
            (
                ResolutionKind::Settled { requested_at },
                PaymentState::Settled {
                    processor,
                    requested_at: at,
                },
            ) => requested_at == *at && self.processor.as_ref() == Some(processor),
            (ResolutionKind::Release, PaymentState::Accepted) => self.processor.is_some(),
            (ResolutionKind::Refuse, PaymentState::Refused { code }) => {
                *code == RefusedCode::OperatorRefused
            }
            _ => false,
        };
        made_state && self.attempt == payment.attempt && self.timestamp == payment.timestamp
    }
}

impl ResolvePayment {
    /// How many bytes its texts take.
    #[must_use]
    pub fn texts_bytes(&self) -> usize {
        self.who.as_str().len() + self.why.as_str().len()
    }
}
