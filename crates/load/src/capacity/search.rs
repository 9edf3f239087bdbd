//! Which rate to try next: doubling until one fails, then halving the gap.

/// The gap that ends the search: a twentieth of the failed rate.
const GAP_PARTS: u32 = 20;

/// A search.
#[derive(Debug, Clone)]
pub(super) struct Search {
    first: u32,
    max: u32,
    held: Option<u32>,
    failed: Option<u32>,
}

impl Search {
    pub(super) const fn new(first: u32, max: u32) -> Self {
        Self {
            first,
            max,
            held: None,
            failed: None,
        }
    }

    /// The rate to try next; `None` when the capacity is known.
    pub(super) fn next(&self) -> Option<u32> {
        match (self.held, self.failed) {
            (None, None) => Some(self.first),
            (Some(held), None) if held < self.max => Some(held.saturating_mul(2).min(self.max)),
            (Some(_), None) => None,
            // Not even the first rate held: lower ones are looked at down to a thirty-second.
            (None, Some(failed)) => Some(failed / 2).filter(|rate| *rate > self.first / 64),
            (Some(held), Some(failed)) if (failed - held) > failed / GAP_PARTS => {
                Some(held + (failed - held) / 2)
            }
            (Some(_), Some(_)) => None,
        }
    }

    /// Tells whether a rate held.
    pub(super) fn tell(&mut self, rate: u32, is_held: bool) {
        if is_held {
            self.held = self.held.max(Some(rate));
        } else {
            self.failed = Some(self.failed.map_or(rate, |failed| failed.min(rate)));
        }
    }

    /// The highest rate that held.
    pub(super) const fn best(&self) -> Option<u32> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(first: u32, max: u32, capacity: u32) -> (Option<u32>, Vec<u32>) {
        let mut search = Search::new(first, max);
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tell(rate, rate <= capacity);
            assert!(tried.len() < 40, "{tried:?}");
        }
        (search.best(), tried)
    }

    #[test]
    fn it_closes_in_on_the_capacity() {
        for capacity in [1_000, 1_234, 15_400, 63_999, 199_000] {
            let (best, tried) = searched(1_000, 200_000, capacity);
            let best = best.unwrap();
            assert!(best <= capacity, "{tried:?}");
            assert!(best * 20 >= capacity * 18, "{capacity}: {tried:?}");
        }
    }

    #[test]
    fn it_ends_at_its_bounds() {
        assert_eq!(searched(1_000, 3_000, 9_000).0, Some(3_000));
        let (best, tried) = searched(1_000, 3_000, 0);
        assert_eq!(best, None);
        assert_eq!(tried, [1_000, 500, 250, 125, 62, 31]);
        assert_eq!(searched(1_000, 3_000, 100).0, Some(97));
    }
}
