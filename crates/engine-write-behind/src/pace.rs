//! How much is persisted together: less where it was late, more again where it was not. Where the
//! least there is comes late as well, it is given more time instead: catching up always ends.

use std::time::Duration;

/// How long one question to a store may take.
pub(crate) const BOUND: Duration = Duration::from_secs(10);
/// How many times the least may be given twice the time.
const PATIENCE_MAX: u32 = 6;

/// How often it was halved.
#[derive(Debug)]
pub(crate) struct Pace {
    halvings: u32,
    /// After this number of halvings nothing is left to halve.
    halvings_max: u32,
}

impl Pace {
    pub(crate) const fn new(halvings_max: u32) -> Self {
        Self {
            halvings: 0,
            halvings_max,
        }
    }

    /// The part of this that goes together now.
    pub(crate) fn of(&self, most: u64) -> u64 {
        (most >> self.halvings.min(self.halvings_max)).max(1)
    }

    /// How much longer than usual it may take; `None`: not longer.
    pub(crate) fn patience(&self) -> Option<u32> {
        let over = self.halvings.saturating_sub(self.halvings_max);
        (over > 0).then(|| 1 << over)
    }

    /// How long it may take now, where it usually may take so long.
    pub(crate) fn bound(&self, usual: Duration) -> Duration {
        usual * self.patience().unwrap_or(1)
    }

    pub(crate) fn late(&mut self) {
        if !self.is_at_end() {
            self.halvings += 1;
        }
    }

    /// It can neither be less nor be given more time.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.halvings >= self.halvings_max + PATIENCE_MAX
    }

    pub(crate) fn in_time(&mut self) {
        self.halvings = self.halvings.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_halved_to_the_least_and_then_given_time() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(3);
        assert_eq!((pace.of(8), pace.of(100)), (8, 100));
        for (of_8, of_100, bound) in [(4, 50, 1), (2, 25, 1), (1, 12, 1), (1, 12, 2), (1, 12, 4)] {
            pace.late();
            assert_eq!((pace.of(8), pace.of(100)), (of_8, of_100));
            assert_eq!(pace.bound(second), second * bound);
        }
        for _ in 0..100 {
            pace.late();
        }
        assert_eq!(pace.bound(second), second * 64);
        for _ in 0..8 {
            pace.in_time();
        }
        assert_eq!((pace.of(8), pace.patience()), (4, None));
        pace.in_time();
        assert_eq!(pace.of(8), 8);
    }
}
