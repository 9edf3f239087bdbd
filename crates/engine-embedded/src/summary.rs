//! Counts and exact sums of settled payments by the time they were requested.
//!
//! Sums are kept per millisecond, second, minute, hour and day, so that any range is a few
//! thousand look-ups at most, whatever the number of payments inside.

use std::collections::BTreeMap;

use ledger::{Millis, ProcessorName, ProcessorSummary};

/// The widths of the buckets in milliseconds, narrowest first; each divides the next.
const WIDTHS: [u64; 5] = [1, 1_000, 60_000, 3_600_000, 86_400_000];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    payments_count: u64,
    amount: u128,
}

impl Sum {
    const fn add(&mut self, other: Self) {
        self.payments_count += other.payments_count;
        self.amount += other.amount;
    }
}

/// The sums of every processor.
#[derive(Debug, Default)]
pub(crate) struct Summary(BTreeMap<ProcessorName, Buckets>);

/// One map per width, from a bucket's number (time divided by the width) to its sum.
#[derive(Debug, Default)]
struct Buckets([BTreeMap<u64, Sum>; WIDTHS.len()]);

impl Summary {
    pub(crate) fn record(&mut self, processor: &ProcessorName, requested_at: Millis, amount: u64) {
        let sum = Sum {
            payments_count: 1,
            amount: amount.into(),
        };
        if !self.0.contains_key(processor) {
            self.0.insert(processor.clone(), Buckets::default());
        }
        if let Some(buckets) = self.0.get_mut(processor) {
            for (bucket, width) in buckets.0.iter_mut().zip(WIDTHS) {
                bucket.entry(requested_at.0 / width).or_default().add(sum);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The sums over `from ..= to`, of the processors that have any there.
    pub(crate) fn between(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
    ) -> Vec<ProcessorSummary> {
        let from = from.map_or(0, |from| from.0.into());
        // The end is exclusive from here on, and may be past what 64 bits can count.
        let end = u128::from(to.map_or(u64::MAX, |to| to.0)) + 1;
        self.0
            .iter()
            .map(|(processor, buckets)| (processor, buckets.between(from, end)))
            .filter(|(_, sum)| sum.payments_count > 0)
            .map(|(processor, sum)| ProcessorSummary {
                processor: processor.clone(),
                payments_count: sum.payments_count,
                amount: sum.amount,
            })
            .collect()
    }
}

impl Buckets {
    fn between(&self, from: u128, end: u128) -> Sum {
        let mut sum = Sum::default();
        if from < end {
            self.add(WIDTHS.len() - 1, from, end, &mut sum);
        }
        sum
    }

    /// Adds the whole buckets of this level inside `from .. end`, and both edges by the level
    /// below.
    fn add(&self, level: usize, from: u128, end: u128, sum: &mut Sum) {
        let width = u128::from(WIDTHS[level]);
        let (first, last) = (from.div_ceil(width), end / width);
        if first > last || (first == last && level > 0) {
            return self.add_below(level, from, end, sum);
        }
        // Every bucket that holds a payment has a number of 64 bits: behind them there is none.
        if first < last
            && let Ok(first) = u64::try_from(first)
        {
            let whole = match u64::try_from(last - 1) {
                Ok(last) => self.0[level].range(first..=last),
                Err(_) => self.0[level].range(first..),
            };
            for (_, bucket) in whole {
                sum.add(*bucket);
            }
        }
        if level > 0 {
            self.add_below(level, from, first * width, sum);
            self.add_below(level, last * width, end, sum);
        }
    }

    fn add_below(&self, level: usize, from: u128, end: u128, sum: &mut Sum) {
        if from < end && level > 0 {
            self.add(level - 1, from, end, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(day: u64, hour: u64, millis: u64) -> u64 {
        day * 86_400_000 + hour * 3_600_000 + millis
    }

    #[test]
    fn every_range_is_the_sum_of_the_payments_inside() {
        let processor = ProcessorName::new("default").unwrap();
        let times: Vec<u64> = (0..400)
            .map(|i| millis(i % 3, i * 7 % 24, i * 7_919 % 3_600_000))
            .chain([0, 999, 1_000, 59_999, 60_000, 86_399_999, 86_400_000])
            .chain([u64::MAX - 1, u64::MAX])
            .collect();
        let mut summary = Summary::default();
        for time in &times {
            summary.record(&processor, Millis(*time), time % 97 + 1);
        }
        let bounds = [
            0,
            1,
            999,
            1_000,
            1_001,
            60_000,
            86_399_999,
            86_400_000,
            millis(2, 5, 17),
            u64::MAX - 1,
            u64::MAX,
        ];
        for from in bounds {
            for to in bounds {
                let inside = times.iter().filter(|time| (from..=to).contains(*time));
                let expected: u128 = inside.clone().map(|time| u128::from(time % 97 + 1)).sum();
                let got = summary.between(Some(Millis(from)), Some(Millis(to)));
                let got = got
                    .first()
                    .map_or((0, 0), |sum| (sum.payments_count, sum.amount));
                assert_eq!(got, (inside.count() as u64, expected), "{from}..={to}");
            }
        }
        let all = summary.between(None, None);
        assert_eq!(all[0].payments_count, times.len() as u64);
    }
}
