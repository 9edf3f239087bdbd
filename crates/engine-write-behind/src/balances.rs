//! The `BalanceWriter`: brings the accounts in the database to the position of the entries. It
//! reads what the `TransferWriter` logged, and nothing of Redis: what is persisted can be finished
//! without it. Of all nodes one does it; when it dies, another one.

use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease, Tables, write_balances};

use crate::error::Chain;
use crate::positions::{self, Role};
use crate::record::decode_all;

/// How long to wait where there is nothing to do; what gathers meanwhile goes together.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for the lock, or after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// How many logged calls are applied together.
const LOGGED_MAX: i64 = 32;
const BOUND: Duration = Duration::from_secs(5);

/// Writes for ever.
pub(crate) async fn run(tables: Tables) {
    loop {
        if let Err(failure) = write(&tables).await {
            tracing::warn!(error = %Chain(&failure), "the balances in the database wait");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Writes as long as it holds the lock and all goes well; at once back where somebody else has it.
async fn write(tables: &Tables) -> Result<(), Failure> {
    let deadline = Instant::now() + BOUND;
    let Some(lease) = positions::try_lock(tables, Role::Balances, deadline).await? else {
        return Ok(());
    };
    tracing::info!("this node brings the balances in the database forward");
    loop {
        let step = tokio::time::timeout(BOUND, step(&lease)).await;
        if !step.map_err(|_| Failure::Late)?? {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Applies what is logged, in one transaction; `false` where there is nothing.
pub(crate) async fn step(lease: &Lease) -> Result<bool, Failure> {
    let client = lease.client();
    client.batch_execute("BEGIN").await?;
    let (from, logged) = positions::read_log(lease, LOGGED_MAX).await?;
    let Some(to) = logged.last().map(|logged| logged.position) else {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    // The row first: whoever else does this waits here and then finds it done.
    if !positions::move_balances(lease, from, to).await? {
        client.batch_execute("ROLLBACK").await?;
        return Ok(true);
    }
    let mut events = Vec::new();
    for call in logged {
        let records = decode_all(&call.records).map_err(|_| Failure::Damaged("the log"))?;
        events.extend(records.into_iter().map(|record| record.event));
    }
    write_balances(lease, &events).await?;
    client.batch_execute("COMMIT").await?;
    Ok(true)
}
