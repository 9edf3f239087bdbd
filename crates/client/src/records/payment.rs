//! Payments.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Metadata;
use crate::account_id::AccountId;
use crate::words::{PaymentState, ResolutionKind};

/// A payment to an external processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRecord {
    /// Its id, under which the processor gets it.
    pub id: Uuid,
    /// Where it is.
    pub state: PaymentState,
    /// How often it was sent.
    pub attempt: u32,
    /// The account that pays; `None` if the money comes from outside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// A code of ISO 4217.
    pub currency: String,
    /// In minor units.
    pub amount: u64,
    /// The caller's own text for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The processor that it is sent to, or that has recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The time that was sent to the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// Why it was refused: `processor_refused`, `purged` or `operator_refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When it was accepted.
    pub accepted_at: String,
    /// When its state last changed.
    pub timestamp: String,
    /// What operators decided about it, the newest first; only where it is read by its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolutions: Vec<Resolution>,
    /// Its state where it is dispatched; only where it is read by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Dispatch>,
}

/// A decision of an operator, kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What was decided.
    pub resolution: ResolutionKind,
    /// The attempt that the operator saw.
    pub attempt: u32,
    /// The processor that it was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The time under which the processor counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// Who decided.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub timestamp: String,
}

/// The state of a payment where it is dispatched. It is in that node's memory only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// `waiting`, `under_way`, `pending`, `unknown` or `conflict`.
    pub state: String,
    /// The attempt that this is about; 0 if it is not known.
    pub attempt: u32,
    /// The processor that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Since when its outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<String>,
    /// When its processor is asked about it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_question_at: Option<String>,
    /// Of a conflict: `other_amount` or `recorded_elsewhere`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<String>,
    /// The last answer of its processor that did not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<ProcessorAnswer>,
}

/// An answer of a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessorAnswer {
    /// When it came.
    pub at: String,
    /// What it answered: `payment` or `question`.
    pub to: String,
    /// The HTTP status; `None` if no complete answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why no complete answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Some payments, by when they were accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentsPage {
    /// The payments; maybe fewer than asked for, also none.
    pub payments: Vec<PaymentRecord>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// A payment whose outcome nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsettledPayment {
    /// Its id.
    pub id: Uuid,
    /// When it was accepted; `None` if the ledger does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<String>,
    /// What its dispatcher knows.
    #[serde(flatten)]
    pub dispatch: Dispatch,
}

/// Payments whose outcome nobody knows, in the order of their acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsettledPaymentsPage {
    /// The payments; maybe fewer than asked for, also none.
    pub payments: Vec<UnsettledPayment>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}
