//! Whether a store's clock is believed, the database's or that of a Redis before it: each time it gives
//! is judged by a [`ClockGuard`](ledger::ClockGuard) beside this machine's time since its start, which
//! cannot jump.
//!
//! - While a node runs, a jump past the bound refuses its calls before anything is written, and
//!   nothing expires, until the clock is right again or the node is restarted with the clock accepted.
//! - Across a start the clock is compared with the newest time that any node has believed
//!   (`lastro.clock`, written every [`MARK_INTERVAL`]). Where another node has not believed it within
//!   [`DOUBT_LASTS`], a start is trusted no further than a running node: else one would serve what the
//!   others refuse.
//!
//! What a call costs for it: one comparison under a lock that nobody waits long for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger::{ClockBounds, ClockGuard, ClockJumped, Timestamp};
use metrics::{Gauge, gauge};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use stdx::{ErrorChain, Throttle};
use tokio_postgres::Client;

use crate::codec::{time, timestamp};
use crate::connect::Session;
use crate::error::{Failure, PostgresOpenError};
use crate::options::PostgresOptions;
use crate::pool::connect_to_verify;

/// How long between two notes of what was believed, or was not.
const MARK_INTERVAL: Duration = Duration::from_secs(10);
/// How long another node's doubt counts at a start.
const DOUBT_LASTS: Duration = Duration::from_secs(60);
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

const SEEN: &str = "SELECT believed_at, coalesce(doubted_at, 0) AS doubted_at FROM lastro.clock";
/// What is noted of the clock waits for no sync and for no standby: its loss costs a comparison, and a
/// standby that is away must stop neither a start nor reads. (`set_config` is local to the statement's
/// transaction.)
const ACCEPT: &str = "UPDATE lastro.clock SET believed_at = $1, doubted_at = NULL
    WHERE set_config('synchronous_commit', 'off', true) = 'off'";
const NEWEST: &str = "SELECT greatest(
        coalesce((SELECT max(newest_at) FROM lastro.accounts), 0),
        coalesce((SELECT max(accepted_at) FROM lastro.payments), 0)) AS newest_at";
pub(crate) const NOW: &str = "SELECT lastro.now_ns() AS now_ns";
/// A doubt of later than now was of a clock that was set right.
pub(crate) const BELIEVED: &str = "UPDATE lastro.clock SET believed_at = greatest(believed_at, $1),
        doubted_at = CASE WHEN doubted_at > $1 THEN NULL ELSE doubted_at END
    WHERE (believed_at < $1 OR doubted_at > $1)
        AND set_config('synchronous_commit', 'off', true) = 'off'";
pub(crate) const DOUBTED: &str = "UPDATE lastro.clock SET doubted_at = $1
    WHERE set_config('synchronous_commit', 'off', true) = 'off'";

/// This machine's time since its start; `None` where it has none.
pub type Uptime = fn() -> Option<Duration>;

/// A clock that is to be judged, as it was read at a start.
#[derive(Debug, Clone, Copy)]
pub struct ReadClock {
    /// Whose it is, for people: "the database's".
    pub whose: &'static str,
    /// What it said.
    pub now: Timestamp,
    /// The newest record of those that are decided by it, where that is known.
    pub newest: Timestamp,
}

/// A store's clock, as far as this node believes it.
pub struct JudgedClock {
    whose: &'static str,
    uptime: Uptime,
    guard: Mutex<ClockGuard>,
    ahead_s: AtomicU64,
    /// The last reading, and whether it was believed.
    judged: Mutex<Option<(Timestamp, bool)>>,
    /// When a judgement was noted last, and whether the clock was believed.
    marked: Mutex<Option<(Instant, bool)>>,
    warnings: Throttle,
    gauge: Gauge,
}

