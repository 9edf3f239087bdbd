//! One call: an attempt after another until one is committed or the deadline passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ledger::{Batch, Command, LedgerId, Outcome, Unavailable};
use stdx::{ErrorChain, Throttle};
use tokio::sync::Semaphore;

use crate::apply::apply;
use crate::clock::JudgedClock;
use crate::durability::{Durability, Watched};
use crate::error::Failure;
use crate::horizon::Horizon;
use crate::keys::Keys;
use crate::lease::{Lease, Pool};
use crate::load::load;
use crate::metrics;
use crate::numbers::{EXPIRED_MAX, STRIPES_COUNT};
use crate::rows::Rows;
use crate::snapshot::Snapshot;
use crate::standby::Standby;
use crate::write::write_and_commit;

/// Ends a transaction that has written nothing: what it read under locks is committed as safely as
/// what is written.
const COMMIT: &str = "COMMIT";
/// Likewise where nothing was locked: a commit waits for a standby only if it has something to say.
const COMMIT_AFTER: &str = "SELECT pg_logical_emit_message(true, 'lastro', ''); COMMIT";

/// How long to wait before another attempt: twice as long every time, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];
const DUE_WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// How many questions for what an unlimited account was are asked at a time: each holds many rows and a connection.
const PAST_ASKED_AT_ONCE: usize = 1;

/// The way to the database, shared by all calls.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) pool: Pool,
    /// Which ledger is there.
    pub(crate) ledger_id: LedgerId,
    stripe: Arc<AtomicU16>,
    /// Whether the database answered when it was last looked for expiries.
    pub(crate) answers: Arc<AtomicBool>,
    /// What its commits wait for.
    pub(crate) durability: Arc<Watched>,
    /// The database's clock, where this node decides by it.
    pub(crate) clock: Arc<JudgedClock>,
    /// Whether commits wait for a standby that is away.
    pub(crate) standby: Arc<Standby>,
    /// How far the feed may be shown.
    pub(crate) horizon: Arc<Horizon>,
    /// Turns of those who ask what an unlimited account was.
    pub(crate) past: Arc<Semaphore>,
    /// Of due payments whose rows are damaged.
    pub(crate) due_warnings: Arc<Throttle>,
}

/// What is to become of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Apply,
    /// They are of several requests.
    ApplyTogether,
    /// Nothing: only what they would be answered is asked for.
    Preview,
}

/// What became of an attempt.
enum Attempt {
    Done(Vec<Vec<Outcome>>),
    /// What was asked for was too little; with these keys it is enough.
    Wider(Keys),
    /// More was due than one call takes. That much has expired, and the batches are not begun.
    Expired(Keys),
}

/// Why a call was not answered.
enum Unanswered {
    Unavailable(Unavailable),
    /// One of several requests is the reason; nothing was done.
    Apart,
}

impl Store {
    pub(crate) fn new(
        pool: Pool,
        ledger_id: LedgerId,
        durability: Durability,
        clock: JudgedClock,
    ) -> Self {
        // Nodes begin at different stripes, so that they seldom meet.
        let [low, high, ..] = std::process::id().to_le_bytes();
        let first = u16::from_le_bytes([low, high]) % STRIPES_COUNT;
        Self {
            pool,
            ledger_id,
            stripe: Arc::new(AtomicU16::new(first)),
            answers: Arc::new(AtomicBool::new(true)),
            durability: Arc::new(Watched::new(durability)),
            clock: Arc::new(clock),
            standby: Arc::new(Standby::new()),
            horizon: Arc::new(Horizon::default()),
            past: Arc::new(Semaphore::new(PAST_ASKED_AT_ONCE)),
            due_warnings: Arc::new(Throttle::new(DUE_WARNING_INTERVAL)),
        }
    }

    /// Applies the batches in one database transaction.
    pub(crate) async fn call(
        &self,
        batches: &[Batch],
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        match self.call_as(batches, Intent::Apply, deadline).await {
            Ok(outcomes) => Ok(outcomes),
            Err(Unanswered::Unavailable(unavailable)) => Err(unavailable),
            Err(Unanswered::Apart) => unreachable!("one request is not told apart"),
        }
    }

