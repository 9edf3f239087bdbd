//! The task that keeps an eye on Redis: its lag, what is due, and whether it is still the one that
//! was compared with the database.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Chain, Trouble};
use crate::front::Front;
use crate::link::{Function, done, number};
use crate::repair::repair;

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(2);

/// Looks for ever, until the engine is dropped.
pub(crate) async fn run(front: Weak<Front>) {
    loop {
        let Some(front) = front.upgrade() else {
            return;
        };
        if front.epoch_now().is_none() {
            match repair(&front).await {
                Ok(repaired) => repaired.begin(&front),
                Err(error) => {
                    front.seen.answers.store(false, Ordering::Relaxed);
                    tracing::error!(error = %Chain(&error), "the ledger cannot go on");
                }
            }
        } else {
            let looked = look(&front).await;
            front.seen.answers.store(looked.is_ok(), Ordering::Relaxed);
            if let Err(trouble) = looked {
                tracing::debug!(error = %Chain(&trouble), "Redis was not looked at");
            }
        }
        publish(&front);
        let _ = tokio::time::timeout(INTERVAL, front.stale.notified()).await;
    }
}

async fn look(front: &Front) -> Result<(), Trouble> {
    let Some(epoch) = front.epoch_now() else {
        return Ok(());
    };
    let deadline = Instant::now() + BOUND;
    let mut call = Function::Status.call();
    call.arg(epoch.as_bytes());
    let values = match front.link.call(&call, deadline).await {
        Err(Trouble::Stale) => {
            front.doubt(&epoch);
            return Err(Trouble::Stale);
        }
        reply => done(reply?)?,
    };
    let figure = |at| number(values.get(at));
    let (now_us, oldest_us) = (figure(2)?, figure(3)?);
    front.seen.note(figure(0)?, figure(1)?);
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
