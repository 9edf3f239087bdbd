//! Payments, and what operators decide about them.

use serde::Serialize;
use uuid::Uuid;

use super::new_id;
use crate::account_id::AccountId;
use crate::records::Metadata;
use crate::words::ResolutionKind;

/// A payment to be accepted. It is paid exactly once through a processor, or refused later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPayment {
    /// Its id: the same payment with it is paid once.
    pub id: Uuid,
    /// The account that pays: the amount is reserved at once. Without it the money comes from outside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// In minor units, from 1.
    pub amount: u64,
    /// A code of ISO 4217: that of the account that pays.
    pub currency: String,
    /// The text in the statement, of 1 to 140 characters.
    pub description: String,
    /// The caller's own text for it, of 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name, at most 1,000 bytes as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

impl NewPayment {
    /// A payment from outside the ledger, under a new id.
    #[must_use]
    pub fn new(amount: u64, currency: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            id: new_id(),
            account_id: None,
            amount,
            currency: currency.into(),
            description: description.into(),
            reference: None,
            metadata: None,
        }
    }
}

/// An operator's decision about a payment. It names the attempt that the operator saw: if the payment has another one
/// by now, nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolve {
    /// What is decided.
    pub resolution: ResolutionKind,
    /// The attempt that the operator saw.
    pub attempt: u32,
    /// Who decides: kept with the payment.
    pub who: String,
    /// Why: kept with the payment.
    pub why: String,
    /// The time under which the processor counts it, if that differs from the time that was sent to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
}
