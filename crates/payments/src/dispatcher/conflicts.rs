//! What only an operator can mend: a processor has a payment that cannot be settled there.
//!
//! Each is reported once. Payments that are elsewhere, or have ended, are kept for as long as there is
//! room, unless they solve themselves; those with another amount that are due are in the ledger, which
//! lists them for as long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::{Millis, PaymentId, PaymentStateName, Timestamp};

use crate::policy::ProcessorIndex;

/// How many of payments that are not due here are kept; the oldest go first.
const KEPT_MAX: usize = 1_000;

/// A processor has a payment that cannot be settled there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// The payment.
    pub id: PaymentId,
    /// The processor.
    pub processor: ProcessorIndex,
    /// The attempt that it recorded; 0 where it is not known.
    pub attempt: u32,
    /// The time under which the processor has it.
    pub requested_at: Millis,
    /// The state of the payment in the ledger; `None` where that has no such payment.
    pub state: Option<PaymentStateName>,
    /// When the payment was accepted, where that is known.
    pub accepted_at: Option<Timestamp>,
    /// What is wrong.
    pub kind: ConflictKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// The payment has ended in another way meanwhile, or is with another processor.
    Late,
    /// The processor has it with another amount, and it waits there for an operator.
    Amount,
    /// The processor has it with another amount than that under which it is settled there.
    SettledAmount,
}

/// The conflicts that were reported, one of each kind for each payment and processor.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// The newest of [`ConflictKind::Late`] and [`ConflictKind::SettledAmount`].
    kept: BTreeMap<(PaymentId, ProcessorIndex), Conflict>,
    /// The same, the oldest first.
    kept_in_order: VecDeque<(PaymentId, ProcessorIndex)>,
    /// Those of [`ConflictKind::Amount`], each bound to its processor: no more than are due.
    amounts: BTreeSet<(PaymentId, ProcessorIndex)>,
    /// How often one was kept of a payment that is not due, once while it is kept.
    late_count: u64,
}

impl Conflicts {
    /// Keeps one; `false` where it was there.
    pub(super) fn keep(&mut self, conflict: Conflict) -> bool {
        let key = (conflict.id, conflict.processor);
        match conflict.kind {
            ConflictKind::Amount => return self.amounts.insert(key),
            // An operator has settled it although the amount is another: that is known.
            ConflictKind::SettledAmount if self.amounts.contains(&key) => return false,
            ConflictKind::Late | ConflictKind::SettledAmount => {}
        }
        if let Some(kept) = self.kept.get_mut(&key) {
            // Another kind is news, of a payment that is counted already.
            let is_news = kept.kind != conflict.kind;
            *kept = conflict;
            return is_news;
        }
        if self.kept_in_order.len() >= KEPT_MAX
            && let Some(oldest) = self.kept_in_order.pop_front()
        {
            self.kept.remove(&oldest);
        }
        self.kept_in_order.push_back(key);
        self.kept.insert(key, conflict);
        self.late_count += 1;
        true
    }

    /// The payment is settled at this processor: there is nothing to mend there any more.
    pub(super) fn solved(&mut self, id: PaymentId, processor: ProcessorIndex) {
        let key = (id, processor);
        self.amounts.remove(&key);
        if self.kept.remove(&key).is_some() {
            self.kept_in_order.retain(|kept| *kept != key);
        }
    }

    /// Keeps of the other amounts only those of payments that are still due.
    pub(super) fn retain_amounts(&mut self, is_due: impl Fn(PaymentId) -> bool) {
        self.amounts.retain(|(id, _)| is_due(*id));
    }

    /// How often one was kept of a payment that is elsewhere, or has ended.
    pub(super) const fn late_count(&self) -> u64 {
        self.late_count
    }

    /// Those of payments that are elsewhere, or have ended.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Conflict> {
        self.kept.values()
    }
}
