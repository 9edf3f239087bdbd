//! Reads: one statement each, so that all it answers is from one instant.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ledger::{
    Account, AccountId, BalanceAt, BatchId, DueQuery, Entry, Event, Millis, Notes, Payment,
    PaymentId, PendingEnd, ProcessorName, ProcessorSummary, RESOLUTIONS_READ_MAX, Reference,
    Resolution, STATEMENT_PAGE_MAX, Statement, StatementQuery, Timestamp, TransferId, TransferKind,
    Unavailable, UsedBatch, UsedPayment, UsedTransfer,
};
use stdx::ErrorChain;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::call::Store;
use crate::codec::{
    account_columns, account_id, decode, limited_account, pending_end, resolution, stripe_columns,
    time, timestamp, total, unlimited_account, used_batch, used_payment, used_transfer, uuid,
};
use crate::due::{DuePage, DueRow};
use crate::error::Failure;
use crate::lease::Lease;
use crate::load::ALONE_WITH_PAYMENTS;
use crate::numbers::{payment_is_open, payment_is_settled};
use crate::sums::Window;

/// How long to wait before a read is tried again.
const PAUSE: Duration = Duration::from_millis(20);

const LIMITED: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM lastro.accounts account WHERE account_id = $1"
);
const UNLIMITED: &str = concat!(
    "SELECT ",
    stripe_columns!(),
    " FROM lastro.stripes WHERE account_id = $1 ORDER BY stripe"
);

const STATEMENT: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", entry.number, entry.transfer_id, entry.kind, entry.debit_account_id,
        entry.credit_account_id, entry.amount, entry.description, entry.balance_after,
        entry.entered_at, entry.reference, entry.metadata, transfer.record
    FROM lastro.accounts account LEFT JOIN LATERAL (
        SELECT number, transfer_id, kind, debit_account_id, credit_account_id, amount, description,
            balance_after, entered_at, reference, metadata
        FROM lastro.entries WHERE account_id = account.account_id AND number < $2
        ORDER BY number DESC LIMIT $3
    ) entry ON true
    LEFT JOIN lastro.transfers transfer
        ON entry.kind <> 'transfer' AND transfer.transfer_id = entry.transfer_id
    WHERE account.account_id = $1 ORDER BY number DESC"
);

const BALANCE_AT: &str = "
    SELECT entry.number, entry.balance_after
    FROM lastro.accounts account LEFT JOIN LATERAL (
        SELECT number, balance_after FROM lastro.entries
        WHERE account_id = account.account_id AND entered_at <= $2
        ORDER BY entered_at DESC LIMIT 1
    ) entry ON true
    WHERE account.account_id = $1";

const TRANSFER: &str = "
    SELECT transfer_id, record, pending_state, reversed_amount, left_amount
    FROM lastro.transfers WHERE transfer_id = $1";

/// A post or a void is found by the id of what it ended, as the index has it; a part that reached the
/// whole is listed as that.
const PENDING_END: &str = r"
    SELECT pending.record AS pending, pending.pending_state, pending.expired_at,
        pending.left_amount, ending.record
    FROM lastro.transfers pending LEFT JOIN LATERAL (
        SELECT record FROM lastro.transfers
        WHERE substring(record FROM 19 FOR 16) = $2
            AND substring(record FROM 1 FOR 1) = '\x00'::bytea
            AND substring(record FROM 18 FOR 1) IN ('\x02'::bytea, '\x03'::bytea)
        UNION ALL
        SELECT part.record FROM lastro.parts
        JOIN lastro.transfers part ON part.transfer_id = parts.transfer_id
        WHERE parts.pending_id = pending.transfer_id AND parts.left_amount = 0
    ) ending ON true
    WHERE pending.transfer_id = $1";

