//! What an audit finds and counts.

use std::collections::BTreeMap;
use std::fmt;

use ledger::{Currency, Timestamp};

/// How many findings are kept; the others are counted.
pub(super) const FINDINGS_MAX: usize = 100;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where the record is in the journal.
    pub address: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record at {}: {}", self.address, self.what)
    }
}

/// What the records say, counted and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Records, of any kind.
    pub records_count: u64,
    /// Accounts, the system's included.
    pub accounts_count: u64,
    /// Transfers created under an id of their own: expiries are not counted.
    pub transfers_count: u64,
    /// Refusals that are remembered.
    pub refusals_count: u64,
    /// Payments accepted.
    pub payments_count: u64,
    /// Atomic batches decided.
    pub batches_count: u64,
    /// Entries of all statements.
    pub entries_count: u64,
    /// What all balances of a currency sum to: always 0. Modulo 2^64, as the totals of the system's
    /// accounts are.
    pub balances: BTreeMap<Currency, i64>,
    /// The newest record's time; the start of time where there is none.
    pub newest: Timestamp,
    /// How many rules are broken.
    pub findings_count: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
}
