//! The timer that expires what no command touches. Several nodes may do it at once: each pending
//! transfer's accounts are locked before its state is read, so that it expires once.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ledger::{Batch, Command, TransferId};
use uuid::Uuid;

use crate::call::{Chain, Store};
use crate::error::Failure;
use crate::load::EXPIRED_MAX;
use crate::pool::Lease;

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(2);

pub(crate) const DUE: &str = "
    SELECT transfer_id FROM lastro.pendings WHERE expires_at <= lastro.now_ns()
    ORDER BY expires_at LIMIT $1";

/// Looks for due expiries for ever.
pub(crate) async fn run(store: Store) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let expired = expire(&store).await;
        store.answers.store(expired.is_ok(), Ordering::Relaxed);
        if let Err(failure) = expired {
            tracing::debug!(error = %Chain(&failure), "due expiries wait");
        }
    }
}

async fn expire(store: &Store) -> Result<(), Failure> {
    let deadline = Instant::now() + BOUND;
    let found = tokio::time::timeout_at(deadline.into(), due(store, deadline));
    let commands = found.await.map_err(|_| Failure::Late)??;
    if let Ok(batch) = Batch::independent(commands) {
        // What fails is found again the next time.
        let _ = store.call(&[batch], deadline).await;
    }
    Ok(())
}

async fn due(store: &Store, deadline: Instant) -> Result<Vec<Command>, Failure> {
    let lease = Lease::take(&store.pool, deadline).await?;
    let client = lease.client();
    let statement = client.prepare_cached(DUE).await?;
    let count_max = i64::try_from(EXPIRED_MAX).unwrap_or(i64::MAX);
    let rows = client.query(&statement, &[&count_max]).await?;
    lease.done();
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get("transfer_id")?;
            let pending_id = TransferId::from_u128(id.as_u128());
            Ok(Command::Expire { pending_id })
        })
        .collect()
}