/// Likewise, of several.
pub(crate) const PENDING_ENDS: &str = r"
    SELECT pending.transfer_id, pending.record AS pending, pending.pending_state,
        pending.expired_at, pending.left_amount, ending.record
    FROM unnest($1::uuid[]) AS wanted (id)
    JOIN lastro.transfers pending ON pending.transfer_id = wanted.id
    LEFT JOIN LATERAL (
        SELECT record FROM lastro.transfers
        WHERE substring(record FROM 19 FOR 16) = uuid_send(pending.transfer_id)
            AND substring(record FROM 1 FOR 1) = '\x00'::bytea
            AND substring(record FROM 18 FOR 1) IN ('\x02'::bytea, '\x03'::bytea)
        UNION ALL
        SELECT part.record FROM lastro.parts
        JOIN lastro.transfers part ON part.transfer_id = parts.transfer_id
        WHERE parts.pending_id = pending.transfer_id AND parts.left_amount = 0
    ) ending ON true";

const BATCH: &str = "
    SELECT batch_id, digest, outcomes FROM lastro.batches WHERE batch_id = $1";

const ENTRIES: &str = "
    SELECT entry.number, entry.transfer_id, entry.kind, entry.debit_account_id,
        entry.credit_account_id, entry.amount, entry.description, entry.balance_after,
        entry.entered_at, entry.reference, entry.metadata, transfer.record
    FROM (
        SELECT number, transfer_id, kind, debit_account_id, credit_account_id, amount, description,
            balance_after, entered_at, reference, metadata
        FROM lastro.entries WHERE account_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3
    ) entry
    LEFT JOIN lastro.transfers transfer
        ON entry.kind <> 'transfer' AND transfer.transfer_id = entry.transfer_id
    ORDER BY entry.number DESC";

const ENTRY_AT: &str = "
    SELECT number, balance_after FROM lastro.entries
    WHERE account_id = $1 AND entered_at <= $2 ORDER BY entered_at DESC LIMIT 1";

const PAYMENT: &str = "SELECT payment_id, record FROM lastro.payments WHERE payment_id = $1";

const RESOLUTIONS: &str = "
    SELECT payment_id, resolved_at, kind, requested_at_ms, attempt, processor, who, why
    FROM lastro.resolutions WHERE payment_id = $1 ORDER BY resolved_at DESC LIMIT $2";

/// Whole buckets, and the single payments at the window's ends.
const SUMMARY: &str = concat!(
    "
    SELECT processor, sum(payments_count)::bigint AS payments_count, sum(amount)::text AS amount
    FROM (
        SELECT processor, payments_count, amount
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS wanted (level, first, end_)
        JOIN lastro.payment_sums sums ON sums.level = wanted.level
            AND sums.bucket >= wanted.first AND sums.bucket < wanted.end_
        UNION ALL
        SELECT processor, 1, amount
        FROM unnest($4::bigint[], $5::bigint[]) AS edge (first_ms, last_ms)
        JOIN lastro.payments ON ",
    payment_is_settled!(),
    "
            AND requested_at_ms BETWEEN edge.first_ms AND edge.last_ms
            AND accepted_at > coalesce((SELECT max(purged_at) FROM lastro.purges), -1)
    ) AS parts
    GROUP BY processor ORDER BY processor"
);

const NEWEST_PAYMENT: &str =
    "SELECT coalesce(max(accepted_at), 0) AS accepted_at FROM lastro.payments";

const PAYMENTS_DUE: &str = concat!(
    "
    SELECT payment_id, accepted_at, record FROM lastro.payments WHERE ",
    payment_is_open!(),
    "
        AND (accepted_at, payment_id) > ($1, $2)
    ORDER BY accepted_at, payment_id LIMIT $3"
);

/// All of them; the statement's is the first.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 14] = [
    STATEMENT,
    LIMITED,
    UNLIMITED,
    BALANCE_AT,
    TRANSFER,
    PENDING_END,
    PENDING_ENDS,
    BATCH,
    ENTRIES,
    ENTRY_AT,
    PAYMENT,
    RESOLUTIONS,
    SUMMARY,
    PAYMENTS_DUE,
];

impl Store {
    pub(crate) async fn account(
        &self,
        id: AccountId,
        deadline: Instant,
    ) -> Result<Option<Account>, Unavailable> {
        let statement = if id.is_reserved() { UNLIMITED } else { LIMITED };
        self.ask(statement, &[&id.as_str()], deadline, |rows| {
            if id.is_reserved() {
                unlimited_account(rows)
            } else {
                rows.first().map(limited_account).transpose()
            }
        })
        .await
    }

