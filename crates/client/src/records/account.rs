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
    /// The number of the newest entry at that time; 0 before the first. `None` for the system's own accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_number: Option<u64>,
}

/// A credit limit that an account was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitChange {
    /// The limit from then on, in minor units.
    pub credit_limit: u64,
    /// Who decided it; `None` where nobody said, and where the account was opened with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When (RFC 3339).
    pub timestamp: String,
}

/// Some of an account's credit limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsPage {
    /// In the order of time.
    pub limits: Vec<LimitChange>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What an account held at the moment of a trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBalance {
    /// The account.
    pub account_id: AccountId,
    /// A code of ISO 4217.
    pub currency: String,
    /// In minor units.
    pub balance: i64,
    /// The number of the newest entry at that moment; 0 before the first. `None` for the system's own accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_number: Option<u64>,
}

/// What the balances of a currency sum to, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyTotal {
    /// A code of ISO 4217.
    pub currency: String,
    /// The sum of the balances below zero, without their sign.
    pub debit_balances: i128,
    /// The sum of the balances above zero.
    pub credit_balances: i128,
    /// `credit_balances - debit_balances`: 0 if all accounts of the currency were asked for.
    pub balance: i128,
}

/// Some balances of a trial balance, in the byte order of the accounts' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancesPage {
    /// The moment that every balance is of, on all pages.
    pub at: String,
    /// The balances; maybe fewer than asked for, also none.
    pub balances: Vec<AccountBalance>,
    /// On the last page: the sums over all pages, by currency. `None` on the others, and where there are more than 24
    /// currencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Vec<CurrencyTotal>>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// When a balance is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalanceWhen {
    /// At a time: RFC 3339, with its nanoseconds. A time that was cut misses the transfer that it was taken from.
    At(String),
    /// Right after this transfer.
    After(Uuid),
}
