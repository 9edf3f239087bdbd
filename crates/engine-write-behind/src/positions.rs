//! How far the database has come: tables beside the ledger's own, a row each.
//!
//! | table | what |
//! |---|---|
//! | `ledger` | which ledger this is, the newest epoch, the position up to which ids and entries are persisted |
//! | `epochs` | the newest epochs that were taken, and the position at which Redis went on under each |
//! | `nodes` | which Redis each node goes on with, and how far it has answered; see [`nodes`](crate::nodes) |
//! | `log` | the calls that the accounts do not show yet, as they were in the stream |
//! | `balances` | the position up to which they do |
//!
//! A writer moves the position from the one it began at, in the same transaction: of two
//! writers, or of one from before a rebuild, only one can.

use std::time::Instant;

use engine_postgres::{Failure, Lease, PostgresOptions, Tables, connect_to_verify};
use ledger::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::epoch::{History, epoch_of};
use crate::error::{Damaged, WriteBehindOpenError};
use crate::pace::Pace;

/// The advisory locks of those of whom there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Repair,
    Transfers,
    Balances,
}

impl Role {
    const fn lock(self) -> i64 {
        0x6c61_7374_726f_1000
            + match self {
                Self::Repair => 0,
                Self::Transfers => 1,
                Self::Balances => 2,
            }
    }
}

const SCHEMA: &str = "
    CREATE SCHEMA IF NOT EXISTS lastro_behind;
    CREATE TABLE IF NOT EXISTS lastro_behind.ledger (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        ledger_id uuid NOT NULL,
        epoch text NOT NULL,
        position bigint NOT NULL,
        newest_at bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS lastro_behind.epochs (
        number bigint PRIMARY KEY,
        epoch text NOT NULL UNIQUE,
        began bigint
    );
    CREATE TABLE IF NOT EXISTS lastro_behind.balances (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        position bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS lastro_behind.log (
        position bigint PRIMARY KEY,
        records bytea NOT NULL
    );";

/// How many of the newest epochs the database knows. They only serve to judge a Redis of an older
/// epoch that comes back: one of an epoch that is not known any more is refused, as is one of an
/// epoch that the database has lost, and nothing is dropped.
const EPOCHS_KEPT: u64 = 10_000;

/// Once a Redis is in front, nobody else changes the ledger's tables: not a node with the engine
/// `postgres` that runs already, nor one of a version that does not look.
const FENCE: &str = "
    CREATE OR REPLACE FUNCTION lastro_behind.fence() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('lastro_behind.writer', true) IS DISTINCT FROM 'yes' THEN
            RAISE EXCEPTION 'a Redis stands in front of this ledger: write through --engine '
                'write-behind, or end that with `lastro migrate --detach`'
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        RETURN NULL;
    END $$;
    DO $$
    DECLARE name text;
    BEGIN
        FOREACH name IN ARRAY ARRAY[
            'accounts', 'stripes', 'entries', 'transfers', 'pendings', 'payments', 'batches',
            'events'
        ] LOOP
            IF NOT EXISTS (
                SELECT FROM pg_trigger
                WHERE tgname = 'lastro_behind' AND tgrelid = ('lastro.' || name)::regclass
            ) THEN
                EXECUTE format(
                    'CREATE TRIGGER lastro_behind BEFORE INSERT OR UPDATE OR DELETE ON lastro.%I '
                    'FOR EACH STATEMENT EXECUTE FUNCTION lastro_behind.fence()', name);
            END IF;
        END LOOP;
    END $$;";

/// What the database says of the ledger before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) ledger_id: Uuid,
    /// Nothing of another epoch is persisted.
    pub(crate) epoch: String,
    /// Where Redis went on under it; `None` while the stores are compared.
    pub(crate) began: Option<u64>,
    /// Up to here ids and entries are persisted.
    pub(crate) position: u64,
    /// No event up to there is later.
    pub(crate) newest: Timestamp,
}

/// How far a database behind a Redis has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persisted {
    /// Up to here it has ids and entries.
    pub position: u64,
    /// Up to here its accounts show them.
    pub accounts_position: u64,
}

/// How far the ledger in the database of this URL is persisted; `None` where there is no Redis
/// before it.
///
/// # Errors
///
/// When the database does not answer.
pub async fn persisted(
    url: &str,
    options: &PostgresOptions,
) -> Result<Option<Persisted>, WriteBehindOpenError> {
    let client = connect_to_verify(url, options).await?;
    let is_there = "SELECT to_regclass('lastro_behind.ledger') IS NOT NULL";
    if !client.query_one(is_there, &[]).await?.try_get(0)? {
        return Ok(None);
    }
    let positions = "
        SELECT ledger.position, balances.position AS accounts_position
        FROM lastro_behind.ledger, lastro_behind.balances";
    let Some(row) = client.query_opt(positions, &[]).await? else {
        return Ok(None);
    };
    let accounts_position: i64 = row.try_get("accounts_position")?;
    Ok(Some(Persisted {
        position: position(&row)?,
        accounts_position: accounts_position.cast_unsigned(),
    }))
}

