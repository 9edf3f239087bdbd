//! The task that keeps an eye on the stores: the lag, what is due, and whether both are still those
//! that were compared.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_postgres::Failure;

use crate::compare::still_agree;
use crate::error::{Chain, OpenError, Trouble};
use crate::front::{Era, Front};
use crate::link::{Function, done, number};
use crate::repair::{RealStores, repair};

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(2);
/// How long between two comparisons of what both stores say of themselves.
const COMPARED_EVERY: Duration = Duration::from_secs(1);
/// How long after stores that cannot be brought to agree are compared again.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Looks for ever, until the engine is dropped.
pub(crate) async fn run(front: Weak<Front>) {
    let mut compared = Instant::now();
    loop {
        let Some(front) = front.upgrade() else {
            return;
        };
        let mut pause = INTERVAL;
        if let Some(era) = front.era_now() {
            let looked = look(&front, &era).await;
            front.seen.answers.store(looked.is_ok(), Ordering::Relaxed);
            if let Err(trouble) = looked {
                tracing::debug!(error = %Chain(&trouble), "Redis was not looked at");
            } else if compared.elapsed() >= COMPARED_EVERY {
                if let Err(error) = compare_again(&front, &era).await {
                    tracing::debug!(error = %Chain(&error), "the stores were not compared");
                }
                compared = Instant::now();
            }
        } else {
            match repair(&front).await {
                Ok(agreed) => front.begin(agreed),
                Err(error) => {
                    front.seen.answers.store(false, Ordering::Relaxed);
                    tracing::error!(error = %Chain(&error), "the ledger cannot go on");
                    if matches!(error, OpenError::Disagree(_)) {
                        pause = REFUSED_PAUSE;
                    }
                }
            }
        }
        publish(&front);
        let _ = tokio::time::timeout(pause, front.stale.notified()).await;
    }
}

/// The judgement of a start over stores in use: either may have been replaced by an older one.
async fn compare_again(front: &Front, era: &Era) -> Result<(), OpenError> {
    // Before Redis is asked: it is not behind this unless it went back.
    let newest = era.newest();
    let lease = front.tables.lease(Instant::now() + BOUND).await?;
    let stores = RealStores {
        front,
        lease: &lease,
    };
    let agree = still_agree(&stores, &newest);
    let agree = tokio::time::timeout(BOUND, agree).await;
    if !agree.map_err(|_| OpenError::Asked(Failure::Late))?? {
        front.doubt(&era.epoch);
    }
    lease.done();
    Ok(())
}

async fn look(front: &Front, era: &Era) -> Result<(), Trouble> {
    let deadline = Instant::now() + BOUND;
    let mut call = Function::Status.call();
    call.arg(era.token());
    let values = match front.link.call(&call, deadline).await {
        Err(Trouble::Stale) => {
            front.doubt(&era.epoch);
            return Err(Trouble::Stale);
        }
        reply => done(reply?)?,
    };
    let figure = |at| number(values.get(at));
    let (now_us, oldest_us) = (figure(2)?, figure(3)?);
    if !front.note(era, figure(0)?, figure(1)?) {
        return Err(Trouble::Stale);
    }
    let lag_us = now_us.saturating_sub(oldest_us);
    front.seen.lag_us.store(lag_us, Ordering::Relaxed);
    if figure(4)? > 0 {
        // A call without commands ends what is due.
        let _ = front.apply(&[], deadline).await;
    }
    Ok(())
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
}
