//! Amounts and limits. Integers only: no floating point touches money.

use serde::{Deserialize, Serialize};

/// The largest amount, limit, reservation, balance and overdraft of a limited account, in minor units: 2^53 - 1, so
/// that every such number is exact in JSON, in Lua and in a bigint.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// The most that a limited account's debits may come to in its life, and the most that its credits may, in minor units:
/// 2^63 - 1, as a bigint holds. Nobody reaches it with less than 1,024 transfers of the largest amount.
pub const TOTAL_MAX: u64 = (1 << 63) - 1;

/// How far an account's balance may go below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// By this many minor units at most, `0 ..= AMOUNT_MAX`.
    Credit(u64),
    /// Without end: the system's own accounts.
    Unlimited,
}
