//! Whether sums are the same, whatever their number, in a few bytes.
//!
//! Each processor and millisecond has two random numbers, which nobody knows before: one is multiplied
//! by its payments, the other by their amount, and the products are added up. Sums that differ anywhere lead
//! to the same 128 bits by a chance of about one in 2^64, and sketches can be added like the sums.

use std::hash::{BuildHasher, RandomState};

use ledger::{Millis, ProcessorName};

use super::{Recent, Sum};

/// The random numbers of sketches that are compared with each other.
#[derive(Debug, Default)]
pub(crate) struct Sketcher(RandomState);

/// See the [module](self).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sketch(u128);

impl Sketcher {
    /// Of the sum of one millisecond.
    pub(crate) fn of(&self, processor: &ProcessorName, millis: u64, sum: Sum) -> Sketch {
        let number = |what: u8| {
            let half = |half: u8| u128::from(self.0.hash_one((what, half, processor, millis)));
            half(0) << 64 | half(1)
        };
        let payments = number(0).wrapping_mul(sum.payments_count.into());
        Sketch(payments.wrapping_add(number(1).wrapping_mul(sum.amount)))
    }

    /// Of all of these.
    pub(crate) fn of_all(&self, sums: &Recent) -> Sketch {
        let mut sketch = Sketch::default();
        let all = sums.each_millisecond(|processor, Millis(millis), sum| {
            sketch.add(self.of(processor, millis, sum));
            Ok(())
        });
        all.unwrap_or_else(|_| unreachable!("nothing fails here"));
        sketch
    }
}

impl Sketch {
    pub(crate) const fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}
