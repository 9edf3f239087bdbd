//! What is summed up.

use std::collections::BTreeMap;

use ledger::{Millis, ProcessorName, ProcessorSummary};

/// What a number of payments sum to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) payments_count: u64,
    pub(crate) amount: u128,
}

impl Sum {
    pub(super) const fn add(&mut self, other: Self) {
        self.payments_count += other.payments_count;
        self.amount += other.amount;
    }

    /// What is left without the others; `None` if they are more.
    pub(super) fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            payments_count: self.payments_count.checked_sub(other.payments_count)?,
            amount: self.amount.checked_sub(other.amount)?,
        })
    }
}

/// From the first to the last millisecond, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Range {
    /// `None` for no bound.
    pub(crate) fn new(from: Option<Millis>, to: Option<Millis>) -> Self {
        Self {
            from: from.map_or(0, |from| from.0),
            to: to.map_or(u64::MAX, |to| to.0),
        }
    }

    pub(super) const fn is_empty(self) -> bool {
        self.from > self.to
    }
}

/// What is summed up for an answer, by processor.
#[derive(Debug, Default)]
pub(crate) struct Totals(BTreeMap<ProcessorName, Sum>);

impl Totals {
    pub(super) fn add(&mut self, processor: &ProcessorName, sum: Sum) {
        if sum.payments_count == 0 {
            return;
        }
        if let Some(total) = self.0.get_mut(processor) {
            total.add(sum);
        } else {
            self.0.insert(processor.clone(), sum);
        }
    }

    /// Of the processors that have any, by name.
    pub(crate) fn into_summaries(self) -> Vec<ProcessorSummary> {
        let summary = |(processor, sum): (_, Sum)| ProcessorSummary {
            processor,
            payments_count: sum.payments_count,
            amount: sum.amount,
        };
        self.0.into_iter().map(summary).collect()
    }
}
