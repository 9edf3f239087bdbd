//! Writes the events of another ledger into an empty database, in order: what [`Events`](crate::Events)
//! reads again.
//!
//! - The rules themselves apply the events, and what the events say of the accounts has to be what
//!   comes out. The rows are those that an engine would have written, by the same statements.
//! - How far it has come is written in the commit of what was copied: after a kill it goes on there.
//! - A row of `lastro.copy` is there from the first commit to [`Import::finish`]: until then no node
//!   serves the database.
//!
//! Round trips: two reads, one write and the commit for each call of [`Import::append`].

use std::time::{Duration, Instant};

use ledger::{Account, Event, LedgerId, Outcome, State as _, UsedBatch, evolve};
use uuid::Uuid;

use crate::call::Store;
use crate::codec::{timestamp, uuid};
use crate::connect::Session;
use crate::copying::{LOCK, under_way};
use crate::error::{Failure, PostgresOpenError};
use crate::lease::Lease;
use crate::numbers::payment_state;
use crate::opened_for::OpenedFor;
use crate::options::PostgresOptions;
use crate::pool::connect;
use crate::rows::Rows;
use crate::snapshot::Snapshot;
use crate::tables::{check, load_accounts, missing, name_accounts};
use crate::write::write;

const HOLDERS: &str = "
    SELECT pid, coalesce(host(client_addr), 'this host') AS host, application_name AS name
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = $1::bigint >> 32 AND objid::bigint = $1::bigint & 4294967295
    ORDER BY pid";

const IS_USED: &str = "
    SELECT EXISTS (SELECT FROM lastro.accounts) OR EXISTS (SELECT FROM lastro.stripes)
        OR EXISTS (SELECT FROM lastro.transfers) OR EXISTS (SELECT FROM lastro.payments)
        OR EXISTS (SELECT FROM lastro.batches) OR EXISTS (SELECT FROM lastro.purges)";

const PAYMENTS: &str = concat!(
    "SELECT payment_id, record FROM lastro.payments
    WHERE payment_id = ANY ($1) OR ($2 AND state = ",
    payment_state!(accepted),
    ")"
);

const PURGED_AT: &str = "SELECT coalesce(max(purged_at), 0) AS purged_at FROM lastro.purges";

/// A large chunk may take longer than a node's statement may.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0";

/// The same ledger has the same id wherever it is.
const MARK: &str = "
    WITH named AS (UPDATE lastro.ledger SET id = $1)
    INSERT INTO lastro.copy (ledger_id, events_count) VALUES ($1, 0)";

const MOVE: &str = "
    UPDATE lastro.copy SET events_count = events_count + $1 WHERE ledger_id = $2 AND events_count = $3";

/// Why a ledger cannot be copied into the database, or no further.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] PostgresOpenError),
    /// A ledger is in it already.
    #[error("a ledger is in the database already: copy into an empty one")]
    NotEmpty,
    /// An unfinished copy of another ledger is in it.
    #[error(
        "the database has an unfinished copy of another ledger, {ledger_id}: copy into an empty database"
    )]
    OtherLedger {
        /// Which one.
        ledger_id: LedgerId,
    },
    /// The database did not take the events, or did not answer.
    #[error("the events could not be written to the database")]
    Failed(#[from] Failure),
    /// An event does not follow from those before it.
    #[error(
        "an event does not follow from those before it: {what}. `lastro verify` finds what is wrong in the ledger that is copied"
    )]
    Unexpected {
        /// Which, and why.
        what: String,
    },
}

impl From<tokio_postgres::Error> for ImportError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// How long a connection is waited for.
const CONNECTION_BOUND: Duration = Duration::from_secs(30);

fn deadline() -> Instant {
    Instant::now() + CONNECTION_BOUND
}

/// A copy under way.
pub struct Import {
    store: Store,
    ledger_id: Uuid,
    events_count: u64,
    /// Keeps nodes and other copies out.
    _alone: Session,
}

