//! Counts and sums of settled payments by the time they were requested, in buckets: what a call
//! adds, and which buckets make up a window.

use std::collections::BTreeMap;

use ledger::{Millis, Payment, PaymentState, ProcessorName};

use crate::codec::millis;

/// The widths of the buckets in milliseconds, narrowest first; each divides the next. A bucket's
/// level is the place of its width here.
pub(crate) const WIDTHS_MS: [u64; 4] = [1_000, 60_000, 3_600_000, 86_400_000];

/// What a call adds to the buckets, as columns sorted by the table's key.
#[derive(Debug, Default)]
pub(crate) struct SumRows {
    pub(crate) level: Vec<i16>,
    pub(crate) bucket: Vec<i64>,
    pub(crate) processor: Vec<String>,
    pub(crate) payments_count: Vec<i64>,
    /// Exact, as decimal digits: the sum of bigints may be none.
    pub(crate) amount: Vec<String>,
}

impl SumRows {
    /// The sums of these payments, of which only the settled count.
    pub(crate) fn of<'a>(payments: impl IntoIterator<Item = &'a Payment>) -> Self {
        let mut sums: BTreeMap<(i16, i64, &ProcessorName), (i64, u128)> = BTreeMap::new();
        for payment in payments {
            let PaymentState::Settled {
                processor,
                requested_at,
            } = &payment.state
            else {
                continue;
            };
            for (level, width) in (0..).zip(WIDTHS_MS) {
                let at = millis(*requested_at).cast_unsigned();
                let key = (level, (at / width).cast_signed(), processor);
                let (count, amount) = sums.entry(key).or_default();
                *count += 1;
                *amount += u128::from(payment.amount);
            }
        }
        let mut rows = Self::default();
        for ((level, bucket, processor), (count, amount)) in sums {
            rows.level.push(level);
            rows.bucket.push(bucket);
            rows.processor.push(processor.to_string());
            rows.payments_count.push(count);
            rows.amount.push(amount.to_string());
        }
        rows
    }
}

/// The parts of a window: whole buckets, from the first of each range up to its end, which is not
/// in it; and single milliseconds at both ends of the window, first and last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) level: Vec<i16>,
    pub(crate) first: Vec<i64>,
    pub(crate) end: Vec<i64>,
    pub(crate) edge_first_ms: Vec<i64>,
    pub(crate) edge_last_ms: Vec<i64>,
}

impl Window {
    /// The parts of `from ..= to`; what is missing is unbounded.
    pub(crate) fn of(from: Option<Millis>, to: Option<Millis>) -> Self {
        let from = from.map_or(0, millis).cast_unsigned();
        // At most 2^63, since no bigint is larger.
        let end = to.map_or(i64::MAX, millis).cast_unsigned() + 1;
        let mut window = Self::default();
        window.add(WIDTHS_MS.len(), from, end);
        window
    }

    /// Adds the whole buckets of the widest of so many levels, and both ends by the levels below.
    fn add(&mut self, levels_count: usize, from: u64, end: u64) {
        if from >= end {
            return;
        }
        let Some(level) = levels_count.checked_sub(1) else {
            self.edge_first_ms.push(from.cast_signed());
            self.edge_last_ms.push((end - 1).cast_signed());
            return;
        };
        let width = WIDTHS_MS[level];
        let (first, last) = (from.div_ceil(width), end / width);
        if first >= last {
            return self.add(level, from, end);
        }
        let number = i16::try_from(level).expect("there are as many levels as widths: a few");
        self.level.push(number);
        self.first.push(first.cast_signed());
        self.end.push(last.cast_signed());
        self.add(level, from, first * width);
        self.add(level, last * width, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_in(window: &Window, at: u64) -> usize {
        let buckets = (0..window.level.len()).filter(|index| {
            let width = WIDTHS_MS[usize::try_from(window.level[*index]).unwrap()];
            let bucket = (at / width).cast_signed();
            (window.first[*index]..window.end[*index]).contains(&bucket)
        });
        let mut edges = window.edge_first_ms.iter().zip(&window.edge_last_ms);
        let in_edges = edges
            .by_ref()
            .filter(|(first, last)| (**first..=**last).contains(&at.cast_signed()));
        buckets.count() + in_edges.count()
    }

    #[test]
    fn a_window_has_each_of_its_milliseconds_once() {
        let day = 86_400_000;
        let bounds: [u64; 11] = [
            1,
            2,
            999,
            1_000,
            1_001,
            59_999,
            60_000,
            3_600_000,
            day - 1,
            day,
            2 * day + 5,
        ];
        for from in bounds {
            for to in bounds {
                let window = Window::of(Some(Millis(from)), Some(Millis(to)));
                for at in bounds.into_iter().flat_map(|near| near - 1..=near + 1) {
                    let expected = usize::from((from..=to).contains(&at));
                    assert_eq!(times_in(&window, at), expected, "{at} in {from}..={to}");
                }
                assert!(window.level.len() <= 7 && window.edge_first_ms.len() <= 2);
            }
        }
    }

    #[test]
    fn a_window_without_bounds_has_everything() {
        let window = Window::of(None, None);
        for at in [0, 1, 1_763_640_000_123, i64::MAX.cast_unsigned()] {
            assert_eq!(times_in(&window, at), 1, "{at}");
        }
        let none = Window::of(Some(Millis(2)), Some(Millis(1)));
        assert_eq!(none, Window::default());
    }
}
