//! A processor of the simulation: it refuses a repeated id, and records whatever arrived even if
//! the caller has left.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
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
    /// What it has and has not decided.
    pub(super) undecided: HashMap<PaymentId, Kept>,
    /// What it has and will not pay.
    pub(super) declined: HashSet<PaymentId>,
    /// It answers nothing, for ever.
    pub(super) is_dead: bool,
    /// It answers nothing meanwhile.
    pub(super) down: Range<Duration>,
    /// It says of one payment in thirteen that it is recorded, for ever, and does not have it.
    pub(super) is_confused: bool,
    /// It decides later, and declines one payment in seventeen.
    pub(super) is_slow_to_decide: bool,
    /// It does not take one payment in eleven, and says so for ever.
    pub(super) is_choosy: bool,
    /// What it takes to record a payment.
    pub(super) delay: Duration,
    /// The longest that a late recording may take.
    pub(super) late_max: Duration,
}

impl Processor {
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        self.is_dead || self.down.contains(&now)
    }

    /// Whether it has the payment, and may pay it.
    pub(super) fn may_pay(&self, id: PaymentId) -> bool {
        self.kept.contains_key(&id) || self.undecided.contains_key(&id)
    }

    /// Whether it declines this payment once it decides.
    pub(super) fn declines(&self, id: PaymentId) -> bool {
        self.is_slow_to_decide && id.to_u128() % 17 == 6
    }

    /// Whether it never takes this payment.
    pub(super) fn never_takes(&self, id: PaymentId) -> bool {
        self.is_choosy && id.to_u128() % 11 == 3
    }

    /// Whether it never says what became of this payment.
    pub(super) fn is_stuck(&self, id: PaymentId) -> bool {
        self.is_confused && id.to_u128() % 13 == 5
    }
}
