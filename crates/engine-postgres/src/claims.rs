//! Which node dispatches which payment.
//!
//! A node has one lease, a row that it renews; payments are claimed under it. So a renewal is one
//! small write however much is claimed. A lease that is over is ended by the node that finds it: its row
//! goes, and what it had claimed is free, in one transaction. A claim holds its lease's row while it
//! is made, so that nothing is claimed under a lease that has been ended.
//!
//! Both ends of a lease are safe from clocks: it begins, for its node, when the database was asked
//! for it, and ends, for the others, by the database's clock, which comes to it later.
//!
//! Locks: the lease's row first, then payments, by id or without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join, try_join};
use ledger::{
    Answer, Claims, ClaimsLease, DueQuery, HealthReport, HealthTurn, Payment, ProcessorName,
    Unavailable,
};
use parking_lot::Mutex;
use stdx::ErrorChain;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::call::Store;
use crate::connect::Session;
use crate::due::{DuePage, DueRow};
use crate::error::Failure;
use crate::numbers::payment_is_open;

/// How many leases that are over are ended at a time, and how long that may take.
const ENDED_MAX: i64 = 8;
const END_TIMEOUT: Duration = Duration::from_secs(2);

const RENEW: &str = "
    UPDATE lastro.leases SET leased_until = lastro.now_ns() + $2, lasts = $2 WHERE lease_id = $1
    RETURNING lease_id";

const BEGIN: &str = "
    INSERT INTO lastro.leases (lease_id, leased_until, lasts)
    VALUES (gen_random_uuid(), lastro.now_ns() + $1, $1) RETURNING lease_id";

/// A row for each node. One that is over counts until it is ended: what it sent was under way by then.
const LONGEST: &str = "
    SELECT coalesce(max(greatest(lasts, leased_until - lastro.now_ns(), 0)), 0) AS lasts
    FROM lastro.leases";

const OVER: &str = "
    SELECT lease_id FROM lastro.leases WHERE leased_until < lastro.now_ns()
    ORDER BY leased_until LIMIT $1";

/// Only one that is over, unless it is one's own.
const END: &str = "
    DELETE FROM lastro.leases
    WHERE lease_id = $1 AND ($2 OR leased_until < lastro.now_ns())";

/// In a statement of its own, which sees what was claimed until the lease's row could be deleted.
const FREE: &str = concat!(
    "
    UPDATE lastro.payments AS payment SET claimed_by = NULL
    FROM (
        SELECT payment_id FROM lastro.payments
        WHERE claimed_by = $1 AND ",
    payment_is_open!(),
    "
            AND NOT EXISTS (SELECT FROM lastro.leases WHERE lease_id = $1)
        ORDER BY payment_id FOR UPDATE
    ) AS freed
    WHERE payment.payment_id = freed.payment_id"
);

/// The free are ordered as the index has them, else they would be sorted, all of them.
pub(crate) const DUE: &str = concat!(
    "
    WITH mine AS MATERIALIZED (
        SELECT payment_id, accepted_at, record FROM lastro.payments
        WHERE claimed_by = $1 AND ",
    payment_is_open!(),
    " AND (accepted_at, payment_id) > ($2, $3)
        ORDER BY accepted_at, payment_id LIMIT $4
    ), lease AS MATERIALIZED (
        SELECT lease_id FROM lastro.leases WHERE lease_id = $1 FOR KEY SHARE
    ), free AS MATERIALIZED (
        SELECT payment_id FROM lastro.payments
        WHERE claimed_by IS NULL AND ",
    payment_is_open!(),
    " AND EXISTS (SELECT FROM lease)
        ORDER BY claimed_by, accepted_at, payment_id
        LIMIT (SELECT greatest($5 - count(*), 0) FROM mine)
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE lastro.payments AS payment SET claimed_by = $1 FROM free
        WHERE payment.payment_id = free.payment_id
        RETURNING payment.payment_id, payment.accepted_at, payment.record
    )
    SELECT payment_id, accepted_at, record, true AS was_mine FROM mine
    UNION ALL SELECT payment_id, accepted_at, record, false FROM claimed"
);

/// Takes the turn if nobody has within the interval; a time to come was set by a clock that has
/// stepped back since.
const HEALTH_TURN: &str = "
    WITH turn AS (
        INSERT INTO lastro.processor_health AS health (processor, asked_at)
        VALUES ($1, lastro.now_ns())
        ON CONFLICT (processor) DO UPDATE SET asked_at = excluded.asked_at
        WHERE health.asked_at <= excluded.asked_at - $2 OR health.asked_at > excluded.asked_at
        RETURNING processor
    )
    SELECT EXISTS (SELECT FROM turn) AS is_ours, failing, delay_min_ms,
        lastro.now_ns() - reported_at AS age_ns
    FROM (VALUES ($1)) AS wanted (processor)
    LEFT JOIN lastro.processor_health health ON health.processor = wanted.processor";

