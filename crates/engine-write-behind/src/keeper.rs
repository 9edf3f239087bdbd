//! The task that keeps an eye on the stores: the lag, what is due, whether Redis takes writes, how it is
//! set, and whether both are still those that were compared.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_postgres::Failure;
use ledger::Unavailable;
use stdx::ErrorChain;

use crate::call::{Checked, encode};
use crate::compare::still_agree;
use crate::error::{Trouble, WriteBehindOpenError};
use crate::front::{Era, Front};
use crate::guard::Condition;
use crate::link::{Function, at, done, number};
use crate::nodes;
use crate::positions::is_undefined;
use crate::repair::{RealStores, repair};

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long between two looks at what Redis is set to.
const SETTINGS_INTERVAL: Duration = Duration::from_secs(1);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(2);
/// How long between two comparisons of what both stores say of themselves.
const COMPARED_EVERY: Duration = Duration::from_secs(1);
/// How long after stores that cannot be brought to agree are compared again, at least.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// How long after a comparison that took an epoch and failed, at most: twice as long every time.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long to wait before the next comparison, after ones that failed.
///
/// Each that took an epoch stops what other nodes do, and leaves a row in the database. One that
/// did not get as far harms nobody, and what it waits for is used as soon as it is back.
#[derive(Debug)]
struct Failures(Duration);

impl Failures {
    const fn none() -> Self {
        Self(INTERVAL)
    }

    fn pause_after(&mut self, error: &WriteBehindOpenError, has_taken: bool) -> Duration {
        if has_taken {
            self.0 = (self.0 * 2).min(FAILED_PAUSE_MAX);
        }
        match error {
            WriteBehindOpenError::Disagree(_) => self.0.max(REFUSED_PAUSE),
            _ if has_taken => self.0,
            _ => INTERVAL,
        }
    }
}

/// Looks for ever, until the engine is dropped.
pub(crate) async fn run(front: Weak<Front>) {
    let mut compared = Instant::now();
    let mut settings_due = Instant::now() + SETTINGS_INTERVAL;
    let mut failures = Failures::none();
    loop {
        let Some(front) = front.upgrade() else {
            return;
        };
        let mut pause = INTERVAL;
        if let Some(era) = front.era_now() {
            let looks_at_settings = Instant::now() >= settings_due;
            if looks_at_settings {
                settings_due = Instant::now() + SETTINGS_INTERVAL;
            }
            // Neither waits for the other.
            let settings = async {
                if looks_at_settings && let Err(error) = front.look_again().await {
                    tracing::debug!(error = %ErrorChain(&error), "the settings of Redis are wrong, or could not be read");
                }
            };
            let (looked, ()) = tokio::join!(look(&front, &era), settings);
            let (found, reads_go_on) = match &looked {
                Ok(()) => (Condition::Ready, true),
                Err(trouble) => (Condition::of(trouble), trouble.reads_go_on()),
            };
            front.guard.note(found, reads_go_on);
            if compared.elapsed() >= COMPARED_EVERY {
                let redis_answers = looked.as_ref().err().is_none_or(Trouble::is_answer);
                if let Err(error) = report(&front, &era, redis_answers).await {
                    tracing::debug!(error = %ErrorChain(&error), "this node did not report to the other nodes");
                }
                if matches!(looked, Ok(()) | Err(Trouble::ClockJumped(_)))
                    && let Err(error) = compare_again(&front, &era).await
                {
                    tracing::debug!(error = %ErrorChain(&error), "the stores were not compared");
                }
                compared = Instant::now();
            }
        } else {
            match repair(&front).await {
                Ok(agreed) => {
                    failures = Failures::none();
                    front.begin(agreed);
                }
                Err(error) => {
                    let why = format!("the ledger cannot go on: {}", ErrorChain(&error));
                    let code = Unavailable::LedgerUnavailable;
                    front.guard.note(Condition::refuses(code, why), false);
                    let has_taken = front.has_taken.load(Ordering::Relaxed);
                    pause = failures.pause_after(&error, has_taken);
                }
            }
        }
        publish(&front);
        let _ = tokio::time::timeout(pause, front.stale.notified()).await;
    }
}

