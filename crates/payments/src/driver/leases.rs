//! The lease of this node's claims, renewed in a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Claims, ClaimsLease};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the claims have to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long after it was renewed a lease is renewed again, and how long after that failed.
const INTERVAL: Duration = Duration::from_secs(1);
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// The newest lease that was told.
pub(super) struct Leases {
    newest: watch::Receiver<Option<ClaimsLease>>,
    renewing: JoinHandle<()>,
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Leases {
    /// Begins to ask for leases. Needs to be in a runtime.
    pub(super) fn start(claims: Arc<dyn Claims>) -> Self {
        let (told, newest) = watch::channel(None);
        let renewing = tokio::spawn(renew(claims, told));
        Self { newest, renewing }
    }

    /// The lease, once it is known to last.
    pub(super) async fn current(&mut self) -> ClaimsLease {
        loop {
            if let Some(lease) = *self.newest.borrow_and_update()
                && !lease.is_over(Instant::now())
            {
                return lease;
            }
            if self.newest.changed().await.is_err() {
                // Nobody renews any more: the process is ending.
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn renew(claims: Arc<dyn Claims>, told: watch::Sender<Option<ClaimsLease>>) {
    loop {
        let wait = match claims.renew(Instant::now() + TIMEOUT).await {
            Ok(lease) => {
                told.send_replace(Some(lease));
                if lease.until.is_none() {
                    return;
                }
                INTERVAL
            }
            Err(unavailable) => {
                tracing::debug!(%unavailable, "the claims of payments were not renewed");
                RETRY_WAIT
            }
        };
        tokio::time::sleep(wait).await;
    }
}
