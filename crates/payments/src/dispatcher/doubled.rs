//! Waits that grow.

use std::time::Duration;

/// `wait`, doubled `times` times.
pub(super) fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(1 << times.min(16))
}
