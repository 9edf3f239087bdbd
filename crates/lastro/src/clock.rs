//! The system's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use ledger::{Clock, Timestamp};

/// The time of this machine. Engines hold it when it steps back.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }
}