    /// Likewise for the batches of several requests: `None` where one of them keeps the others from
    /// being answered, by what is damaged or by how much it has to expire first. Nothing was done.
    pub(crate) async fn call_together(
        &self,
        batches: &[Batch],
        deadline: Instant,
    ) -> Option<Result<Vec<Vec<Outcome>>, Unavailable>> {
        match self.call_as(batches, Intent::ApplyTogether, deadline).await {
            Ok(outcomes) => Some(Ok(outcomes)),
            Err(Unanswered::Unavailable(unavailable)) => Some(Err(unavailable)),
            Err(Unanswered::Apart) => {
                metrics::retry_apart();
                None
            }
        }
    }

    /// What the batches would be answered: everything is locked, read and decided as it would be, and
    /// rolled back.
    pub(crate) async fn preview(
        &self,
        batches: &[Batch],
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        match self.call_as(batches, Intent::Preview, deadline).await {
            Ok(outcomes) => Ok(outcomes),
            Err(Unanswered::Unavailable(unavailable)) => Err(unavailable),
            Err(Unanswered::Apart) => unreachable!("one request is not told apart"),
        }
    }

    /// States for how long the attempt that an operator has seen may be under way: it was sent under a
    /// lease that is there, or over.
    pub(crate) async fn raise_send_lease(
        &self,
        batches: &mut [Batch],
        deadline: Instant,
    ) -> Result<(), Unavailable> {
        let is_resolution = |command: &Command| matches!(command, Command::ResolvePayment(_));
        if !batches
            .iter()
            .any(|batch| batch.commands().iter().any(is_resolution))
        {
            return Ok(());
        }
        let send_lease = self.send_lease(deadline).await?;
        for batch in batches {
            batch.raise_send_lease(send_lease);
        }
        Ok(())
    }

