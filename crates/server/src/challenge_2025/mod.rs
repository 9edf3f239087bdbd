//! The 2025 challenge's routes, in its own words: payments in BRL, dispatched to processors.
//!
//! Amounts are decimal text in JSON and are read and printed exactly: no floating point.

mod payment;
mod purge;
mod summary;

pub(crate) use payment::PaymentRequest;
pub(crate) use payment::{__path_pay, pay};
pub(crate) use purge::PurgeView;
pub(crate) use purge::{__path_purge, purge};
pub(crate) use summary::{__path_summary, summary};
pub(crate) use summary::{SummaryOfProcessor, SummaryView};

/// How many decimals its amounts have.
const DECIMALS: u32 = 2;
