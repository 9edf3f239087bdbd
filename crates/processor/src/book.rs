//! What is recorded: payments by id, and their sums by time.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use jiff::Timestamp;
use uuid::Uuid;

use crate::{Decimal, Payment};

/// How many payments, and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: u64,
    pub(crate) amount: Decimal,
}

/// The records.
#[derive(Debug, Default)]
pub(crate) struct Book {
    payments: HashMap<Uuid, Payment>,
    by_time: BTreeMap<Timestamp, Total>,
}

impl Book {
    /// Records a payment; `false` when its id is recorded already.
    pub(crate) fn record(&mut self, payment: Payment) -> bool {
        if self.contains(payment.correlation_id) {
            return false;
        }
        self.payments.insert(payment.correlation_id, payment);
        let total = self.by_time.entry(payment.requested_at).or_default();
        total.count += 1;
        total.amount += payment.amount;
        true
    }

    pub(crate) fn contains(&self, id: Uuid) -> bool {
        self.payments.contains_key(&id)
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Payment> {
        self.payments.get(&id).copied()
    }

    pub(crate) fn payments(&self) -> Vec<Payment> {
        self.payments.values().copied().collect()
    }

    /// The sum over the payments requested from `from` to `to`, both ends included; of all when one
    /// of them is missing, as the challenge has it.
    pub(crate) fn total(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Total {
        let range = match (from, to) {
            (Some(from), Some(to)) if from > to => return Total::default(),
            (Some(from), Some(to)) => (Bound::Included(from), Bound::Included(to)),
            _ => (Bound::Unbounded, Bound::Unbounded),
        };
        let mut sum = Total::default();
        for total in self.by_time.range(range).map(|(_, total)| total) {
            sum.count += total.count;
            sum.amount += total.amount;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_752_583_000_000 + millisecond).unwrap()
    }

    #[test]
    fn summaries_include_both_ends() {
        let mut book = Book::default();
        for (number, millisecond) in [(1, 0), (2, 10), (3, 10), (4, 20)] {
            let payment = Payment {
                correlation_id: Uuid::from_u128(number),
                amount: Decimal::hundredths(1_990),
                requested_at: at(millisecond),
            };
            assert!(book.record(payment));
            assert!(!book.record(payment), "an id is recorded once");
        }
        let count = |from, to| book.total(from, to).count;
        assert_eq!(count(Some(at(0)), Some(at(20))), 4);
        assert_eq!(count(Some(at(1)), Some(at(19))), 2);
        assert_eq!(count(Some(at(10)), Some(at(10))), 2);
        assert_eq!(count(Some(at(11)), Some(at(19))), 0);
        assert_eq!(count(Some(at(20)), Some(at(0))), 0);
        // A missing bound is no bound at all.
        assert_eq!(count(Some(at(20)), None), 4);
        assert_eq!(count(None, Some(at(0))), 4);
        let total = book.total(None, None);
        assert_eq!((total.count, total.amount.to_string()), (4, "79.6".into()));
    }
}