/// A call, or several, that the accounts do not show yet.
pub(crate) struct Logged {
    pub(crate) position: u64,
    pub(crate) records: Vec<u8>,
}

fn position(row: &Row) -> Result<u64, Failure> {
    Ok(row.try_get::<_, i64>("position")?.cast_unsigned())
}

pub(crate) fn stored(position: u64) -> Result<i64, Failure> {
    i64::try_from(position).map_err(|_| Failure::Damaged("a position"))
}

/// A connection of one's own that holds this role's lock; `None` while somebody else does. The lock
/// goes with the connection.
pub(crate) async fn try_lock(
    tables: &Tables,
    role: Role,
    deadline: Instant,
) -> Result<Option<Lease>, Failure> {
    let lease = tables.lease(deadline).await?;
    let statement = "SELECT pg_try_advisory_lock($1) AS locked";
    let (lock, client) = (role.lock(), lease.client());
    let locked = within(client.query_one(statement, &[&lock]), deadline).await?;
    if locked.try_get("locked")? {
        return Ok(Some(lease));
    }
    lease.done();
    Ok(None)
}

/// Waits until the deadline, and not longer.
pub(crate) async fn within<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    deadline: Instant,
) -> Result<T, Failure> {
    let asked = tokio::time::timeout_at(deadline.into(), asked).await;
    Ok(asked.map_err(|_| Failure::Late)??)
}

/// Makes these tables where they are not there.
pub(crate) async fn prepare(lease: &Lease) -> Result<(), Failure> {
    Ok(lease.client().batch_execute(SCHEMA).await?)
}

/// Whether the database is one in which these tables, or columns of them, are not there.
pub(crate) fn is_undefined(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => matches!(
            error.code(),
            Some(
                &SqlState::UNDEFINED_TABLE
                    | &SqlState::UNDEFINED_COLUMN
                    | &SqlState::INVALID_SCHEMA_NAME
            )
        ),
        Failure::Pool(_)
        | Failure::CommitUnknown
        | Failure::Damaged(_)
        | Failure::Late
        | Failure::Behind
        | Failure::ClockJumped
        | Failure::StandbyAway => false,
    }
}

/// Begins a transaction that may change the ledger's tables, and take longer where that is needed.
pub(crate) async fn begin(lease: &Lease, pace: &Pace) -> Result<(), Failure> {
    let mut statements = "BEGIN; SET LOCAL lastro_behind.writer = 'yes'; ".to_owned();
    if let Some(times) = pace.patience() {
        statements += &format!(
            "SELECT set_config('statement_timeout', (setting::bigint * {times})::text, true)
             FROM pg_settings WHERE name = 'statement_timeout'"
        );
    }
    Ok(lease.client().batch_execute(&statements).await?)
}

/// Ends what [`create`] began: the database is a ledger by itself again. Everything has to be
/// persisted, and shown by its accounts.
pub(crate) async fn end(lease: &Lease) -> Result<(), Failure> {
    let statement = "DROP SCHEMA lastro_behind CASCADE";
    Ok(lease.client().batch_execute(statement).await?)
}

pub(crate) async fn read(lease: &Lease) -> Result<Option<Behind>, Failure> {
    let statement = "
        SELECT ledger_id, ledger.epoch, position, newest_at, began
        FROM lastro_behind.ledger LEFT JOIN lastro_behind.epochs ON epochs.epoch = ledger.epoch";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let row = client.query_opt(&statement, &[]).await?;
    row.map(|row| {
        let began: Option<i64> = row.try_get("began")?;
        Ok(Behind {
            ledger_id: row.try_get("ledger_id")?,
            epoch: row.try_get("epoch")?,
            began: began.map(i64::cast_unsigned),
            position: position(&row)?,
            newest: Timestamp::from_nanos(row.try_get::<_, i64>("newest_at")?.cast_unsigned()),
        })
    })
    .transpose()
}

