//! A processor of the simulation: it refuses a repeated id, and records whatever arrived even if
//! the caller has left.

use std::collections::HashMap;
use std::time::Duration;

use ledger::{Millis, PaymentId};

/// What a processor keeps of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) amount: u64,
    pub(super) requested_at: Millis,
}

#[derive(Debug, Default)]
pub(super) struct Processor {
    pub(super) kept: HashMap<PaymentId, Kept>,
    /// It answers nothing, for ever.
    pub(super) is_dead: bool,
    /// What it takes to record a payment.
    pub(super) delay: Duration,
    /// The longest that a late recording may take.
    pub(super) late_max: Duration,
}
