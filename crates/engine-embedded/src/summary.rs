//! Counts and exact sums of settled payments by the time they were requested.
//!
//! Sums are kept per millisecond, second, minute, hour and day, so that any range is a few
//! thousand look-ups at most, whatever the number of payments inside. They are a tree whose parts
//! are shared with copies until they change: a copy takes as long as there are days.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::{Millis, ProcessorName, ProcessorSummary};

/// What a number of payments sum to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) payments_count: u64,
    pub(crate) amount: u128,
}

impl Sum {
    const fn add(&mut self, other: Self) {
        self.payments_count += other.payments_count;
        self.amount += other.amount;
    }
}

/// The sums of every processor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary(BTreeMap<ProcessorName, Days>);

type Seconds = Parts<Milliseconds, 1_000>;
type Minutes = Parts<Seconds, 60_000>;
type Hours = Parts<Minutes, 3_600_000>;
type Days = Parts<Hours, 86_400_000>;

impl Summary {
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

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The sums over `from ..= to`, of the processors that have any there.
    pub(crate) fn between(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
    ) -> Vec<ProcessorSummary> {
        let from = from.map_or(0, |from| from.0);
        let to = to.map_or(u64::MAX, |to| to.0);
        self.0
            .iter()
            .map(|(processor, days)| (processor, days.between(from, to)))
            .filter(|(_, sum)| sum.payments_count > 0)
            .map(|(processor, sum)| ProcessorSummary {
                processor: processor.clone(),
                payments_count: sum.payments_count,
                amount: sum.amount,
            })
            .collect()
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
    parts: BTreeMap<u64, Arc<P>>,
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
        Arc::make_mut(part).add(millis, sum);
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

    fn each(&self, visit: &mut dyn FnMut(u64, Sum) -> std::io::Result<()>) -> std::io::Result<()> {
        self.parts.values().try_for_each(|part| part.each(visit))
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

    #[test]
    fn a_copy_stays_and_is_whole() {
        let (first, second) = ("default", "fallback");
        let names = [first, second].map(|name| ProcessorName::new(name).unwrap());
        let mut summary = Summary::default();
        for time in 0..2_000_u64 {
            let name = &names[usize::from(time % 2 == 0)];
            summary.record(name, Millis(time * 1_234_567), time + 1);
        }
        let copy = summary.clone();
        let before = copy.between(None, None);
        let mut again = Summary::default();
        copy.each_millisecond(|processor, requested_at, sum| {
            again.add(processor, requested_at, sum);
            Ok(())
        })
        .unwrap();
        assert_eq!(again, copy);
        for time in 0..2_000 {
            summary.record(&names[0], Millis(time * 7), 1);
        }
        summary.clear();
        assert_eq!(copy.between(None, None), before);
    }
}
