//! Counters whose handles are made once: counting a request builds no label.

use std::sync::OnceLock;

use metrics::Counter;

/// A counter for each pair of a row and a column, both from a fixed list. A counter is made when
/// it is first counted.
pub(crate) struct CounterTable<const ROWS: usize> {
    columns_count: usize,
    counters: [Box<[OnceLock<Counter>]>; ROWS],
}

impl<const ROWS: usize> CounterTable<ROWS> {
    pub(crate) fn new(columns_count: usize) -> Self {
        Self {
            columns_count,
            counters: std::array::from_fn(|_| {
                (0..columns_count).map(|_| OnceLock::new()).collect()
            }),
        }
    }

    /// Counts so many. A column beyond the table makes its counter each time.
    pub(crate) fn add(&self, row: usize, column: usize, count: u64, make: impl Fn() -> Counter) {
        if row < ROWS && column < self.columns_count {
            self.counters[row][column]
                .get_or_init(make)
                .increment(count);
        } else {
            make().increment(count);
        }
    }
}
