//! Which seeds a simulated test runs: `LASTRO_SEED` is the first, `LASTRO_SEEDS` how many.

use std::ops::Range;

/// How many times as many seeds a long run takes.
const LONG: u64 = 10;

/// The seeds of one simulated test.
///
/// Without either variable: `1 ..= count` of the test itself, ten times as many in a long run
/// (`LASTRO_LONG`). With `LASTRO_SEED` alone: that one, so that a failure happens again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(Range<u64>);

impl Seeds {
    /// The seeds that the environment asks for, `count` of them where it does not say.
    ///
    /// # Panics
    ///
    /// When a variable is set and is no number.
    #[must_use]
    pub fn from_env(count: u64) -> Self {
        let long = std::env::var_os("LASTRO_LONG").is_some();
        let count = if long {
            count.saturating_mul(LONG)
        } else {
            count
        };
        Self::of(number("LASTRO_SEED"), number("LASTRO_SEEDS"), count)
    }

    /// The first seed.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.0.start
    }

    /// How many seeds there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.0.end - self.0.start
    }

    fn of(first: Option<u64>, asked: Option<u64>, count: u64) -> Self {
        let count = match (first, asked) {
            (_, Some(asked)) => asked,
            (Some(_), None) => 1,
            (None, None) => count,
        };
        let first = first.unwrap_or(1);
        Self(first..first.saturating_add(count))
    }
}

impl IntoIterator for Seeds {
    type Item = u64;
    type IntoIter = Range<u64>;

    fn into_iter(self) -> Range<u64> {
        self.0
    }
}

/// The number in a variable of the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{variable}={text}: {error}; give a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_alone_runs_alone() {
        assert_eq!(Seeds::of(None, None, 3), Seeds(1..4));
        assert_eq!(Seeds::of(Some(7), None, 3), Seeds(7..8));
        assert_eq!(Seeds::of(Some(7), Some(2), 3), Seeds(7..9));
        assert_eq!(Seeds::of(None, Some(5), 3), Seeds(1..6));
    }
}
