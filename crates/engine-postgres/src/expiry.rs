//! The timer that expires what no command touches, and looks what commits wait for. Several nodes may
//! do it at once: each pending transfer's accounts are locked before its state is read, so that it
//! expires once. What cannot be read keeps nothing else from expiring: it is left for a minute.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use ledger::{Batch, Command, TransferId, Unavailable};
use stdx::{ErrorChain, Throttle};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::behind;
use crate::call::Store;
use crate::codec::uuid;
use crate::durability::{self, Durability};
use crate::error::Failure;
use crate::lease::Lease;
use crate::numbers::expired_max;

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(2);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// How long what cannot be read is left alone.
const DAMAGED_PAUSE: Duration = Duration::from_secs(60);
/// How much of that is remembered.
const DAMAGED_MAX: usize = 10_000;
const DUE_MAX: i64 = expired_max!();

pub(crate) const DUE: &str = "
    SELECT transfer_id FROM lastro.pendings
    WHERE expires_at <= lastro.now_ns() AND NOT transfer_id = ANY ($2)
    ORDER BY expires_at LIMIT $1";

/// What could not be expired, and until when it is left alone.
type Damaged = BTreeMap<TransferId, Instant>;

/// Looks for due expiries for ever.
pub(crate) async fn run(store: Store) {
    let mut damaged = Damaged::new();
    let warnings = Throttle::new(WARNING_INTERVAL);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let expired = expire(&store, &mut damaged).await;
        store.answers.store(expired.is_ok(), Ordering::Relaxed);
        match expired {
            Ok(()) => {}
            Err(Failure::Behind) => {
                if let Some(held_back) = warnings.pass() {
                    tracing::error!(
                        held_back,
                        "a Redis was put in front of this database: this node refuses all writes. \
                         Stop it, and serve with --engine write-behind"
                    );
                }
            }
            Err(failure) => {
                tracing::debug!(error = %ErrorChain(&failure), "due expiries wait");
            }
        }
    }
}

async fn expire(store: &Store, damaged: &mut Damaged) -> Result<(), Failure> {
    let now = Instant::now();
    damaged.retain(|_, until| *until > now);
    let deadline = now + BOUND;
    let found = tokio::time::timeout_at(deadline.into(), due(store, damaged, deadline));
    let mut parts = vec![found.await.map_err(|_| Failure::Late)??];
    while let Some(mut ids) = parts.pop() {
        if ids.is_empty() {
            continue;
        }
        let commands = ids.iter().map(|id| Command::Expire { pending_id: *id });
        let batch = Batch::independent(commands.collect());
        let batch = batch.expect("a batch takes as many expiries as are asked for");
        // What else fails is found again the next time.
        if store.call(&[batch], deadline).await != Err(Unavailable::StorageDamaged) {
            continue;
        }
        match ids.as_slice() {
            [id] if damaged.len() < DAMAGED_MAX => {
                tracing::error!(
                    transfer = %id,
                    "a pending transfer that is due cannot be expired: it, or another of its \
                     accounts, cannot be read; its money stays reserved. Run `lastro verify`"
                );
                damaged.insert(*id, Instant::now() + DAMAGED_PAUSE);
            }
            [_] => {}
            _ => {
                parts.push(ids.split_off(ids.len() / 2));
                parts.push(ids);
            }
        }
    }
    Ok(())
}

async fn due(
    store: &Store,
    damaged: &Damaged,
    deadline: Instant,
) -> Result<Vec<TransferId>, Failure> {
    let lease = Lease::take(&store.pool, deadline).await?;
    let client = lease.client();
    if let Err(failure) = store.clock.look(client).await {
        if matches!(failure, Failure::ClockJumped) {
            // The database answers; nothing expires by a clock that is not believed.
            lease.done();
            return Ok(Vec::new());
        }
        return Err(failure);
    }
    store.standby.look(client).await?;
    if behind::is_behind(client).await? {
        lease.done();
        return Err(Failure::Behind);
    }
    let (statement, settings) = try_join(
        client.prepare_cached(DUE),
        client.prepare_cached(durability::SETTINGS),
    )
    .await?;
    let damaged: Vec<Uuid> = damaged.keys().map(|id| uuid(id.to_u128())).collect();
    let parameters: [&(dyn ToSql + Sync); 2] = [&DUE_MAX, &damaged];
    let (rows, settings) = try_join(
        client.query(&statement, &parameters),
        client.query_one(&settings, &[]),
    )
    .await?;
    lease.done();
    store.durability.see(Durability::of(&settings)?);
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get("transfer_id")?;
            Ok(TransferId::from_u128(id.as_u128()))
        })
        .collect()
}
