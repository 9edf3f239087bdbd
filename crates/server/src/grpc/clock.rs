//! The ledger's clock, by which callers name deadlines that do not move with the message.
//!
//! A `grpc-timeout` counts from the arrival, so a message that the network held back would be begun
//! however late it comes. A deadline on this clock is passed or not, whenever the message arrives.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The clock of this process: another process has another `id`, so that a restart ends all
/// deadlines that were named before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    id: u64,
}

impl ServerClock {
    pub(super) fn new() -> Self {
        let salt = (std::process::id(), std::time::SystemTime::now());
        // 0 is what a message says that leaves the field out.
        let id = RandomState::new().hash_one(salt).max(1);
        Self { id }
    }

    pub(super) const fn id(self) -> u64 {
        self.id
    }

    /// The time since the machine started, the time that it slept included: a caller's clock went
    /// on meanwhile.
    pub(super) fn now(self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        match Duration::try_from(now) {
            Ok(now) => now,
            Err(_) => unreachable!("no time before the machine's start is read from its clock"),
        }
    }

    /// What the header `lastro-deadline` says: how much time is left, `None` where there is none.
    pub(super) fn left(self, header: &[u8]) -> Result<Option<Duration>, NotOfThisClock> {
        let (id, deadline) = proto::read_deadline(header).ok_or(NotOfThisClock::Unreadable)?;
        if id != self.id {
            return Err(NotOfThisClock::Other);
        }
        Ok(deadline
            .checked_sub(self.now())
            .filter(|left| !left.is_zero()))
    }
}

/// Why a deadline means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOfThisClock {
    /// It is no deadline.
    Unreadable,
    /// It was named on the clock of another process: the ledger was restarted, or another one
    /// answered before.
    Other,
}
