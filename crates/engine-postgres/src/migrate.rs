//! Versioned migrations: each once, in order, by one node at a time.

use std::time::Duration;

use ledger::LedgerId;
use stdx::ErrorChain;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use crate::connect::Session;
use crate::error::{Failure, PostgresOpenError};
use crate::listed;
use crate::options::Beginning;

/// The newest migration that this version knows.
pub(crate) const NEWEST: i32 = 19;
const LISTS_SQL: &str = include_str!("../migrations/0018_lists.sql");
/// Every migration, in order; the first is number 1. They are never changed once released.
const MIGRATIONS: [&str; NEWEST as usize] = [
    include_str!("../migrations/0001_ledger.sql"),
    include_str!("../migrations/0002_payment_sums.sql"),
    include_str!("../migrations/0003_bounded_expiries.sql"),
    include_str!("../migrations/0004_payment_claims.sql"),
    include_str!("../migrations/0005_resolutions.sql"),
    include_str!("../migrations/0006_send_leases.sql"),
    include_str!("../migrations/0007_clock.sql"),
    include_str!("../migrations/0008_pending_ends.sql"),
    include_str!("../migrations/0009_ledger_id.sql"),
    include_str!("../migrations/0010_caller_keys.sql"),
    include_str!("../migrations/0011_changes.sql"),
    include_str!("../migrations/0012_notes.sql"),
    include_str!("../migrations/0013_reversals.sql"),
    include_str!("../migrations/0014_parts.sql"),
    include_str!("../migrations/0015_freezes.sql"),
    include_str!("../migrations/0016_feed.sql"),
    include_str!("../migrations/0017_webhooks.sql"),
    LISTS_SQL,
    include_str!("../migrations/0019_totals.sql"),
];
/// The advisory lock that a migrating node holds.
const LOCK: i64 = 0x6c61_7374_726f_0001;

/// Neither a role's bounds nor those of the engine's own connections stop a migration in the middle.
const ENDLESS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
/// But a table is waited for only so long: everyone who comes after waits behind who waits for it.
const TABLE_LOCKS: &str = "SET LOCAL lock_timeout = '1s'";
/// How long before it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// The migration that gave ledgers their ids.
const LEDGER_ID_SINCE: i32 = 9;

/// The migration that gives ledgers their lists.
const LISTS: i32 = 18;

/// What a migration has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The newest migration there was before.
    pub from: i32,
    /// The newest migration there is.
    pub to: i32,
}

