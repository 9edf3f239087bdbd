//! The graceful stop: what asks for it, and how long it may take.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests in progress may take to finish once the server was told to stop.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Turns true at the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for stopping in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopping {
                tracing::warn!(
                    "a second signal to stop has arrived: ending at once, requests in progress are cut"
                );
                std::process::exit(1);
            }
            tracing::info!("stopping: requests in progress are finished, no new ones are accepted");
            super::service_manager::stopping();
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can tell us any more: the process is ending.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