    pub(crate) async fn statement(
        &self,
        query: StatementQuery,
        deadline: Instant,
    ) -> Result<Option<Statement>, Unavailable> {
        let id = query.account_id;
        if id.is_reserved() {
            let account = self.account(id, deadline).await?;
            return Ok(account.map(|account| Statement {
                account,
                entries: Vec::new(),
            }));
        }
        let before = query.before.map_or(i64::MAX, at_most);
        let limit = at_most(query.limit.min(STATEMENT_PAGE_MAX) as u64);
        let parameters: [&(dyn ToSql + Sync); 3] = [&id.as_str(), &before, &limit];
        self.ask(STATEMENT, &parameters, deadline, |rows| {
            let Some(first) = rows.first() else {
                return Ok(None);
            };
            let account = limited_account(first)?;
            let entries = rows.iter().filter_map(|row| entry(row).transpose());
            let entries = entries.collect::<Result<_, _>>()?;
            Ok(Some(Statement { account, entries }))
        })
        .await
    }

    pub(crate) async fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, Unavailable> {
        if id.is_reserved() {
            return self.unlimited_balance_at(id, at, deadline).await;
        }
        let parameters: [&(dyn ToSql + Sync); 2] = [&id.as_str(), &time(at)];
        self.ask(BALANCE_AT, &parameters, deadline, |rows| {
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let number: Option<i64> = row.try_get("number")?;
            let balance: Option<i64> = row.try_get("balance_after")?;
            Ok(Some(BalanceAt {
                balance: balance.unwrap_or(0),
                entry_number: number.unwrap_or(0).cast_unsigned(),
            }))
        })
        .await
    }

