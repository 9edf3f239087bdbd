//! Whether commits wait for a synchronous standby that is away.
//!
//! Such a commit has no end of its own: the caller goes at the deadline, and a session of the server stays
//! behind, waiting. Call after call would leave one more, until the server has none left for anybody: not for
//! reads, and not for who brings the standby back. So nothing is begun while a commit has waited for
//! [`WAITS_MAX_MS`]: callers are refused at once, with nothing done. A write that comes then looks for itself,
//! so that it is begun as soon as the standby is back.
//!
//! What a look costs: one round trip, every half second and for each call that is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{Gauge, gauge};
use stdx::Throttle;

use crate::connect::Session;
use crate::error::Failure;

/// How long a commit may wait before its standby counts as away: as long as a caller does.
const WAITS_MAX_MS: f64 = 2_000.0;
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Commits of this database's user, on all nodes, that have waited for so long. It may see its own sessions
/// without a right for it.
pub(crate) const WAITING: &str = "
    SELECT count(*) AS waiting_count FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND usename = current_user AND datname = current_database()
        AND query_start < clock_timestamp() - $1 * interval '1 millisecond'";

/// What was last seen of the standby.
pub(crate) struct Standby {
    is_away: AtomicBool,
    waiting: Gauge,
    warnings: Throttle,
}

impl Standby {
    pub(crate) fn new() -> Self {
        Self {
            is_away: AtomicBool::new(false),
            waiting: gauge!("lastro_database_commits_waiting"),
            warnings: Throttle::new(WARNING_INTERVAL),
        }
    }

    /// Whether it was away when it was last looked at.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Looks, and tells of what has changed.
    pub(crate) async fn look(&self, session: &Session) -> Result<(), Failure> {
        let statement = session.prepare_cached(WAITING).await?;
        let row = session.query_one(&statement, &[&WAITS_MAX_MS]).await?;
        let waiting_count: i64 = row.try_get("waiting_count")?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "as many as a server has sessions"
        )]
        self.waiting.set(waiting_count as f64);
        let is_away = waiting_count > 0;
        let was_away = self.is_away.swap(is_away, Ordering::Relaxed);
        if is_away && let Some(held_back) = self.warnings.pass() {
            tracing::error!(
                waiting_count,
                held_back,
                "THE STANDBY IS AWAY: commits wait for a synchronous standby without an end, and writes \
                 are refused until one is back. Reads go on. Bring a standby back, or change \
                 synchronous_standby_names"
            );
        }
        if was_away && !is_away {
            tracing::warn!("the synchronous standby is back: writes are accepted");
        }
        Ok(())
    }

    /// Whether a write may begin; looks again where the standby was away.
    ///
    /// # Errors
    ///
    /// [`Failure::StandbyAway`] while it is; nothing was done.
    pub(crate) async fn check(&self, session: &Session) -> Result<(), Failure> {
        if self.is_away() {
            self.look(session).await?;
        }
        match self.is_away() {
            true => Err(Failure::StandbyAway),
            false => Ok(()),
        }
    }
}