/// Brings the database to the newest migration, in one transaction; but the lists of an older ledger are filled between
/// two. While somebody else holds a table that has to change, a backup for example, it is tried again every few seconds.
///
/// Where there is no ledger yet, one is begun as `beginning` says.
pub(crate) async fn run(
    session: &mut Session,
    beginning: Beginning,
) -> Result<Migrated, PostgresOpenError> {
    let mut from = None;
    loop {
        match attempt(session, beginning).await {
            Err(PostgresOpenError::Database(error))
                if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
            {
                tracing::warn!(
                    error = %ErrorChain(&error),
                    "a table that has to be migrated is in use, by a backup or a long transaction: \
                     trying again in {} s",
                    PAUSE.as_secs()
                );
                tokio::time::sleep(PAUSE).await;
            }
            // The others come after it.
            Ok(migrated) if migrated.to < LISTS => {
                fill_lists(session).await?;
                from.get_or_insert(migrated.from);
            }
            Ok(migrated) => {
                return Ok(Migrated {
                    from: from.unwrap_or(migrated.from),
                    ..migrated
                });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Puts all into the lists that there is, and notes their migration as done.
async fn fill_lists(session: &mut Session) -> Result<(), PostgresOpenError> {
    listed::fill(session.client_mut()).await?;
    let transaction = session.client_mut().transaction().await?;
    transaction.batch_execute(ENDLESS).await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    // Another node may have done so meanwhile.
    if version(&transaction).await? < LISTS {
        transaction
            .execute(
                "INSERT INTO lastro.migrations (number) VALUES ($1)",
                &[&LISTS],
            )
            .await?;
    }
    transaction.commit().await?;
    match session.has_waited() {
        true => Ok(()),
        false => Err(PostgresOpenError::Asked(Failure::CommitUnknown)),
    }
}

async fn attempt(
    session: &mut Session,
    beginning: Beginning,
) -> Result<Migrated, PostgresOpenError> {
    let transaction = session.client_mut().transaction().await?;
    // A large table is changed for as long as it takes, and another node's migration is waited for.
    // Who dies in the middle is still given up: its session ends with its connection.
    transaction.batch_execute(ENDLESS).await?;
    let locked = "SELECT pg_try_advisory_xact_lock($1)";
    let locked = transaction.query_one(locked, &[&LOCK]).await?;
    if !locked.try_get::<_, bool>(0)? {
        tracing::info!("another node migrates the database: waiting for it");
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
    }
    transaction.batch_execute(TABLE_LOCKS).await?;
    // Where a Redis is in front, the tables take changes only from those who say that they know.
    transaction
        .batch_execute("SET LOCAL lastro_behind.writer = 'yes'")
        .await?;
    let from = version(&transaction).await?;
    if from > NEWEST {
        return Err(PostgresOpenError::Newer {
            found: from,
            known: NEWEST,
        });
    }
    // An older ledger's lists are filled before that migration is noted.
    let to = match from {
        1..LISTS => LISTS - 1,
        _ => NEWEST,
    };
    match (beginning, from) {
        (Beginning::Refused, 0) => return Err(PostgresOpenError::NoLedger),
        (Beginning::Required, 1..) => {
            let ledger_id = match from {
                LEDGER_ID_SINCE.. => Some(ledger_id(&transaction).await?),
                _ => None,
            };
            return Err(PostgresOpenError::HasLedger { ledger_id });
        }
        (Beginning::Allowed | Beginning::Required | Beginning::Refused, _) => {}
    }
    if from == 0 {
        transaction
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS lastro;
                 CREATE TABLE lastro.migrations (
                    number integer PRIMARY KEY,
                    applied_at timestamptz NOT NULL DEFAULT now())",
            )
            .await?;
    }
    let missing = (1..).zip(MIGRATIONS);
    for (number, statements) in missing.filter(|(number, _)| *number > from && *number <= to) {
        transaction.batch_execute(statements).await?;
        transaction
            .execute(
                "INSERT INTO lastro.migrations (number) VALUES ($1)",
                &[&number],
            )
            .await?;
    }
    if to < LISTS {
        // While nobody else migrates.
        transaction.batch_execute(LISTS_SQL).await?;
    }
    transaction.commit().await?;
    // Where its wait for the standby was cancelled a failover may take it back.
    match session.has_waited() {
        true => Ok(Migrated { from, to }),
        false => Err(PostgresOpenError::Asked(Failure::CommitUnknown)),
    }
}

/// The id of the ledger in the database, which is at [`LEDGER_ID_SINCE`] or later.
pub(crate) async fn ledger_id(client: &impl GenericClient) -> Result<LedgerId, PostgresOpenError> {
    let row = client
        .query_opt("SELECT id FROM lastro.ledger", &[])
        .await?;
    let row = row.ok_or(Failure::Damaged("the ledger's id"))?;
    let id: uuid::Uuid = row.try_get(0)?;
    Ok(LedgerId::from_bytes(id.into_bytes()))
}

/// The newest migration that was applied; 0 when there is none.
async fn version(client: &impl GenericClient) -> Result<i32, PostgresOpenError> {
    // Not by `to_regclass`: within a transaction a session still believes what it has remembered of
    // names, also that there was no such schema before another node's migration was waited for. A read
    // of the catalog's own tables sees what has been committed, and lets the session hear of it.
    let table = "
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_class AS it
            JOIN pg_catalog.pg_namespace AS schema ON schema.oid = it.relnamespace
            WHERE schema.nspname = 'lastro' AND it.relname = 'migrations')";
    if !client.query_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(number), 0) FROM lastro.migrations";
    Ok(client.query_one(newest, &[]).await?.try_get(0)?)
}

/// Says whether the database is at the migration that this version knows.
pub(crate) async fn check(session: &Session) -> Result<(), PostgresOpenError> {
    let client: &Client = session;
    let (found, known) = (version(client).await?, NEWEST);
    match found {
        0 => Err(PostgresOpenError::NoLedger),
        _ if found < known => Err(PostgresOpenError::Older { found, known }),
        _ if found > known => Err(PostgresOpenError::Newer { found, known }),
        _ => Ok(()),
    }
}
