//! Accounts and balances.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account_id::AccountId;
use crate::words::Frozen;

/// An account and its totals. Those of the system's own accounts are 64-bit and wrap around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// A code of ISO 4217.
    pub currency: String,
    /// How far the balance may go below zero; `None` for the system's own accounts, which have no limit.
    pub credit_limit: Option<u64>,
    /// What has left it.
    pub debits_posted: u64,
    /// What has come into it.
    pub credits_posted: u64,
    /// What is reserved to leave it.
    pub debits_pending: u64,
    /// What is reserved to come into it.
    pub credits_pending: u64,
    /// `credits_posted - debits_posted`.
    pub balance: i64,
    /// What can still be debited; `None` for the system's own accounts.
    pub available: Option<u64>,
    /// Number of entries in its statement.
    pub entry_count: u64,
    /// Whether new debits and credits are refused for good.
    pub closed: bool,
    /// Which new debits and credits an operator has stopped.
    pub frozen: Frozen,
    /// When it was opened.
    pub timestamp: String,
}

/// Some accounts, in the byte order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountsPage {
    /// The accounts; maybe fewer than asked for, also none.
    pub accounts: Vec<Account>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// An account's balance as it was at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The account.
    pub account_id: AccountId,
    /// The time.
    pub at: String,
    /// In minor units.
    pub balance: i64,
    /// The number of the newest entry at that time; 0 before the first.
    pub entry_number: u64,
}

/// When a balance is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalanceWhen {
    /// At a time: RFC 3339, with its nanoseconds. A time that was cut misses the transfer that it was taken from.
    At(String),
    /// Right after this transfer.
    After(Uuid),
}
