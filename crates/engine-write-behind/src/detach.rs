//! Taking Redis away from in front of the database: once everything is persisted, and shown by the
//! accounts, and nothing can be applied to Redis any more. Then the engine `postgres` may serve it.
//!
//! 1. The ledger is opened as by a node, and what is not persisted is.
//! 2. The locks of those who compare and persist are taken: no other node runs.
//! 3. Redis lets go of the ledger, if nothing was applied meanwhile.
//! 4. The schema `lastro_behind` goes, and with it what keeps others from writing.
//!
//! Ended in between, it can be done again: a Redis that has let go is rebuilt in step 1.

use std::time::{Duration, Instant};

use engine_postgres::{Lease, Tables};
use uuid::Uuid;

use crate::balances;
use crate::data_loss::{Dropped, Loss};
use crate::engine::WriteBehindEngine;
use crate::error::trouble;
use crate::error::{Damaged, WriteBehindOpenError};
use crate::link::{Function, Link, done, number};
use crate::nodes;
use crate::options::WriteBehindOptions;
use crate::pace::BOUND;
use crate::positions::{self, Behind, Role, persisted};

/// How long what is not persisted may take without anything moving.
const STALL_BOUND: Duration = Duration::from_secs(120);
/// How long the locks of a node that has just ended may outlive it.
const LOCKS_BOUND: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// The database is a ledger by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detached {
    /// The position at which it goes on.
    pub position: u64,
    /// What was answered, by the nodes' reports, and is lost with its Redis.
    pub lost: Option<Dropped>,
}

/// Ends the service of Redis. Without a URL of Redis, all that it alone had is given up.
///
/// # Errors
///
/// When there is none in front, it is written to meanwhile, or one of the stores does not do it.
pub async fn detach(
    redis_url: Option<&str>,
    database_url: &str,
    options: &WriteBehindOptions,
) -> Result<Detached, WriteBehindOpenError> {
    if persisted(database_url, &options.database).await?.is_none() {
        return Err(WriteBehindOpenError::Unsafe(
            "no Redis stands in front of this database".to_owned(),
        ));
    }
    if let Some(url) = redis_url {
        persist_all(url, database_url, options).await?;
    }
    let tables = Tables::open(database_url, &options.database).await?;
    let lease = lock(&tables, Role::Repair).await?;
    let _writers = [
        lock(&tables, Role::Transfers).await?,
        lock(&tables, Role::Balances).await?,
    ];
    let behind = positions::read(&lease).await?.ok_or(Damaged)?;
    if let Some(url) = redis_url {
        leave(url, options, &behind).await?;
    }
    balances::finish(&lease).await?;
    let lost = match redis_url {
        // All of it was persisted.
        Some(_) => None,
        None => lost(&lease, &behind).await?,
    };
    positions::end(&lease).await?;
    Ok(Detached {
        position: behind.position,
        lost,
    })
}

/// What the nodes have answered, by their reports, and the database does not have: named before the
/// reports go.
async fn lost(lease: &Lease, behind: &Behind) -> Result<Option<Dropped>, WriteBehindOpenError> {
    // It may be of a version before them.
    nodes::prepare(lease).await?;
    // No node has this id.
    let answered = nodes::answered(lease, Uuid::nil()).await?;
    let Some(answered) = answered.filter(|answered| answered.position > behind.position) else {
        return Ok(None);
    };
    let (after, to) = (behind.position, answered.position);
    Loss::WithRedis { after, to }.report(behind.position);
    Ok(Some(Dropped {
        from: after + 1,
        to,
    }))
}

/// Opens the ledger, and waits until the database has and shows all of it.
async fn persist_all(
    redis_url: &str,
    database_url: &str,
    options: &WriteBehindOptions,
) -> Result<(), WriteBehindOpenError> {
    let opened = WriteBehindEngine::open(redis_url, database_url, options.clone());
    let (engine, _) = opened.await?;
    let mut seen = None;
    let mut moved = Instant::now();
    loop {
        let now = persisted(database_url, &options.database).await?;
        let now = now.ok_or(Damaged)?;
        let is_shown = now.accounts_position == now.position;
        if is_shown && engine.is_answering() && engine.lag().entries == 0 {
            return Ok(());
        }
        if seen.replace(now) != Some(now) {
            moved = Instant::now();
        }
        if moved.elapsed() > STALL_BOUND {
            return Err(WriteBehindOpenError::Unsafe(format!(
                "what Redis has answered is not persisted: the database stays at position {}",
                now.position
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn lock(tables: &Tables, role: Role) -> Result<Lease, WriteBehindOpenError> {
    let until = Instant::now() + LOCKS_BOUND;
    loop {
        if let Some(lease) = positions::try_lock(tables, role, Instant::now() + BOUND).await? {
            return Ok(lease);
        }
        if Instant::now() >= until {
            return Err(WriteBehindOpenError::Unsafe(
                "a node still serves this ledger with --engine write-behind: stop all of them first"
                    .to_owned(),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Has Redis let go of the ledger, unless something was applied since.
async fn leave(
    redis_url: &str,
    options: &WriteBehindOptions,
    behind: &Behind,
) -> Result<(), WriteBehindOpenError> {
    let link = Link::new(redis_url, options.redis_authority.as_deref())?;
    let mut call = Function::Leave.call();
    call.arg(format!("{}{}", behind.epoch, behind.position));
    call.arg(behind.position);
    let values = link.call(&call, Instant::now() + BOUND).await;
    let values = values.and_then(done).map_err(trouble)?;
    if number(values.first())? == 1 {
        return Ok(());
    }
    Err(WriteBehindOpenError::Unsafe(
        "Redis was written to meanwhile: stop all nodes first".to_owned(),
    ))
}