impl Import {
    /// Opens the database for a copy of this ledger, and makes its tables if they are not there. It has
    /// to be empty, or to have an unfinished copy of the same ledger; no node may serve it. From the first
    /// commit on its ledger has this id.
    ///
    /// # Errors
    ///
    /// See [`ImportError`]. Nothing was changed but the tables' version.
    pub async fn begin(
        url: &str,
        options: &PostgresOptions,
        ledger_id: LedgerId,
    ) -> Result<Self, ImportError> {
        let alone = hold(url, options).await?;
        let store = Store::open(url, options, OpenedFor::Copy).await?;
        let id = Uuid::from_bytes(ledger_id.to_bytes());
        let lease = Lease::take(&store.pool, deadline()).await?;
        let client = lease.client();
        let under_way = under_way(client).await?;
        let events_count = match under_way {
            Some((other, _)) if other != ledger_id => {
                return Err(ImportError::OtherLedger { ledger_id: other });
            }
            Some((_, events_count)) => events_count,
            None if client.query_one(IS_USED, &[]).await?.try_get(0)? => {
                return Err(ImportError::NotEmpty);
            }
            None => {
                client.execute(MARK, &[&id]).await?;
                lease.committed()?;
                0
            }
        };
        lease.done();
        Ok(Self {
            store,
            ledger_id: id,
            events_count,
            _alone: alone,
        })
    }

    /// How many events are in the database.
    #[must_use]
    pub const fn events_count(&self) -> u64 {
        self.events_count
    }

    /// Writes these events in one transaction; they follow those before them. The events of an atomic batch
    /// have to be in one call with the batch's own.
    ///
    /// # Errors
    ///
    /// See [`ImportError`]. The events are there as a whole or not at all.
    pub async fn append(&mut self, events: &[Event]) -> Result<(), ImportError> {
        let lease = Lease::take(&self.store.pool, deadline()).await?;
        let client = lease.client();
        client.batch_execute(BEGIN).await?;
        let mut snapshot = load(&lease, events).await?;
        for (index, event) in events.iter().enumerate() {
            apply(&mut snapshot, event)?;
            if let Event::Batch(batch) = event {
                let outcomes = batch.failed_outcomes();
                let outcomes =
                    outcomes.or_else(|| outcomes_before(events, index, batch.members_count));
                let outcomes = outcomes.ok_or_else(|| {
                    unexpected(event, "the events of its members are not right before it")
                })?;
                let digest = batch.digest;
                snapshot.remember_batch(batch.id, UsedBatch { digest, outcomes });
            }
            snapshot.newest = snapshot.newest.max(event.timestamp());
        }
        write(&lease, &Rows::of(&mut snapshot), 0).await?;
        let count = events.len() as u64;
        let [by, from] = [count, self.events_count].map(u64::cast_signed);
        if client.execute(MOVE, &[&by, &self.ledger_id, &from]).await? != 1 {
            return Err(Failure::Damaged("the place of the copy").into());
        }
        client.batch_execute("COMMIT").await?;
        lease.committed()?;
        lease.done();
        self.events_count += count;
        Ok(())
    }

    /// The copy is whole: from now on the database can be served.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn finish(self) -> Result<(), ImportError> {
        let lease = Lease::take(&self.store.pool, deadline()).await?;
        let end = "DELETE FROM lastro.copy WHERE ledger_id = $1 AND events_count = $2";
        let count = self.events_count.cast_signed();
        let ended = lease
            .client()
            .execute(end, &[&self.ledger_id, &count])
            .await?;
        // Another server with less than was compared may have taken over meanwhile.
        if ended != 1 {
            return Err(Failure::Damaged("the place of the copy").into());
        }
        lease.committed()?;
        lease.done();
        Ok(())
    }
}

