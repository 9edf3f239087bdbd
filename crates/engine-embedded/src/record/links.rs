//! Where a record leads.

use serde::{Deserialize, Serialize};

/// Where a record leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Links {
    /// The debit account's previous entry; 0: there is none, or this record is not an entry of it.
    pub(crate) debit_previous: u64,
    /// The credit account's previous entry; 0 likewise.
    pub(crate) credit_previous: u64,
    /// The pending transfer that a post, void or expiry ends; the transfer that a reversal reverses;
    /// the first member of an applied atomic batch; the newest resolution before it of a payment that it is about; else 0.
    pub(crate) origin: u64,
}