impl JudgedClock {
    /// What is known of the clock when a node starts; an accepted one is noted as such.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn open(
        client: &Client,
        read: ReadClock,
        bounds: ClockBounds,
        uptime: Uptime,
    ) -> Result<Self, PostgresOpenError> {
        let ReadClock { whose, now, newest } = read;
        if bounds.is_accepted {
            client.execute(ACCEPT, &[&time(now)]).await?;
        }
        let row = client.query_one(SEEN, &[]).await?;
        let mut last = timestamp(row.try_get("believed_at")?).max(newest);
        let doubted_at = timestamp(row.try_get("doubted_at")?);
        let is_doubted = doubted_at <= now && now < doubted_at.plus(DOUBT_LASTS);
        let bounds = match is_doubted {
            true => ClockBounds {
                idle_max: bounds.jump_max,
                ..bounds
            },
            false => bounds,
        };
        if now > last.plus(bounds.idle_max) {
            // Nodes of an earlier version, or of another engine, note nothing: their records do.
            let row = client.query_one(NEWEST, &[]).await?;
            last = last.max(timestamp(row.try_get("newest_at")?));
        }
        let clock = Self {
            whose,
            uptime,
            guard: Mutex::new(ClockGuard::after(last, bounds)),
            ahead_s: AtomicU64::new(0),
            judged: Mutex::new(None),
            marked: Mutex::new(None),
            warnings: Throttle::new(WARNING_INTERVAL),
            gauge: gauge!("lastro_clock_ahead_seconds"),
        };
        Ok(clock)
    }

    /// The database's own.
    pub(crate) async fn of_database(
        client: &Client,
        bounds: ClockBounds,
    ) -> Result<Self, PostgresOpenError> {
        let row = client.query_one(NOW, &[]).await?;
        let read = ReadClock {
            whose: "the database's",
            now: timestamp(row.try_get("now_ns")?),
            newest: Timestamp::default(),
        };
        Self::open(client, read, bounds, uptime).await
    }

    /// How far the clock is ahead of what was expected, in seconds, while it is not believed.
    #[must_use]
    pub fn ahead_s(&self) -> Option<u64> {
        let ahead_s = self.ahead_s.load(Ordering::Relaxed);
        (ahead_s > 0).then_some(ahead_s)
    }

    /// The latest reading that is believed now; 0 where none is.
    pub fn latest(&self) -> Timestamp {
        self.guard.lock().latest((self.uptime)())
    }

    /// Judges a time that the clock gave.
    ///
    /// # Errors
    ///
    /// When it is not believed.
    pub fn judge(&self, now: Timestamp) -> Result<(), ClockJumped> {
        let judged = self.guard.lock().judge(now, (self.uptime)());
        let ahead_s = judged.map_or_else(|jumped| jumped.ahead.as_secs().max(1), |_| 0);
        *self.judged.lock() = Some((now, judged.is_ok()));
        if self.ahead_s.swap(ahead_s, Ordering::Relaxed) != ahead_s {
            #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
            self.gauge.set(ahead_s as f64);
            if ahead_s == 0 {
                let whose = self.whose;
                tracing::info!("{whose} clock is right again: writes are accepted");
            }
        }
        judged
            .map(drop)
            .inspect_err(|jumped| self.warn(*jumped, ahead_s))
    }

    fn warn(&self, jumped: ClockJumped, ahead_s: u64) {
        let Some(held_back) = self.warnings.pass() else {
            return;
        };
        let whose = self.whose;
        if jumped.leaves_no_room {
            tracing::error!(
                ahead_s,
                held_back,
                "{whose} clock, or the time of the newest record, is too late for a pending transfer \
                 to end after it: writes are refused. Set the clock right; if records have such \
                 times, restore an earlier copy of the ledger"
            );
        } else {
            tracing::error!(
                ahead_s,
                held_back,
                "{whose} clock jumped {ahead_s} s ahead of what was expected: writes are refused and \
                 nothing expires. Set the clock right, and writes are accepted again; if it is \
                 right, restart each node with --accept-clock"
            );
        }
    }

    /// Looks at the database's clock, and notes once in a while what became of that.
    pub(crate) async fn look(&self, session: &Session) -> Result<(), Failure> {
        let now = session.prepare_cached(NOW).await?;
        let now: i64 = session.query_one(&now, &[]).await?.try_get("now_ns")?;
        let judged = self.judge(timestamp(now));
        self.mark(session).await?;
        judged.map_err(Failure::from)
    }

    /// Whether [`JudgedClock::mark`] has something to note.
    #[must_use]
    pub fn is_mark_due(&self) -> bool {
        let Some((_, is_believed)) = *self.judged.lock() else {
            return false;
        };
        self.marked
            .lock()
            .is_none_or(|(at, believed)| believed != is_believed || at.elapsed() >= MARK_INTERVAL)
    }

    /// Notes in the database, once in a while, how the clock was judged last.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn mark(&self, session: &Session) -> Result<(), Failure> {
        if !self.is_mark_due() {
            return Ok(());
        }
        let Some((now, is_believed)) = *self.judged.lock() else {
            return Ok(());
        };
        let mark = if is_believed { BELIEVED } else { DOUBTED };
        let mark = session.prepare_cached(mark).await?;
        // What cannot be noted now is noted later; the judgement holds all the same.
        if let Err(error) = session.execute(&mark, &[&time(now)]).await {
            if session.is_closed() {
                return Err(error.into());
            }
            tracing::debug!(error = %ErrorChain(&error), "what is believed of the clock is not noted");
        }
        *self.marked.lock() = Some((Instant::now(), is_believed));
        Ok(())
    }
}

/// The time of the ledger's newest record, by its accounts and payments; 0 where there is none. It
/// reads all accounts.
///
/// # Errors
///
/// When the database does not answer.
pub async fn newest_record(
    url: &str,
    options: &PostgresOptions,
) -> Result<Timestamp, PostgresOpenError> {
    let session = connect_to_verify(url, options).await?;
    let row = session.query_one(NEWEST, &[]).await?;
    let newest_at: i64 = row.try_get("newest_at")?;
    Ok(timestamp(newest_at))
}

/// This machine's time since its start, sleep included.
pub fn uptime() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::Boottime)).ok()
}
