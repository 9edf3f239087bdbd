//! The `BalanceWriter`: brings the accounts in the database to the position of the entries. It
//! reads what the `TransferWriter` logged, and nothing of Redis: what is persisted can be finished
//! without it. Of all nodes one does it; when it dies, another one.

use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease, Tables, write_balances};
use stdx::ErrorChain;

use crate::pace::Pace;
use crate::positions::{self, Role};
use crate::record::decode_all;

/// How long to wait where there is nothing to do; what gathers meanwhile goes together.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for the lock, or after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// How many logged steps of the `TransferWriter` are applied together, and how many bytes of them.
const LOGGED_MAX: u64 = 32;
const BYTES_MAX: u64 = 4 << 20;
/// After this number of halvings it is a single one.
const HALVINGS_MAX: u32 = 5;
const BOUND: Duration = Duration::from_secs(10);

/// Writes for ever.
pub(crate) async fn run(tables: Tables) {
    let mut pace = Pace::new(HALVINGS_MAX);
    loop {
        if let Err(failure) = write(&tables, &mut pace).await {
            if positions::is_late(&failure) {
                pace.late();
            }
            tracing::warn!(error = %ErrorChain(&failure), "the accounts in the database were not brought up to date: it is tried again");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Writes as long as it holds the lock and all goes well; at once back where somebody else has it.
async fn write(tables: &Tables, pace: &mut Pace) -> Result<(), Failure> {
    let deadline = Instant::now() + BOUND;
    let Some(lease) = positions::try_lock(tables, Role::Balances, deadline).await? else {
        return Ok(());
    };
    tracing::info!("this node keeps the accounts in the database up to date");
    loop {
        let step = tokio::time::timeout(pace.bound(BOUND), step(&lease, pace)).await;
        let is_any = step.map_err(|_| Failure::Late)??;
        pace.in_time();
        if !is_any {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Applies all that is logged, however long it takes.
pub(crate) async fn finish(lease: &Lease) -> Result<(), Failure> {
    let mut pace = Pace::new(HALVINGS_MAX);
    loop {
        match step(lease, &pace).await {
            Ok(true) => pace.in_time(),
            Ok(false) => return Ok(()),
            Err(failure) if positions::is_late(&failure) && !pace.is_at_end() => {
                lease.client().batch_execute("ROLLBACK").await?;
                pace.late();
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Applies what is logged, in one transaction; `false` where there is nothing.
async fn step(lease: &Lease, pace: &Pace) -> Result<bool, Failure> {
    let client = lease.client();
    positions::begin(lease, pace).await?;
    let (count, bytes_max) = (pace.of(LOGGED_MAX), pace.of(BYTES_MAX));
    let (count, bytes_max) = (count.cast_signed(), bytes_max.cast_signed());
    let (from, logged) = positions::read_log(lease, count, bytes_max).await?;
    let Some(to) = logged.last().map(|logged| logged.position) else {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    // The row first: another node that does this waits here and then finds it done.
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
    lease.committed()?;
    Ok(true)
}