const HEALTH_REPORT: &str = "
    UPDATE lastro.processor_health
    SET failing = $2, delay_min_ms = $3, reported_at = lastro.now_ns() - $4
    WHERE processor = $1";

/// All of them.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 8] = [
    RENEW,
    BEGIN,
    OVER,
    END,
    FREE,
    DUE,
    HEALTH_TURN,
    HEALTH_REPORT,
];

/// The claims of one node.
pub struct PaymentClaims {
    store: Store,
    lasts: Duration,
    held: Mutex<Held>,
    /// Whether leases are being ended.
    is_ending: Arc<AtomicBool>,
}

/// The lease that is held.
#[derive(Default)]
struct Held {
    id: Option<Uuid>,
    number: u64,
}

impl PaymentClaims {
    pub(crate) fn new(store: Store, lasts: Duration) -> Self {
        Self {
            store,
            lasts,
            held: Mutex::default(),
            is_ending: Arc::default(),
        }
    }

    async fn renewed(&self, deadline: Instant) -> Result<ClaimsLease, Failure> {
        let connection = self.store.take_to_write(deadline).await?;
        let client = connection.client();
        let lasts = nanos(self.lasts);
        let held = self.held.lock().id;
        // The database's clock is looked at later than this one.
        let mut asked_at = Instant::now();
        let renewed = match held {
            Some(id) => query(client, RENEW, &[&id, &lasts]).await?,
            None => Vec::new(),
        };
        if renewed.is_empty() {
            asked_at = Instant::now();
            let begun = query(client, BEGIN, &[&lasts]).await?;
            let id = begun.first().ok_or(Failure::Damaged("a lease"))?;
            let mut held = self.held.lock();
            held.id = Some(id.try_get("lease_id")?);
            held.number += 1;
        }
        let number = self.held.lock().number;
        // A lease that a failover may take back does not count.
        connection.committed()?;
        connection.done();
        self.end_others();
        let until = Some(asked_at + self.lasts);
        Ok(ClaimsLease { number, until })
    }

    /// Ends what is over, in a task of its own: a node that died in the middle of a transaction
    /// keeps payments locked for a while, and a node that waits for them still has to renew.
    fn end_others(&self) {
        if self.is_ending.swap(true, Ordering::Relaxed) {
            return;
        }
        let (store, is_ending) = (self.store.clone(), Arc::clone(&self.is_ending));
        tokio::spawn(async move {
            let deadline = Instant::now() + END_TIMEOUT;
            // What fails is tried again after the next renewal.
            let _ = in_time(deadline, end_over(&store, deadline)).await;
            is_ending.store(false, Ordering::Relaxed);
        });
    }

    async fn left(&self, deadline: Instant) -> Result<(), Failure> {
        let Some(id) = self.held.lock().id.take() else {
            return Ok(());
        };
        let connection = self.store.take_to_write(deadline).await?;
        end(connection.client(), id, true).await?;
        connection.done();
        Ok(())
    }

    async fn due(&self, query: DueQuery, deadline: Instant) -> Result<Vec<Payment>, Failure> {
        let Some(id) = self.held.lock().id else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let mut page = DuePage::new(query);
        loop {
            let (accepted_at, after) = page.after();
            let room = i64::try_from(page.room()).unwrap_or(i64::MAX);
            let parameters: [&(dyn ToSql + Sync); 5] = [&id, &accepted_at, &after, &limit, &room];
            let (mut mine_count, mut claimed_count) = (0, 0);
            for row in self.store.rows_written(DUE, &parameters, deadline).await? {
                let due = DueRow::read(&row)?;
                if row.try_get("was_mine")? {
                    mine_count += 1;
                    page.add_next(due);
                } else {
                    claimed_count += 1;
                    page.add(due);
                }
            }
            // All that were claimed before were read, and all that are free.
            let is_at_end = mine_count < limit && mine_count + claimed_count < room;
            if is_at_end || page.room() == 0 {
                return Ok(page.finish(&self.store.due_warnings));
            }
        }
    }