/// Reports in the database how far this node has answered, and that it goes on with its Redis.
///
/// The latter also while Redis refuses: it lives, and this node goes on with it as soon as it can. Not
/// while it is silent: it may be dead, and other nodes must be able to follow its successor.
async fn report(front: &Front, era: &Era, redis_answers: bool) -> Result<(), Failure> {
    let lease = front.tables.lease(Instant::now() + BOUND).await?;
    let (node_id, place, newest) = (front.node_id, front.place(), era.newest());
    let reported = async {
        match redis_answers {
            true => nodes::beat(&lease, node_id, &place, &newest).await,
            false => nodes::note_answered(&lease, node_id, &newest).await,
        }
    };
    match tokio::time::timeout(BOUND, reported).await {
        Ok(Ok(())) => {}
        // The database was replaced by one of before this table.
        Ok(Err(error)) if is_undefined(&error) => {
            tracing::warn!("the database lacks tables of this version: they are made again");
            tokio::time::timeout(BOUND, nodes::prepare(&lease))
                .await
                .map_err(|_| Failure::Late)??;
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(Failure::Late),
    }
    lease.done();
    Ok(())
}

/// The judgement of a start over stores in use: either may have been replaced by an older one.
async fn compare_again(front: &Front, era: &Era) -> Result<(), WriteBehindOpenError> {
    // Before Redis is asked: it is not behind this unless it went back.
    let newest = era.newest();
    let lease = front.tables.lease(Instant::now() + BOUND).await?;
    let stores = RealStores {
        front,
        lease: &lease,
    };
    let agree = still_agree(&stores, &newest);
    let agree = tokio::time::timeout(BOUND, agree).await;
    if !agree.map_err(|_| WriteBehindOpenError::Asked(Failure::Late))?? {
        front.doubt(&era.epoch);
    }
    lease.done();
    let marked = tokio::time::timeout(BOUND, front.mark_clock()).await;
    marked.map_err(|_| WriteBehindOpenError::Asked(Failure::Late))??;
    Ok(())
}

async fn look(front: &Front, era: &Era) -> Result<(), Trouble> {
    let looked = figures(front, era).await;
    if matches!(looked, Err(Trouble::Stale)) {
        front.doubt(&era.epoch);
    }
    looked
}

async fn figures(front: &Front, era: &Era) -> Result<(), Trouble> {
    let deadline = Instant::now() + BOUND;
    let mut call = Function::Status.call();
    call.arg(era.token());
    let values = done(front.link.read(&call, deadline).await?)?;
    let figure = |at| number(values.get(at));
    let (now_us, oldest_us) = (figure(2)?, figure(3)?);
    if !front.note(era, figure(0)?, figure(1)?) {
        return Err(Trouble::Stale);
    }
    let lag_us = now_us.saturating_sub(oldest_us);
    front.seen.lag_us.store(lag_us, Ordering::Relaxed);
    let now = at(values.get(2))?;
    if front.clock().judge(now).is_err() {
        return Err(Trouble::ClockJumped(now));
    }
    // A call without commands ends what is due, and is refused where any other would be: by a Redis
    // without memory, with too few replicas, with a failed file.
    match front.guard.check() {
        Ok(()) => {
            let (token, latest) = (era.token(), front.latest_for(deadline));
            let nothing = encode(
                Function::Apply,
                token.as_bytes(),
                latest,
                &[],
                &Checked::default(),
            );
            front.link.call(&nothing, deadline).await.map(drop)
        }
        Err(_) => Ok(()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric: the last digits of a count do not matter"
)]
fn publish(front: &Front) {
    let lag_us = front.seen.lag_us.load(Ordering::Relaxed);
    metrics::gauge!("lastro_write_behind_lag_entries").set(front.seen.lag() as f64);
    metrics::gauge!("lastro_write_behind_lag_seconds").set(lag_us as f64 / 1e6);
    let position = front.seen.position.load(Ordering::Relaxed);
    metrics::gauge!("lastro_write_behind_position").set(position as f64);
    let is_ready = front.guard.condition() == Condition::Ready;
    metrics::gauge!("lastro_write_behind_ready").set(f64::from(u8::from(is_ready)));
}
