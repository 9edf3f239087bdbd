//! Calls to Redis, and how they slow down: where the database falls behind, they wait first, and are
//! refused at the bound.

use std::time::{Duration, Instant};

use engine_postgres::{Answered, Calls};
use ledger::{Batch, Unavailable};

use crate::front::Front;

/// How much a call is slowed down right before the bound of what is not persisted.
const SLOWED_MAX: Duration = Duration::from_millis(50);

impl Calls for Front {
    const CALL_BYTES_MAX: usize = 1 << 20;
    const CALL_REQUESTS_MAX: usize = 512;

    async fn call(&self, batches: &[Batch], deadline: Instant) -> Answered {
        self.apply(batches, deadline).await
    }

    fn pause(&self) -> Duration {
        slowed(self.seen.lag(), self.options.unpersisted_max)
    }
}

impl Front {
    /// Refuses writes while the database is too far behind.
    pub(crate) fn check_lag(&self) -> Result<(), Unavailable> {
        if self.seen.lag() < self.options.unpersisted_max {
            Ok(())
        } else {
            Err(Unavailable::Overloaded)
        }
    }
}

/// How long a call waits for a database that has fallen so far behind: nothing up to half of the
/// bound, then more and more.
fn slowed(lag: u64, lag_max: u64) -> Duration {
    let (over, span) = (lag.saturating_sub(lag_max / 2), lag_max.div_ceil(2).max(1));
    let over = u32::try_from(over.saturating_mul(1_000) / span).unwrap_or(1_000);
    SLOWED_MAX * over.min(1_000) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_slow_down_past_half_of_the_bound() {
        assert_eq!(slowed(0, 1_000), Duration::ZERO);
        assert_eq!(slowed(500, 1_000), Duration::ZERO);
        assert_eq!(slowed(750, 1_000), SLOWED_MAX / 2);
        assert_eq!(slowed(2_000, 1_000), SLOWED_MAX);
    }
}
