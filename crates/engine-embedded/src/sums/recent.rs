//! Sums in memory.
//!
//! They are kept per millisecond, second, minute, hour and day, so that any range is a few thousand
//! look-ups at most, whatever the number of payments inside.

use std::collections::BTreeMap;

use ledger::{Millis, ProcessorName};

use super::totals::{Range, Sum, Totals};

/// The sums of every processor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent(BTreeMap<ProcessorName, Days>);

type Seconds = Parts<Milliseconds, 1_000>;
type Minutes = Parts<Seconds, 60_000>;
type Hours = Parts<Minutes, 3_600_000>;
type Days = Parts<Hours, 86_400_000>;

impl Recent {
    /// Adds a payment.
    pub(crate) fn record(&mut self, processor: &ProcessorName, requested_at: Millis, amount: u64) {
        let sum = Sum {
            payments_count: 1,
            amount: amount.into(),
        };
        self.add(processor, requested_at, sum);
    }

    /// Adds the payments of one millisecond.
    pub(crate) fn add(&mut self, processor: &ProcessorName, requested_at: Millis, sum: Sum) {
        if !self.0.contains_key(processor) {
            self.0.insert(processor.clone(), Days::default());
        }
        if let Some(days) = self.0.get_mut(processor) {
            days.add(requested_at.0, sum);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many milliseconds have a sum, those of each processor for themselves.
    pub(super) fn len(&self) -> u64 {
        self.0.values().map(Days::len).sum()
    }

    /// Adds what lies in the range.
    pub(super) fn add_between(&self, range: Range, totals: &mut Totals) {
        for (processor, days) in &self.0 {
            totals.add(processor, days.between(range.from, range.to));
        }
    }

    /// Each processor's sum of each millisecond that has one, in the order of time.
    pub(crate) fn each_millisecond(
        &self,
        mut visit: impl FnMut(&ProcessorName, Millis, Sum) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        for (processor, days) in &self.0 {
            days.each(&mut |requested_at, sum| visit(processor, Millis(requested_at), sum))?;
        }
        Ok(())
    }
}

/// The sums of a stretch of time.
trait Stretch: Clone + Default {
    /// Adds to the sum of a millisecond inside.
    fn add(&mut self, millis: u64, sum: Sum);

    /// The sum over what is in `from ..= to`.
    fn between(&self, from: u64, to: u64) -> Sum;

    /// The sum over all of it.
    fn whole(&self) -> Sum;

    /// How many milliseconds have a sum.
    fn len(&self) -> u64;

    /// Visits each millisecond that has a sum.
    fn each(&self, visit: &mut dyn FnMut(u64, Sum) -> std::io::Result<()>) -> std::io::Result<()>;
}

/// The sums of single milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Milliseconds {
    whole: Sum,
    by_time: BTreeMap<u64, Sum>,
}

impl Stretch for Milliseconds {
    fn add(&mut self, millis: u64, sum: Sum) {
        self.whole.add(sum);
        self.by_time.entry(millis).or_default().add(sum);
    }

    fn between(&self, from: u64, to: u64) -> Sum {
        let mut sum = Sum::default();
        for (_, part) in self.by_time.range(from..=to) {
            sum.add(*part);
        }
        sum
    }

    fn whole(&self) -> Sum {
        self.whole
    }

    fn len(&self) -> u64 {
        self.by_time.len() as u64
    }

    fn each(&self, visit: &mut dyn FnMut(u64, Sum) -> std::io::Result<()>) -> std::io::Result<()> {
        self.by_time
            .iter()
            .try_for_each(|(millis, sum)| visit(*millis, *sum))
    }
}

/// Parts of so many milliseconds each, by number: time divided by the width.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts<P, const WIDTH: u64> {
    whole: Sum,
    parts: BTreeMap<u64, P>,
}

impl<P, const WIDTH: u64> Default for Parts<P, WIDTH> {
    fn default() -> Self {
        Self {
            whole: Sum::default(),
            parts: BTreeMap::new(),
        }
    }
}

impl<P: Stretch, const WIDTH: u64> Stretch for Parts<P, WIDTH> {
    fn add(&mut self, millis: u64, sum: Sum) {
        self.whole.add(sum);
        let part = self.parts.entry(millis / WIDTH).or_default();
        part.add(millis, sum);
    }

    fn between(&self, from: u64, to: u64) -> Sum {
        let mut sum = Sum::default();
        if from > to {
            return sum;
        }
        for (number, part) in self.parts.range(from / WIDTH..=to / WIDTH) {
            let first = number * WIDTH;
            let is_whole = from <= first && to >= first.saturating_add(WIDTH - 1);
            sum.add(if is_whole {
                part.whole()
            } else {
                part.between(from, to)
            });
        }
        sum
    }

    fn whole(&self) -> Sum {
        self.whole
    }

    fn len(&self) -> u64 {
        self.parts.values().map(P::len).sum()
    }

    fn each(&self, visit: &mut dyn FnMut(u64, Sum) -> std::io::Result<()>) -> std::io::Result<()> {
        self.parts.values().try_for_each(|part| part.each(visit))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        let mut sums = Recent::default();
        for time in &times {
            sums.record(&processor, Millis(*time), time % 97 + 1);
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
                let mut totals = Totals::default();
                sums.add_between(Range { from, to }, &mut totals);
                let got = totals.into_summaries();
                let got = got
                    .first()
                    .map_or((0, 0), |sum| (sum.payments_count, sum.amount));
                assert_eq!(got, (inside.count() as u64, expected), "{from}..={to}");
            }
        }
        let different: BTreeSet<_> = times.iter().collect();
        assert_eq!(sums.len(), different.len() as u64);
    }
}
