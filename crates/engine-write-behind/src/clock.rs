//! Redis' clock, which gives the time of every event: compared with this machine's time as the
//! database's is over `--engine postgres`, and noted in the same row.
//!
//! The library reads it, so each call carries the latest time that the node believes; with a later
//! one nothing is applied and nothing expires.

use std::time::{Duration, Instant};

use engine_postgres::{Failure, JudgedClock, Lease, ReadClock};
use ledger::Timestamp;
use redis::Value;

use crate::error::{Damaged, WriteBehindOpenError, trouble};
use crate::front::Front;
use crate::layout::{META, MetaRecord};
use crate::link::{bytes, number};
use crate::moment::Moment;
use crate::pace::BOUND;
use crate::positions;

/// What is known of the clock when a node starts, and whether it is believed. The stores agree.
pub(crate) async fn open(front: &Front) -> Result<JudgedClock, WriteBehindOpenError> {
    let lease = front.tables.lease(Instant::now() + BOUND).await?;
    let opened = opened(front, &lease);
    let opened = tokio::time::timeout(BOUND, opened).await;
    let clock = opened.map_err(|_| WriteBehindOpenError::Asked(Failure::Late))??;
    lease.done();
    Ok(clock)
}

async fn opened(front: &Front, lease: &Lease) -> Result<JudgedClock, WriteBehindOpenError> {
    let behind = positions::read(lease).await?.ok_or(Damaged)?;
    let read = ReadClock {
        whose: "Redis'",
        now: now(front).await?,
        newest: behind.newest.max(newest(front).await?),
    };
    let options = &front.options;
    let clock = JudgedClock::open(lease.client(), read, options.clock, options.uptime).await?;
    // A start is not refused for it: reads are served, and the first `/readyz` says it.
    let _ = clock.judge(read.now);
    clock.mark(lease.client()).await?;
    Ok(clock)
}

async fn now(front: &Front) -> Result<Timestamp, WriteBehindOpenError> {
    let time = redis::cmd("TIME");
    let asked = front.link.ask(&time, Instant::now() + BOUND).await;
    let Value::Array(time) = asked.map_err(trouble)? else {
        return Err(Damaged.into());
    };
    let (seconds, micros) = (number(time.first())?, number(time.get(1))?);
    let us = seconds.checked_mul(1_000_000);
    let us = us.and_then(|us| us.checked_add(micros)).ok_or(Damaged)?;
    Ok(Moment { us, ns: 0 }.timestamp()?)
}

/// The time of the newest event in Redis.
async fn newest(front: &Front) -> Result<Timestamp, WriteBehindOpenError> {
    let mut get = redis::cmd("GET");
    get.arg(META);
    let asked = front.link.ask(&get, Instant::now() + BOUND).await;
    let meta = asked.map_err(trouble)?;
    let meta = bytes(Some(&meta))?;
    match meta {
        Some(record) => Ok(MetaRecord::decode(record)?.newest),
        // Nothing has happened here yet.
        None => Ok(Timestamp::default()),
    }
}

/// No call is decided by a later time: its events could not be told apart in the database, where a bigint
/// has nanoseconds. This is in April 2262.
const DECIDED_MAX: Timestamp = Timestamp::from_nanos(i64::MAX.cast_unsigned());

/// The latest time by which a call may be decided that has so long, by a clock that is believed up to then.
fn latest(believed: Timestamp, left: Duration) -> Timestamp {
    believed.plus(left).min(ledger::TIME_MAX).min(DECIDED_MAX)
}

impl Front {
    /// Redis' clock. It is opened before the first call is made.
    pub(crate) fn clock(&self) -> &JudgedClock {
        match self.clock.get() {
            Some(clock) => clock,
            None => unreachable!("calls are made once the engine is open, with its clock"),
        }
    }

    /// The latest time by which a call may be decided that is over at the deadline.
    pub(crate) fn latest_for(&self, deadline: Instant) -> Timestamp {
        let left = deadline.saturating_duration_since(Instant::now());
        latest(self.clock().latest(), left)
    }

    /// Notes in the database, once in a while, how the clock was judged.
    pub(crate) async fn mark_clock(&self) -> Result<(), Failure> {
        let clock = self.clock();
        if !clock.is_mark_due() {
            return Ok(());
        }
        let lease = self.tables.lease(Instant::now() + BOUND).await?;
        clock.mark(lease.client()).await?;
        lease.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_decided_by_a_time_that_the_database_cannot_say() {
        let latest = |believed| latest(believed, Duration::from_secs(1)).as_nanos();
        assert_eq!(latest(Timestamp::from_nanos(5)), 1_000_000_005);
        for believed in [DECIDED_MAX, ledger::TIME_MAX] {
            assert!(i64::try_from(latest(believed)).is_ok(), "{believed:?}");
        }
    }
}
