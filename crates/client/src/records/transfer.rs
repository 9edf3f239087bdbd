//! Transfers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Metadata;
use crate::account_id::AccountId;
use crate::code::Code;
use crate::words::{PendingState, QueuedState, TransferKind};

/// A transfer, a pending one, the post or void of one, or a reversal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: TransferKind,
    /// Of a post or a void: the pending transfer that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_id: Option<Uuid>,
    /// `false` of a post that kept the rest reserved.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    /// Of a pending transfer that is read later: what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_state: Option<PendingState>,
    /// How much of a pending transfer was posted, by all its posts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted_amount: Option<u64>,
    /// The post or void that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Uuid>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Of a settlement: the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Uuid>,
    /// Of a reversal: the transfer that it moved back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<Uuid>,
    /// Of a pending transfer: after how many seconds it expires; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// From when on it is expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The account that the money leaves.
    pub debit_account_id: AccountId,
    /// The account that it goes to.
    pub credit_account_id: AccountId,
    /// In minor units.
    pub amount: u64,
    /// How much of it was moved back, where a transfer is read that can be reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reversed_amount: Option<u64>,
    /// The text in the statement.
    pub description: String,
    /// The caller's own text for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The caller's own texts by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// When it was decided.
    pub timestamp: String,
    /// The debit account right after it, if that has a limit and its balance changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debit: Option<After>,
    /// The credit account right after it, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<After>,
}

/// Some transfers, the newest first unless another order was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransfersPage {
    /// The transfers; maybe fewer than asked for, also none.
    pub transfers: Vec<Transfer>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What a transfer left behind on one of its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The number of the entry that it made in the account's statement.
    pub entry_number: u64,
    /// The account's balance right after it.
    pub balance_after: i64,
}

/// A transfer that was accepted now and is applied later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedTransfer {
    /// The transfer's id.
    pub id: Uuid,
    /// Where it is.
    pub state: QueuedState,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What was applied, if the ledger was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
}
