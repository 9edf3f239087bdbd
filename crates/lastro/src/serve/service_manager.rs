//! What the service manager is told that has started this process: systemd, with `Type=notify`.
//!
//! | when | message |
//! |---|---|
//! | the ledger is being opened | `STATUS=opening 41 %`; as long as the opening moves on, more time for the start |
//! | requests are answered | `READY=1` |
//! | the readiness turns | `STATUS=` with the reason |
//! | twice per period of the watchdog | `WATCHDOG=1`, if the threads that serve and the writer live |
//! | a signal to stop has arrived | `STOPPING=1` |
//!
//! Without a service manager, that is without the variable `NOTIFY_SOCKET`, nothing is sent.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use ledger::{Engine, Unavailable};
use sd_notify::NotifyState;

use super::config::Config;
use super::engine_config::EngineConfig;

/// How much more time an opening asks for. One that does not move on for so long is given up by the
/// service manager.
const OPENING_TIME: Duration = Duration::from_secs(300);
/// How often it asks.
const OPENING_INTERVAL: Duration = Duration::from_secs(5);

fn notify(messages: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(messages) {
        // It would not be read either way, and the service manager has its own bounds.
        tracing::debug!(%error, "cannot reach the service manager: {error}");
    }
}

/// Reports how an opening moves on.
pub(super) struct Opening {
    next: Instant,
    bytes_read: u64,
    status: String,
}

impl Opening {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now(),
            bytes_read: 0,
            status: String::new(),
        }
    }

    /// So many bytes were read of so many.
    pub(super) fn at(&mut self, bytes_read: u64, bytes_total: Option<u64>) {
        let percent = bytes_total.and_then(|total| (bytes_read * 100).checked_div(total));
        let status = match percent {
            Some(percent) => format!("opening {percent} %"),
            None => "opening".to_owned(),
        };
        let now = Instant::now();
        let asks = now >= self.next && (bytes_read > self.bytes_read || self.status.is_empty());
        if status != self.status {
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if asks {
            self.next = now + OPENING_INTERVAL;
            self.bytes_read = bytes_read;
            let micros = u32::try_from(OPENING_TIME.as_micros()).unwrap_or(u32::MAX);
            notify(&[NotifyState::ExtendTimeoutUsec(micros)]);
        }
    }
}

/// Requests are answered from now on.
pub(super) fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("ready")]);
}

/// The readiness has turned.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// A signal to stop has arrived.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Reports twice per period of the watchdog that this process lives; never returns. Runs among the
/// threads that serve requests: where they hang, nothing is reported.
pub(super) async fn watch_over(config: &Config, engine: &dyn Engine) -> Infallible {
    let Some(period) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let interval = (period / 2).max(Duration::from_millis(1));
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        let lives = match config.engine {
            // No command: an answer means that the writer has come past it.
            EngineConfig::Embedded => {
                let deadline = Instant::now() + interval;
                is_answer(&engine.submit(Vec::new(), deadline).await)
            }
            // A database that does not answer is not mended by starting this process again.
            EngineConfig::Postgres { .. }
            | EngineConfig::Remote { .. }
            | EngineConfig::WriteBehind(_) => true,
        };
        if lives {
            notify(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(
                "the writer has answered nothing for {} s: the service manager is not told that this \
                 process lives, and ends it if that lasts",
                interval.as_secs()
            );
        }
    }
}

/// Whether the writer has answered, be it that it takes no writes.
const fn is_answer<T>(answer: &Result<T, Unavailable>) -> bool {
    match answer {
        Ok(_) => true,
        Err(unavailable) => match unavailable {
            Unavailable::Timeout => false,
            Unavailable::Overloaded
            | Unavailable::StorageFull
            | Unavailable::StorageFailed
            | Unavailable::StorageDamaged
            | Unavailable::LedgerUnavailable
            | Unavailable::Opening
            | Unavailable::ClockJumped
            | Unavailable::StandbyAway
            | Unavailable::NotSupported => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_counts_against_the_writer() {
        assert!(is_answer(&Ok(())));
        assert!(is_answer::<()>(&Err(Unavailable::StorageFull)));
        assert!(is_answer::<()>(&Err(Unavailable::StorageFailed)));
        assert!(!is_answer::<()>(&Err(Unavailable::Timeout)));
    }
}