/// Takes the lock as a copy, or says by whom the database is used. It is held until the session ends.
async fn hold(url: &str, options: &PostgresOptions) -> Result<Session, PostgresOpenError> {
    let session = connect(url, options).await?;
    let row = session.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]);
    if row.await?.try_get(0)? {
        return Ok(session);
    }
    let mut by = Vec::new();
    for row in session.query(HOLDERS, &[&LOCK]).await? {
        let pid: i32 = row.try_get("pid")?;
        let (host, name): (&str, &str) = (row.try_get("host")?, row.try_get("name")?);
        by.push(format!("{name} on {host} (process {pid} of the database)"));
    }
    if by.is_empty() {
        by.push("a node that has just left it".to_owned());
    }
    Err(PostgresOpenError::InUse { by: by.join(", ") })
}

/// What the events change, as it is before them.
async fn load(lease: &Lease, events: &[Event]) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::default();
    let mut payments: Vec<Uuid> = Vec::new();
    for event in events {
        name_accounts(&mut snapshot, event);
        payments.extend(event.payment().map(|payment| uuid(payment.id.to_u128())));
        snapshot.keys.purges |= matches!(event, Event::PaymentsPurged { .. });
    }
    let client: &Session = lease.client();
    if !payments.is_empty() || snapshot.keys.purges {
        let statement = client.prepare_cached(PAYMENTS).await?;
        let purges = snapshot.keys.purges;
        let rows = client.query(&statement, &[&payments, &purges]).await?;
        snapshot.take_payments(&rows)?;
        let row = client.query_one(PURGED_AT, &[]).await?;
        snapshot.purged_at = timestamp(row.try_get("purged_at")?);
        // A purge releases what payments reserve that no event here names.
        let payers = snapshot.payments_accepted().into_iter();
        let payers: Vec<_> = payers.filter_map(|payment| payment.account_id).collect();
        for id in &payers {
            snapshot.keys.account(id);
        }
    }
    load_accounts(lease, &mut snapshot).await?;
    Ok(snapshot)
}

/// Applies an event that may be applied.
fn apply(snapshot: &mut Snapshot, event: &Event) -> Result<(), ImportError> {
    if let Some(id) = missing(snapshot, event) {
        return Err(unexpected(event, &format!("account {id} is not open")));
    }
    for (id, movement) in event.movements() {
        let may = |account: &Account| account.can_apply(movement);
        if !snapshot.accounts.get(id).is_some_and(may) {
            return Err(unexpected(event, &format!("account {id} cannot take it")));
        }
    }
    evolve(snapshot, event);
    let is_as_said = match event {
        Event::LimitChanged { id, account, .. }
        | Event::AccountClosed { id, account, .. }
        | Event::FreezeChanged { id, account, .. } => snapshot.accounts.get(id) == Some(account),
        Event::AccountOpened { .. }
        | Event::Transfer(_)
        | Event::PaymentAccepted(_)
        | Event::PaymentSent(_)
        | Event::PaymentReleased(_)
        | Event::PaymentSettled { .. }
        | Event::PaymentRefused(_)
        | Event::PaymentsPurged { .. }
        | Event::Refused { .. }
        | Event::Batch(_)
        | Event::PaymentResolved(_) => match event.transfer() {
            Some(transfer) => check(snapshot, transfer).is_ok(),
            None => true,
        },
    };
    match is_as_said {
        true => Ok(()),
        false => Err(unexpected(event, "its accounts are not as it says")),
    }
}

/// The first outcomes of the members of a batch that was applied.
fn outcomes_before(events: &[Event], index: usize, members_count: u32) -> Option<Vec<Outcome>> {
    let first = index.checked_sub(members_count as usize)?;
    let members = events[first..index].iter();
    members.map(|event| event.clone().into_outcome()).collect()
}

fn unexpected(event: &Event, why: &str) -> ImportError {
    let at = event.timestamp();
    ImportError::Unexpected {
        what: format!("the one at {at}: {why}: {event:?}"),
    }
}