    async fn call_as(
        &self,
        batches: &[Batch],
        intent: Intent,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unanswered> {
        let together = intent == Intent::ApplyTogether;
        let mut keys = Keys::of(batches);
        let [mut pause, pause_max] = PAUSES;
        // Whether an attempt before may have been committed: then no later one's failure means that
        // nothing was done.
        let mut may_be_committed = false;
        let unavailable = |reason: Unavailable, may_be_committed| {
            Unanswered::Unavailable(if may_be_committed {
                reason.after_unknown_attempt()
            } else {
                reason
            })
        };
        loop {
            let failure = match self.attempt_by(batches, keys, intent, deadline).await {
                Ok(Attempt::Done(outcomes)) => return Ok(outcomes),
                Ok(Attempt::Wider(wider)) => {
                    metrics::retry_wider();
                    keys = wider;
                    continue;
                }
                // The next caller finds less to do.
                Ok(Attempt::Expired(_)) if Instant::now() >= deadline => {
                    return Err(unavailable(Unavailable::Overloaded, may_be_committed));
                }
                Ok(Attempt::Expired(_)) if together && !may_be_committed => {
                    return Err(Unanswered::Apart);
                }
                Ok(Attempt::Expired(same)) => {
                    keys = same;
                    continue;
                }
                Err(failure) => failure,
            };
            if failure.is_of_an_older_plan() {
                self.pool.manager().doubt.retire();
            }
            if together && !may_be_committed && failure.is_of_content() {
                return Err(Unanswered::Apart);
            }
            may_be_committed |= matches!(failure, Failure::CommitUnknown);
            let again = match &failure {
                // Under their ids the commands answer again what they answered first.
                Failure::CommitUnknown => batches.iter().all(Batch::is_repeatable),
                failure => failure.is_passing(),
            };
            if !again || Instant::now() + pause >= deadline {
                tracing::warn!(error = %ErrorChain(&failure), "a call was not answered");
                return Err(unavailable(failure.unavailable(), may_be_committed));
            }
            tracing::debug!(error = %ErrorChain(&failure), "an attempt failed; another one is made");
            metrics::retry(&failure);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(pause_max);
            keys = Keys::of(batches);
        }
    }

    /// A connection for what will be committed: not while commits wait for a standby that is away.
    pub(crate) async fn take_to_write(&self, deadline: Instant) -> Result<Lease, Failure> {
        let lease = Lease::take(&self.pool, deadline).await?;
        let checked = self.standby.check(lease.client());
        let checked = tokio::time::timeout_at(deadline.into(), checked);
        match checked.await.map_err(|_| Failure::Late)? {
            Err(Failure::StandbyAway) => {
                lease.done();
                Err(Failure::StandbyAway)
            }
            Err(failure) => Err(failure),
            Ok(()) => Ok(lease),
        }
    }

    async fn attempt_by(
        &self,
        batches: &[Batch],
        keys: Keys,
        intent: Intent,
        deadline: Instant,
    ) -> Result<Attempt, Failure> {
        let lease = self.take_to_write(deadline).await?;
        let decided = tokio::time::timeout_at(deadline.into(), self.decide(&lease, batches, keys));
        let (mut snapshot, outcomes) = match decided.await.map_err(|_| Failure::Late)? {
            Err(Failure::ClockJumped) => {
                end(lease, "ROLLBACK", deadline).await?;
                return Err(Failure::ClockJumped);
            }
            decided => decided?,
        };
        if snapshot.has_missed() {
            let missed = snapshot.take_missed();
            missed.add_to(&mut snapshot.keys);
            end(lease, "ROLLBACK", deadline).await?;
            return Ok(Attempt::Wider(snapshot.keys));
        }
        if intent == Intent::Preview
            && let Some(outcomes) = outcomes
        {
            end(lease, "ROLLBACK", deadline).await?;
            return Ok(Attempt::Done(outcomes));
        }
        let committed = if snapshot.changed.is_empty() {
            let commit = match snapshot.is_read_unlocked() {
                true => COMMIT_AFTER,
                false => COMMIT,
            };
            end(lease, commit, deadline).await
        } else {
            let rows = Rows::of(&mut snapshot);
            let stripe = self.stripe.fetch_add(1, Ordering::Relaxed) % STRIPES_COUNT;
            let committed = write_and_commit(lease, &rows, stripe.cast_signed());
            let committed = tokio::time::timeout_at(deadline.into(), committed);
            committed.await.unwrap_or(Err(Failure::CommitUnknown))
        };
        match (outcomes, committed) {
            (Some(outcomes), Ok(())) => Ok(Attempt::Done(outcomes)),
            // Committed or not, what is still due is found again.
            (None, Ok(()) | Err(Failure::CommitUnknown)) => Ok(Attempt::Expired(snapshot.keys)),
            (_, Err(failure)) => Err(failure),
        }
    }

    /// Locks, reads and decides. The outcomes do not count when something was missed; there are
    /// none where what is due has to be worked off first.
    async fn decide(
        &self,
        lease: &Lease,
        batches: &[Batch],
        keys: Keys,
    ) -> Result<(Snapshot, Option<Vec<Vec<Outcome>>>), Failure> {
        let mut snapshot = load(lease, keys, &lease.client().known).await?;
        self.clock.judge(snapshot.now)?;
        lease.client().known.exchange(&mut snapshot);
        if snapshot.due.len() >= EXPIRED_MAX {
            apply(&mut snapshot, []);
            return Ok((snapshot, None));
        }
        let outcomes = apply(&mut snapshot, batches.iter().cloned());
        Ok((snapshot, Some(outcomes)))
    }
}

async fn end(lease: Lease, statement: &str, deadline: Instant) -> Result<(), Failure> {
    let ended = lease.client().batch_execute(statement);
    tokio::time::timeout_at(deadline.into(), ended)
        .await
        .map_err(|_| Failure::Late)??;
    let committed = lease.committed();
    lease.done();
    committed
}