    async fn turn(
        &self,
        processor: &ProcessorName,
        interval: Duration,
        deadline: Instant,
    ) -> Result<HealthTurn, Failure> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&processor.as_str(), &nanos(interval)];
        let rows = self
            .store
            .rows_written(HEALTH_TURN, &parameters, deadline)
            .await?;
        let row = rows.first().ok_or(Failure::Damaged("a turn"))?;
        if row.try_get("is_ours")? {
            return Ok(HealthTurn::Ours);
        }
        let age: Option<i64> = row.try_get("age_ns")?;
        let (Some(age), Some(failing), Some(delay_min_ms)) = (
            age,
            row.try_get("failing")?,
            row.try_get::<_, Option<i64>>("delay_min_ms")?,
        ) else {
            return Ok(HealthTurn::Theirs(None));
        };
        Ok(HealthTurn::Theirs(Some(HealthReport {
            failing,
            delay_min: u64::try_from(delay_min_ms)
                .map(Duration::from_millis)
                .map_err(|_| Failure::Damaged("a health report"))?,
            // Below 0 where the database's clock stepped back. Never 0: that is the age of a report
            // that this node has asked for itself.
            age: Duration::from_nanos(age.max(1).cast_unsigned()),
        })))
    }

    async fn reported(
        &self,
        processor: &ProcessorName,
        report: HealthReport,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let delay_min_ms = i64::try_from(report.delay_min.as_millis()).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 4] = [
            &processor.as_str(),
            &report.failing,
            &delay_min_ms,
            &nanos(report.age),
        ];
        self.store
            .rows_written(HEALTH_REPORT, &parameters, deadline)
            .await?;
        Ok(())
    }
}

impl Claims for PaymentClaims {
    fn renew(&self, deadline: Instant) -> Answer<'_, ClaimsLease> {
        Box::pin(in_time(deadline, self.renewed(deadline)))
    }

    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>> {
        Box::pin(in_time(deadline, self.due(query, deadline)))
    }

    fn leave(&self, deadline: Instant) -> Answer<'_, ()> {
        Box::pin(in_time(deadline, self.left(deadline)))
    }

    fn health_turn(
        &self,
        processor: ProcessorName,
        interval: Duration,
        deadline: Instant,
    ) -> Answer<'_, HealthTurn> {
        Box::pin(async move { in_time(deadline, self.turn(&processor, interval, deadline)).await })
    }

    fn report_health(
        &self,
        processor: ProcessorName,
        report: HealthReport,
        deadline: Instant,
    ) -> Answer<'_, ()> {
        Box::pin(
            async move { in_time(deadline, self.reported(&processor, report, deadline)).await },
        )
    }
}

impl Store {
    /// How long a request of any node that dispatches payments over this database may be under way
    /// after it was recorded as sent: the longest of their leases, nothing where there is none.
    pub(crate) async fn send_lease(&self, deadline: Instant) -> Result<Duration, Unavailable> {
        self.ask(LONGEST, &[], deadline, |rows| {
            let row = rows.first().ok_or(Failure::Damaged("the leases"))?;
            let lasts: i64 = row.try_get("lasts")?;
            let lasts = u64::try_from(lasts).map_err(|_| Failure::Damaged("a lease"))?;
            Ok(Duration::from_nanos(lasts))
        })
        .await
    }
}

async fn end_over(store: &Store, deadline: Instant) -> Result<(), Failure> {
    let connection = store.take_to_write(deadline).await?;
    let client = connection.client();
    for over in query(client, OVER, &[&ENDED_MAX]).await? {
        end(client, over.try_get("lease_id")?, false).await?;
    }
    connection.done();
    Ok(())
}

/// Ends a lease, and frees what was claimed under it.
async fn end(client: &Session, id: Uuid, is_own: bool) -> Result<(), Failure> {
    let (end, free) = try_join(client.prepare_cached(END), client.prepare_cached(FREE)).await?;
    // Polled, and so sent, in this order; where one fails the commit is made a rollback.
    let end_parameters: [&(dyn ToSql + Sync); 2] = [&id, &is_own];
    let free_parameters: [&(dyn ToSql + Sync); 1] = [&id];
    let begun = client.batch_execute("BEGIN");
    let done = join(
        client.execute(&end, &end_parameters),
        client.execute(&free, &free_parameters),
    );
    let committed = client.batch_execute("COMMIT");
    let (begun, (done, committed)) = join(begun, join(done, committed)).await;
    begun?;
    done.0?;
    done.1?;
    committed?;
    Ok(())
}

async fn query(
    client: &Session,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failure> {
    let prepared = client.prepare_cached(statement).await?;
    Ok(client.query(&prepared, parameters).await?)
}

/// One attempt: who claims asks again by itself.
async fn in_time<T>(
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Unavailable> {
    let attempt = tokio::time::timeout_at(deadline.into(), attempt);
    attempt
        .await
        .unwrap_or(Err(Failure::Late))
        .map_err(|failure| {
            tracing::debug!(error = %ErrorChain(&failure), "claims of payments wait");
            failure.unavailable()
        })
}

/// As a bigint, which has room for 292 years: a longer one never ends.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
