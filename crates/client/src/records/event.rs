//! Events: what the ledger decided.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, PaymentRecord, Resolution, Transfer};
use crate::problem::Problem;

/// Something that was decided. Which members it has depends on its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where to go on behind it: opaque, and valid for ever.
    pub position: String,
    /// What happened, such as `transfer.posted`. A newer server has more types.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was decided: later than the event before it.
    pub timestamp: String,
    /// The account afterwards: `account.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Who decided it: changes of accounts, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The transfer: `transfer.*`, and where a payment was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// The payment afterwards: `payment.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentRecord>,
    /// What an operator decided: `payment.resolved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// How many accepted payments became refused: `payments.purged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payments_count: Option<u64>,
    /// What was refused: `command.refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedCommand>,
    /// The atomic batch: `batch.applied` and `batch.failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchDecided>,
}

/// A command that was refused upon the state of the ledger. Its id stays used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCommand {
    /// The command's name, such as `transfer`.
    pub command: String,
    /// The id that it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The account that was to be debited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debit_account_id: Option<String>,
    /// The account that was to be credited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit_account_id: Option<String>,
    /// Of a payment: the account that was to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// In minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Of a reversal: the transfer that was to be reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<Uuid>,
    /// Why, as it was answered.
    pub problem: Problem,
}

/// An atomic batch that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDecided {
    /// Its id.
    pub id: Uuid,
    /// How many commands it had.
    pub commands_count: u32,
    /// Which command failed it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why that one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Events in the order in which they were decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPage {
    /// The events; also none.
    pub events: Vec<Event>,
    /// Where to go on: the `after` of the next page, also where this one is empty.
    pub next: String,
}
