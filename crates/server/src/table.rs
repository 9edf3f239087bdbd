//! Counters whose handles are made once: counting a request builds no label.

use std::sync::OnceLock;

use metrics::Counter;

/// A counter for each pair of a row and a column, both from a fixed list. A counter is made when
/// it is first counted.
pub(crate) struct CounterTable<const ROWS: usize> {
    counters: [Box<[OnceLock<Counter>]>; ROWS],
}

impl<const ROWS: usize> CounterTable<ROWS> {
    pub(crate) fn new(columns_count: usize) -> Self {
        Self {
            counters: std::array::from_fn(|_| {
                (0..columns_count).map(|_| OnceLock::new()).collect()
            }),
        }
    }

    /// Counts so many. What has no row or no column in the table makes its counter each time.
    pub(crate) fn add(
        &self,
        row: Option<usize>,
        column: Option<usize>,
        count: u64,
        make: impl Fn() -> Counter,
    ) {
        match (row, column) {
            (Some(row), Some(column)) => {
                self.counters[row][column]
                    .get_or_init(make)
                    .increment(count);
            }
            (None, _) | (_, None) => make().increment(count),
        }
    }
}