/// Begins a ledger's rows, at position 0, once nobody else changes its tables any more.
pub(crate) async fn create(lease: &Lease) -> Result<(), WriteBehindOpenError> {
    let client = lease.client();
    client.batch_execute("BEGIN").await?;
    client.batch_execute(FENCE).await?;
    let statement = "
        INSERT INTO lastro_behind.ledger (ledger_id, epoch, position, newest_at)
        SELECT $1, '', 0, coalesce(max(newest_at), 0) FROM lastro.accounts";
    client.execute(statement, &[&Uuid::new_v4()]).await?;
    let statement = "INSERT INTO lastro_behind.balances (position) VALUES (0)";
    client.execute(statement, &[]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// The same for a database that a version without it was behind of.
pub(crate) async fn fence(lease: &Lease) -> Result<(), Failure> {
    Ok(lease.client().batch_execute(FENCE).await?)
}

/// Whether somebody has made payments here.
pub(crate) async fn has_payments(lease: &Lease) -> Result<bool, Failure> {
    let statement = "SELECT EXISTS (SELECT FROM lastro.payments) AS has";
    Ok(lease.client().query_one(statement, &[]).await?.try_get(0)?)
}

/// Whether somebody has made or tried reversals here.
pub(crate) async fn has_reversals(lease: &Lease) -> Result<bool, Failure> {
    let statement = "SELECT EXISTS (SELECT FROM lastro.reversals) AS has";
    Ok(lease.client().query_one(statement, &[]).await?.try_get(0)?)
}

/// Whether somebody has posted a part of a pending transfer here, or tried to.
pub(crate) async fn has_parts(lease: &Lease) -> Result<bool, Failure> {
    let statement = "SELECT EXISTS (SELECT FROM lastro.parts) AS has";
    Ok(lease.client().query_one(statement, &[]).await?.try_get(0)?)
}

/// Whether something of an account is frozen here.
pub(crate) async fn has_frozen(lease: &Lease) -> Result<bool, Failure> {
    let statement = "SELECT EXISTS (SELECT FROM lastro.accounts WHERE frozen <> 0) AS has";
    Ok(lease.client().query_one(statement, &[]).await?.try_get(0)?)
}

/// Takes a new epoch, with a number above this one and above all there were. From then on nothing of
/// another one is persisted; a persist under way is waited for.
pub(crate) async fn take_epoch(lease: &Lease, above: u64) -> Result<Behind, WriteBehindOpenError> {
    let client = lease.client();
    client.batch_execute("BEGIN").await?;
    let locked = "SELECT FROM lastro_behind.ledger FOR UPDATE";
    client.query_one(locked, &[]).await?;
    let newest = "SELECT coalesce(max(number), 0) AS position FROM lastro_behind.epochs";
    let newest = position(&client.query_one(newest, &[]).await?)?;
    let number = newest.max(above) + 1;
    let random = Uuid::new_v4().as_fields().0;
    let epoch = epoch_of(number, random);
    let statement = "INSERT INTO lastro_behind.epochs (number, epoch) VALUES ($1, $2)";
    client
        .execute(statement, &[&stored(number)?, &epoch])
        .await?;
    let forgotten = stored(number.saturating_sub(EPOCHS_KEPT))?;
    // The newest that was confirmed is the one that Redis carries, however many comparisons failed since.
    let statement = "DELETE FROM lastro_behind.epochs WHERE number <= $1 AND number < (
        SELECT coalesce(max(number), 0) FROM lastro_behind.epochs WHERE began IS NOT NULL)";
    client.execute(statement, &[&forgotten]).await?;
    let statement = "UPDATE lastro_behind.ledger SET epoch = $1";
    client.execute(statement, &[&epoch]).await?;
    client.batch_execute("COMMIT").await?;
    lease.committed()?;
    let behind = read(lease).await?.ok_or(Damaged)?;
    if behind.epoch != epoch {
        return Err(WriteBehindOpenError::Busy);
    }
    Ok(behind)
}

/// What is known of an epoch, and of those that were confirmed after it.
pub(crate) async fn history(lease: &Lease, epoch: &str) -> Result<History, Failure> {
    let client = lease.client();
    let statement = "SELECT number AS position FROM lastro_behind.epochs WHERE epoch = $1";
    let Some(row) = client.query_opt(statement, &[&epoch]).await? else {
        return Ok(History::Unknown);
    };
    let number = position(&row)?;
    let statement = "
        SELECT min(began) AS went_on, count(*) AS count, max(number) AS newest
        FROM lastro_behind.epochs WHERE number > $1";
    let later = client.query_one(statement, &[&stored(number)?]).await?;
    let (count, newest): (i64, Option<i64>) = (later.try_get("count")?, later.try_get("newest")?);
    if newest.is_some_and(|newest| newest.cast_unsigned() - number != count.cast_unsigned()) {
        return Ok(History::Gap);
    }
    let went_on: Option<i64> = later.try_get("went_on")?;
    Ok(History::WentOn(went_on.map(i64::cast_unsigned)))
}

/// Redis went on under this epoch, at this position; `false`: another one was taken since.
pub(crate) async fn confirm_epoch(lease: &Lease, epoch: &str, began: u64) -> Result<bool, Failure> {
    let statement = "
        UPDATE lastro_behind.epochs SET began = $2
        WHERE epoch = (SELECT epoch FROM lastro_behind.ledger WHERE epoch = $1 FOR UPDATE)";
    let client = lease.client();
    let confirmed = client
        .execute(statement, &[&epoch, &stored(began)?])
        .await?;
    lease.committed()?;
    Ok(confirmed == 1)
}

/// Moves the position of ids and entries, in the transaction that the connection is in; `false`:
/// somebody else did, or the epoch is another one.
pub(crate) async fn move_ledger(
    lease: &Lease,
    epoch: &str,
    from: u64,
    to: u64,
    newest: Timestamp,
) -> Result<bool, Failure> {
    let statement = "
        UPDATE lastro_behind.ledger SET position = $3, newest_at = greatest(newest_at, $4)
        WHERE position = $2 AND epoch = $1";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    // A time past 2262, which versions before this one applied, is stored as the last one that a bigint
    // can say, as in the ledger's own tables: it serves only to judge the clock.
    let newest = i64::try_from(newest.as_nanos()).unwrap_or(i64::MAX);
    let (from, to) = (stored(from)?, stored(to)?);
    let moved = client
        .execute(&statement, &[&epoch, &from, &to, &newest])
        .await?;
    Ok(moved == 1)
}

pub(crate) async fn add_to_log(lease: &Lease, logged: &Logged) -> Result<(), Failure> {
    let client = lease.client();
    let statement = "INSERT INTO lastro_behind.log (position, records) VALUES ($1, $2)";
    let statement = client.prepare_cached(statement).await?;
    let position = stored(logged.position)?;
    client
        .execute(&statement, &[&position, &logged.records])
        .await?;
    Ok(())
}

/// Where the accounts are, and what comes next, oldest first: at most so many calls, and so many bytes
/// where that is more than one.
pub(crate) async fn read_log(
    lease: &Lease,
    count: i64,
    bytes_max: i64,
) -> Result<(u64, Vec<Logged>), Failure> {
    let client = lease.client();
    let at = "SELECT position FROM lastro_behind.balances";
    let at = client.prepare_cached(at).await?;
    let at = position(&client.query_one(&at, &[]).await?)?;
    let statement = "
        SELECT position, records FROM (
            SELECT position, records, octet_length(records) AS bytes,
                sum(octet_length(records)) OVER (ORDER BY position) AS bytes_until
            FROM (
                SELECT position, records FROM lastro_behind.log WHERE position > $1
                ORDER BY position LIMIT $2
            ) AS next
        ) AS summed
        WHERE bytes_until <= $3 OR bytes_until = bytes
        ORDER BY position";
    let statement = client.prepare_cached(statement).await?;
    let rows = client
        .query(&statement, &[&stored(at)?, &count, &bytes_max])
        .await?;
    let logged = rows.iter().map(|row| {
        Ok(Logged {
            position: position(row)?,
            records: row.try_get("records")?,
        })
    });
    Ok((at, logged.collect::<Result<_, Failure>>()?))
}

/// Whether it was only too much at a time.
pub(crate) fn is_late(failure: &Failure) -> bool {
    match failure {
        Failure::Late => true,
        Failure::Database(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
        Failure::Pool(_)
        | Failure::CommitUnknown
        | Failure::Damaged(_)
        | Failure::Behind
        | Failure::ClockJumped
        | Failure::StandbyAway => false,
    }
}

/// Moves the accounts' position and lets go of what they show by then, in the transaction that the
/// connection is in; `false`: somebody else did.
pub(crate) async fn move_balances(lease: &Lease, from: u64, to: u64) -> Result<bool, Failure> {
    let client = lease.client();
    let statement = "UPDATE lastro_behind.balances SET position = $2 WHERE position = $1";
    let statement = client.prepare_cached(statement).await?;
    let (from, to) = (stored(from)?, stored(to)?);
    if client.execute(&statement, &[&from, &to]).await? != 1 {
        return Ok(false);
    }
    let statement = "DELETE FROM lastro_behind.log WHERE position <= $1";
    let statement = client.prepare_cached(statement).await?;
    client.execute(&statement, &[&to]).await?;
    Ok(true)
}