    pub(crate) async fn transfer(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<UsedTransfer>, Unavailable> {
        self.ask(TRANSFER, &[&uuid(id.to_u128())], deadline, |rows| {
            Ok(rows
                .first()
                .map(used_transfer)
                .transpose()?
                .map(|row| row.1))
        })
        .await
    }

    pub(crate) async fn pending_end(
        &self,
        id: TransferId,
        deadline: Instant,
    ) -> Result<Option<PendingEnd>, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&uuid(id.to_u128()), &&id.to_bytes()[..]];
        self.ask(PENDING_END, &parameters, deadline, |rows| {
            match rows.first() {
                Some(row) => pending_end(row),
                None => Ok(None),
            }
        })
        .await
    }

    /// How these pending transfers ended, as far as they have and it was kept.
    pub(crate) async fn pending_ends(
        &self,
        ids: &[TransferId],
        deadline: Instant,
    ) -> Result<HashMap<TransferId, PendingEnd>, Unavailable> {
        let ids: Vec<_> = ids.iter().map(|id| uuid(id.to_u128())).collect();
        self.ask(PENDING_ENDS, &[&ids], deadline, |rows| {
            let mut ends = HashMap::with_capacity(rows.len());
            for row in rows {
                let id: uuid::Uuid = row.try_get("transfer_id")?;
                if let Some(end) = pending_end(row)? {
                    ends.insert(TransferId::from_u128(id.as_u128()), end);
                }
            }
            Ok(ends)
        })
        .await
    }

    pub(crate) async fn batch(
        &self,
        id: BatchId,
        deadline: Instant,
    ) -> Result<Option<UsedBatch>, Unavailable> {
        self.ask(BATCH, &[&uuid(id.to_u128())], deadline, |rows| {
            Ok(rows.first().map(used_batch).transpose()?.map(|row| row.1))
        })
        .await
    }

    pub(crate) async fn entries(
        &self,
        id: &AccountId,
        before: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Entry>, Unavailable> {
        let limit = at_most(limit as u64);
        let parameters: [&(dyn ToSql + Sync); 3] = [&id.as_str(), &at_most(before), &limit];
        self.ask(ENTRIES, &parameters, deadline, |rows| {
            rows.iter()
                .filter_map(|row| entry(row).transpose())
                .collect()
        })
        .await
    }

    pub(crate) async fn entry_at(
        &self,
        id: &AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<BalanceAt>, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&id.as_str(), &time(at)];
        self.ask(ENTRY_AT, &parameters, deadline, |rows| {
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            Ok(Some(BalanceAt {
                balance: row.try_get("balance_after")?,
                entry_number: total(row, "number")?,
            }))
        })
        .await
    }

    pub(crate) async fn payment(
        &self,
        id: PaymentId,
        deadline: Instant,
    ) -> Result<Option<UsedPayment>, Unavailable> {
        self.ask(PAYMENT, &[&uuid(id.to_u128())], deadline, |rows| {
            Ok(rows.first().map(used_payment).transpose()?.map(|row| row.1))
        })
        .await
    }

    pub(crate) async fn resolutions(
        &self,
        id: PaymentId,
        deadline: Instant,
    ) -> Result<Vec<Resolution>, Unavailable> {
        let limit = at_most(RESOLUTIONS_READ_MAX as u64);
        self.ask(
            RESOLUTIONS,
            &[&uuid(id.to_u128()), &limit],
            deadline,
            |rows| rows.iter().map(resolution).collect(),
        )
        .await
    }

    pub(crate) async fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Result<Vec<ProcessorSummary>, Unavailable> {
        let window = Window::of(from, to);
        let parameters: [&(dyn ToSql + Sync); 5] = [
            &window.level,
            &window.first,
            &window.end,
            &window.edge_first_ms,
            &window.edge_last_ms,
        ];
        self.ask(SUMMARY, &parameters, deadline, |rows| {
            rows.iter().map(summary).collect()
        })
        .await
    }

    pub(crate) async fn payments_due(
        &self,
        query: DueQuery,
        deadline: Instant,
    ) -> Result<Vec<Payment>, Unavailable> {
        let limit = at_most(query.limit as u64);
        let mut page = DuePage::new(query);
        loop {
            let (accepted_at, id) = page.after();
            let parameters: [&(dyn ToSql + Sync); 3] = [&accepted_at, &id, &limit];
            let rows: Vec<DueRow> = self
                .ask(PAYMENTS_DUE, &parameters, deadline, |rows| {
                    rows.iter().map(DueRow::read).collect()
                })
                .await?;
            let is_at_end = rows.len() < query.limit;
            for row in rows {
                page.add_next(row);
            }
            if is_at_end || page.room() == 0 {
                return Ok(page.finish(&self.due_warnings));
            }
        }
    }

    /// Acceptances hold their lock shared while they are under way: alone with it, the newest is the
    /// newest, and whatever is accepted from now on is later.
    pub(crate) async fn newest_payment_accepted_at(
        &self,
        deadline: Instant,
    ) -> Result<Timestamp, Unavailable> {
        self.until(deadline, || self.newest_payment(deadline)).await
    }

    async fn newest_payment(&self, deadline: Instant) -> Result<Timestamp, Failure> {
        let lease = Lease::take(&self.pool, deadline).await?;
        let client = lease.client();
        client.batch_execute(ALONE_WITH_PAYMENTS).await?;
        let row = client.query_one(NEWEST_PAYMENT, &[]).await?;
        client.batch_execute("COMMIT").await?;
        lease.done();
        Ok(timestamp(row.try_get("accepted_at")?))
    }

    /// Asks one statement until the database answers or the deadline passes.
    pub(crate) async fn ask<T>(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
        deadline: Instant,
        understand: impl Fn(&[Row]) -> Result<T, Failure>,
    ) -> Result<T, Unavailable> {
        self.until(deadline, || async {
            understand(&self.rows(statement, parameters, deadline).await?)
        })
        .await
    }

    /// Tries a read until the database answers or the deadline passes.
    pub(crate) async fn until<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        deadline: Instant,
        read: impl Fn() -> F,
    ) -> Result<T, Unavailable> {
        loop {
            let answer = tokio::time::timeout_at(deadline.into(), read());
            match answer.await.unwrap_or(Err(Failure::Late)) {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.pause_after(&failure, deadline).await?,
            }
        }
    }

    /// Waits before the next attempt; the answer where there is none.
    async fn pause_after(&self, failure: &Failure, deadline: Instant) -> Result<(), Unavailable> {
        if failure.is_of_an_older_plan() {
            self.pool.manager().doubt.retire();
        }
        if !failure.is_passing() || Instant::now() + PAUSE >= deadline {
            tracing::warn!(error = %ErrorChain(failure), "a read was not answered");
            return Err(failure.unavailable());
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    pub(crate) async fn rows(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
        deadline: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let lease = Lease::take(&self.pool, deadline).await?;
        let client = lease.client();
        let prepared = client.prepare_cached(statement).await?;
        let rows = client.query(&prepared, parameters).await?;
        lease.done();
        Ok(rows)
    }

    /// Likewise, of a statement that writes.
    pub(crate) async fn rows_written(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
        deadline: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let lease = self.take_to_write(deadline).await?;
        let client = lease.client();
        let prepared = client.prepare_cached(statement).await?;
        let rows = client.query(&prepared, parameters).await?;
        lease.committed()?;
        lease.done();
        Ok(rows)
    }
}

pub(crate) fn at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A line of a statement; `None` where there is none beside the account.
pub(crate) fn entry(row: &Row) -> Result<Option<Entry>, Failure> {
    let Some(number) = row.try_get::<_, Option<i64>>("number")? else {
        return Ok(None);
    };
    let transfer_id: uuid::Uuid = row.try_get("transfer_id")?;
    let kind = match row.try_get::<_, &str>("kind")? {
        "transfer" => "transfer",
        "post" => "post",
        "settle" => "settle",
        "reverse" => "reverse",
        _ => return Err(Failure::Damaged("an entry's kind")),
    };
    let made_by = match kind {
        "transfer" => TransferKind::Transfer,
        _ => kind_of(row)?,
    };
    if made_by.as_str() != kind {
        return Err(Failure::Damaged("an entry's kind"));
    }
    Ok(Some(Entry {
        number: number.cast_unsigned(),
        transfer_id: TransferId::from_u128(transfer_id.as_u128()),
        kind,
        pending_id: made_by.pending_id(),
        payment_id: made_by.payment_id(),
        reverses: made_by.reverses(),
        debit_account_id: account_id(row, "debit_account_id")?,
        credit_account_id: account_id(row, "credit_account_id")?,
        amount: total(row, "amount")?,
        description: row.try_get::<_, &str>("description")?.into(),
        balance_after: row.try_get("balance_after")?,
        timestamp: timestamp(row.try_get("entered_at")?),
        notes: notes(row)?,
    }))
}

/// What the entry's transfer did, by its record.
fn kind_of(row: &Row) -> Result<TransferKind, Failure> {
    let damaged = || Failure::Damaged("an entry's transfer");
    let record: Option<&[u8]> = row.try_get("record")?;
    let event: Event = decode(record.ok_or_else(damaged)?)?;
    Ok(event.transfer().ok_or_else(damaged)?.kind)
}

/// The columns of a reference and of metadata.
fn notes(row: &Row) -> Result<Notes, Failure> {
    let damaged = || Failure::Damaged("a reference or metadata");
    let reference: Option<&str> = row.try_get("reference")?;
    let metadata: Option<&str> = row.try_get("metadata")?;
    if reference.is_none() && metadata.is_none() {
        return Ok(Notes::NONE);
    }
    let reference = reference.map(Reference::new).transpose();
    let metadata = metadata.map(serde_json::from_str).transpose();
    Ok(Notes::new(
        reference.map_err(|_| damaged())?,
        metadata.map_err(|_| damaged())?.unwrap_or_default(),
    ))
}

fn summary(row: &Row) -> Result<ProcessorSummary, Failure> {
    let damaged = || Failure::Damaged("a settled payment");
    let count: i64 = row.try_get("payments_count")?;
    let amount: &str = row.try_get("amount")?;
    Ok(ProcessorSummary {
        processor: ProcessorName::new(row.try_get("processor")?).map_err(|_| damaged())?,
        payments_count: count.cast_unsigned(),
        amount: amount.parse().map_err(|_| damaged())?,
    })
}
