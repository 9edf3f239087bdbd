//! Watches whether this node is ready, and reports each turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::Unavailable;
use server::Health;
use tokio::sync::watch;

use super::gauges::ReadyGauge;
use super::service_manager;
use super::stop::stopped;

/// How often the readiness is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reports each turn of the readiness until the stop.
pub(super) async fn watch_readiness(health: Arc<dyn Health>, stop: watch::Receiver<bool>) {
    let watching = async {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut turns = Turns::default();
        let mut gauge = ReadyGauge::new();
        loop {
            ticks.tick().await;
            let reason = health.readiness().reason();
            gauge.set(reason);
            if let Some(turn) = turns.see(reason, Instant::now()) {
                turn.report();
            }
        }
    };
    tokio::select! {
        () = stopped(stop) => {}
        () = watching => {}
    }
}

/// What was seen last.
#[derive(Default)]
struct Turns {
    /// Why it is not ready, and since when.
    not_ready: Option<(&'static str, Instant)>,
}

/// A change that somebody should know of.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It is not ready, or not ready for another reason than before.
    NotReady(&'static str),
    /// It is ready after so long, most recently held up by this.
    Ready(&'static str, Duration),
}

impl Turns {
    /// What has changed since the last look. The opening of the ledger is reported elsewhere, from its
    /// beginning to its end.
    fn see(&mut self, reason: Option<&'static str>, now: Instant) -> Option<Turn> {
        let opening = Unavailable::Opening.code();
        match (self.not_ready, reason) {
            (None, None) => None,
            (Some((before, _)), Some(reason)) if before == reason => None,
            (before, Some(reason)) => {
                let since = match before {
                    Some((before, since)) if before != opening => since,
                    Some(_) | None => now,
                };
                self.not_ready = Some((reason, since));
                (reason != opening).then_some(Turn::NotReady(reason))
            }
            (Some((before, since)), None) => {
                self.not_ready = None;
                (before != opening).then_some(Turn::Ready(before, now - since))
            }
        }
    }
}

impl Turn {
    fn report(&self) {
        match *self {
            Self::NotReady(reason) => {
                tracing::warn!(
                    reason,
                    "this node is not ready: {reason}. /readyz answers 503, so that proxies send \
                     requests elsewhere, until the cause is gone"
                );
                service_manager::status(&format!("not ready: {reason}"));
            }
            Self::Ready(reason, after) => {
                tracing::info!(
                    reason,
                    after_ms = stdx::whole_millis(after),
                    "this node is ready again, after {} s of {reason}",
                    after.as_secs()
                );
                service_manager::status("ready");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_reported_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut turns = Turns::default();
        for (second, reason, expected) in [
            (0, Some("opening"), None),
            (5, Some("opening"), None),
            (6, None, None),
            (
                7,
                Some("storage_full"),
                Some(Turn::NotReady("storage_full")),
            ),
            (8, Some("storage_full"), None),
            (
                9,
                Some("clock_jumped"),
                Some(Turn::NotReady("clock_jumped")),
            ),
            (
                17,
                None,
                Some(Turn::Ready("clock_jumped", Duration::from_secs(10))),
            ),
            (18, None, None),
        ] {
            assert_eq!(turns.see(reason, at(second)), expected, "{second}");
        }
    }

    #[test]
    fn an_opening_that_ends_badly_is_a_turn() {
        let start = Instant::now();
        let mut turns = Turns::default();
        assert_eq!(turns.see(Some("opening"), start), None);
        let failed = turns.see(Some("storage_failed"), start + Duration::from_secs(9));
        assert_eq!(failed, Some(Turn::NotReady("storage_failed")));
        let later = start + Duration::from_secs(10);
        let ready = Turn::Ready("storage_failed", Duration::from_secs(1));
        assert_eq!(turns.see(None, later), Some(ready));
    }
}
