//! Statements.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, Metadata};
use crate::account_id::AccountId;
use crate::words::{ListOrder, TransferKind};

/// One line of an account's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The account's own 1, 2, 3 … without gaps; `None` for the system's own accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The transfer that made it.
    pub transfer_id: Uuid,
    /// What the transfer is.
    pub kind: TransferKind,
    /// Of a post: the pending transfer that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_id: Option<Uuid>,
    /// Of a settlement: the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Uuid>,
    /// Of a reversal: the transfer that it reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverses: Option<Uuid>,
    /// The account that the money left.
    pub debit_account_id: AccountId,
    /// The account that it went to.
    pub credit_account_id: AccountId,
    /// In minor units.
    pub amount: u64,
    /// The transfer's text.
    pub description: String,
    /// The transfer's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The transfer's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The account's balance right after it; `None` for the system's own accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_after: Option<i64>,
    /// When it was decided.
    pub timestamp: String,
}

/// A window of a statement: the opening balance and all its entries make its closing balance. Windows of the system's
/// own accounts have neither balances nor a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementWindow {
    /// Entries at or after this time; `None`: from the first on.
    pub from: Option<String>,
    /// Entries before this time; `None`: up to the newest when the first page was read.
    pub to: Option<String>,
    /// The order of the entries.
    pub order: ListOrder,
    /// The balance before the first entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening_balance: Option<i64>,
    /// The balance after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closing_balance: Option<i64>,
    /// How many entries there are on all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_count: Option<u64>,
}

/// Some entries of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPage {
    /// The account as it is.
    pub account: Account,
    /// What was asked for, if a window or an order was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<StatementWindow>,
    /// The newest first, unless another order was asked for.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}
